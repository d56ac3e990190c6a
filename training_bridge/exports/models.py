"""Dataset versions: immutable exports of an approved constraint set."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class DatasetVersion(models.Model):
    """One export: a function of its constraint set, `last_judgment_id` and options. Building it again changes nothing.

    `claim` names the builder at work. A database trigger refuses every UPDATE of a ready version.
    """

    class Format(models.TextChoices):
        KTO = "kto", "KTO"
        D2O = "d2o", "D2O"
        PAIRS = "pairs", "pairs"

    class State(models.TextChoices):
        REQUESTED = "requested", "requested"
        BUILDING = "building", "building"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="dataset_versions")
    constraint_set = models.ForeignKey("constraints.ConstraintSet", on_delete=models.PROTECT, related_name="datasets")
    version = models.PositiveIntegerField()
    format = models.CharField(max_length=10, choices=Format)
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.TextField(blank=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    rows_total = models.PositiveBigIntegerField(null=True)
    manifest = models.JSONField(default=dict)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    folder = models.CharField(max_length=1000, blank=True)
    last_judgment_id = models.PositiveBigIntegerField(help_text="Judgments up to this one are in the version.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    claim = models.UUIDField(null=True, editable=False)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "version"], name="dataset_version_number"),
            models.CheckConstraint(
                condition=~Q(state="ready") | (Q(ready_at__isnull=False) & ~Q(manifest_sha256="")),
                name="dataset_ready_has_manifest",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "id"], name="dataset_unfinished", condition=Q(state__in=["requested", "building"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign} dataset v{self.version} ({self.format})"
