"""When a campaign has seen enough, on what its sets are compared, and what was last computed of it.

Part of this room's models; models.py names this file to Django.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class StopRule(models.Model):
    """When a campaign has seen enough, as its admins say: sample coverage at least `coverage` and fewer than
    `expected_new` new constraints expected in the next `reviews` reviews. It is shown as met or not; it closes nothing.
    """

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="stop_rule")
    coverage = models.FloatField(validators=[MinValueValidator(0.5), MaxValueValidator(0.9999)])
    expected_new = models.FloatField(validators=[MinValueValidator(0.01), MaxValueValidator(1000)])
    reviews = models.PositiveIntegerField(validators=[MinValueValidator(10), MaxValueValidator(1_000_000)])
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"stop rule of {self.campaign_id}"


class Probe(models.Model):
    """The outputs on which a campaign's constraint sets are compared, revision by revision: drawn once, then fixed.

    Of `batch`, which is to be evaluated, or, where there is none, of the outputs reviewed until then.
    """

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="probe")
    batch = models.ForeignKey("intake.ImportBatch", null=True, on_delete=models.SET_NULL, related_name="+")
    output_ids = models.JSONField(help_text="At most convergence.PROBE_AT_MOST, ascending.")
    drawn_at = models.DateTimeField()
    looking_until = models.DateTimeField(null=True, help_text="Until then a worker runs frozen checks on it.")

    def __str__(self) -> str:
        return f"probe of {self.campaign_id}"


class Convergence(models.Model):
    """What was last computed of a campaign's convergence, of all judgments up to `last_judgment_id`.

    `fingerprint` says what stood in the campaign then: another one means that the figures are behind.
    """

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="convergence")
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    fingerprint = models.CharField(max_length=200, blank=True)
    figures = models.JSONField(default=dict)
    seconds = models.FloatField(default=0.0, help_text="How long computing took; the next one waits in proportion.")
    computed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"convergence of {self.campaign_id}"
