"""Verdicts and the violations they rest on."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotate.campaigns.models import Campaign


class Judgment(models.Model):
    """One annotator's verdict on one output. Never changed: a later opinion is a new revision."""

    class Verdict(models.TextChoices):
        REJECTED = "rejected", "rejected"
        NOTHING_WRONG = "nothing_wrong", "nothing wrong"
        CANNOT_TELL = "cannot_tell", "cannot tell"

    campaign = models.ForeignKey(
        "campaigns.Campaign", on_delete=models.CASCADE, related_name="judgments", db_index=False
    )
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="judgments", db_index=False)
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="judgments", db_index=False
    )
    tag_set = models.ForeignKey("campaigns.TagSet", on_delete=models.PROTECT, related_name="+", db_index=False)
    revision = models.PositiveSmallIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="Taken back by its annotator right after the submit.")
    is_surplus = models.BooleanField(default=False, help_text="Came after its lease had expired; kept, beyond overlap.")
    is_assisted = models.BooleanField(
        default=False, db_default=False, help_text="What trusted checks found was shown first. Else it was made blind."
    )
    verdict = models.CharField(max_length=15, choices=Verdict)
    comment = models.TextField(blank=True)
    prompt_shown = models.CharField(
        max_length=10, choices=Campaign.Stance, default=Campaign.Stance.AS_WRITTEN, help_text="The twin of the prompt."
    )
    idempotency_key = models.UUIDField(default=uuid.uuid4, unique=True)
    seconds = models.PositiveIntegerField(null=True, help_text="From lease to submit.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["output", "annotator", "revision"], name="judgment_revision"),
            models.UniqueConstraint(
                fields=["output", "annotator"], condition=Q(is_current=True), name="judgment_one_current"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "id"], name="judgment_campaign_page"),
            models.Index(fields=["annotator", "campaign", "-created_at"], name="judgment_mine_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.annotator}"


class Violation(models.Model):
    """One tag applied in a judgment.

    `start` and `end` are half-open code-point offsets into the output's text, which had `text_sha256` when marked.
    A span may be empty only for an omission, where `start` = `end` says where something is missing (or both null).
    """

    class Severity(models.TextChoices):
        MINOR = "minor", "minor"
        MAJOR = "major", "major"
        CRITICAL = "critical", "critical"

    class Scope(models.TextChoices):
        SPAN = "span", "span"
        WHOLE = "whole", "whole output"
        OMISSION = "omission", "omission"

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="violations")
    tag = models.ForeignKey("campaigns.Tag", on_delete=models.PROTECT, related_name="violations", db_index=False)
    position = models.PositiveSmallIntegerField(default=0)
    scope = models.CharField(max_length=10, choices=Scope)
    severity = models.CharField(max_length=10, choices=Severity, blank=True)
    start = models.PositiveIntegerField(null=True)
    end = models.PositiveIntegerField(null=True)
    quote = models.TextField(blank=True)
    text_sha256 = models.CharField(max_length=64)
    critique = models.TextField(blank=True)
    correction = models.TextField(blank=True)
    source = models.JSONField(default=dict, help_text="Keys of an imported annotation that have no field here.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="violation_span_matches_scope",
                condition=(
                    Q(scope="span", start__isnull=False, end__isnull=False, start__lt=F("end"))
                    | Q(scope="whole", start__isnull=True, end__isnull=True)
                    | Q(scope="omission", start__isnull=True, end__isnull=True)
                    | Q(scope="omission", start__isnull=False, end__isnull=False, start__lte=F("end"))
                ),
            )
        ]
        indexes = [models.Index(fields=["tag", "id"], name="violation_latest_of_tag")]
        ordering = ["judgment", "position", "id"]

    def __str__(self) -> str:
        return f"{self.tag} {self.quote[:40]}"
