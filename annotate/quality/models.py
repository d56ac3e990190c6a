"""What was last computed of how a campaign's annotators agree, and of how far each can be relied on."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Assessment(models.Model):
    """The answer to one question about a campaign's annotators, as last computed. A sweep computes it, never a request.

    `fingerprint` says which judgments stood in the campaign then: another one means that the figures are behind.
    """

    class Subject(models.TextChoices):
        RELIABILITY = "reliability", "reliability"
        AGREEMENT = "agreement", "agreement"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="assessments")
    subject = models.CharField(max_length=20, choices=Subject)
    judged_by = models.CharField(max_length=10, default="people", help_text="A key of judges.TOGETHER.")
    tag_slug = models.CharField(max_length=200, blank=True, help_text="The tag asked about; none for the verdict.")
    with_gold = models.BooleanField(default=False)
    figures = models.JSONField(default=dict, help_text="What assessing.py makes and reads.")
    fingerprint = models.CharField(max_length=100, blank=True)
    seconds = models.FloatField(default=0.0, help_text="How long it took; the next one waits in proportion.")
    requested_at = models.DateTimeField(null=True, help_text="Somebody waits for it since then.")
    computed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "subject", "judged_by", "tag_slug", "with_gold"], name="assessment_question"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.campaign_id}"


class AssessedAnnotator(models.Model):
    """What an assessment of reliability says of one annotator."""

    assessment = models.ForeignKey(Assessment, on_delete=models.CASCADE, related_name="annotators", db_index=False)
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assessed")
    figures = models.JSONField(help_text="reliability.Annotator as JSON.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assessment", "annotator"], name="assessed_once")]

    def __str__(self) -> str:
        return f"{self.annotator_id} in {self.assessment_id}"
