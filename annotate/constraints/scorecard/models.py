"""Scorecards as last measured: a row per constraint, and where the sweep stands in a campaign."""

from __future__ import annotations

from django.db import models


class Scorecard(models.Model):
    """What was measured of one constraint. Recomputed by a sweep, never by a request."""

    constraint = models.OneToOneField(
        "constraints.Constraint", primary_key=True, on_delete=models.CASCADE, related_name="scorecard"
    )
    figures = models.JSONField(help_text="scorecard.Card as JSON.")
    verdicts = models.JSONField(help_text="Property to good, bad, unclear or too_few.")
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"scorecard of {self.constraint_id}"


class Scoring(models.Model):
    """Where the sweep stands in a campaign. Its row is the lock that lets one measurement in at a time.

    `fingerprint` says what stood in the campaign then: another one means that the scorecards are behind. The counts are
    of the judgments that were measured: current, of the `counted` kinds of annotators, gold left out.
    """

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="scoring")
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    fingerprint = models.CharField(max_length=200, blank=True)
    counted = models.JSONField(default=list)
    output_count = models.PositiveBigIntegerField(default=0)
    judgment_count = models.PositiveBigIntegerField(default=0)
    cannot_tell_count = models.PositiveBigIntegerField(default=0)
    assisted_count = models.PositiveBigIntegerField(
        default=0, help_text="Beside judgment_count, which is of blind ones."
    )
    seconds = models.FloatField(default=0.0, help_text="How long it took; the next one waits in proportion.")
    measured_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"scoring of {self.campaign_id}"
