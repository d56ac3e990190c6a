"""Training runs, the checkpoints they hand back, and schedules that start them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from training_bridge.formats import spec
from training_bridge.runs import states


class Method(models.TextChoices):
    D2O = "d2o", "D2O"
    KTO = "kto", "KTO"
    NPO = "npo", "NPO"
    SIMNPO = "simnpo", "SimNPO"
    BNF = "bnf", "BNF"
    UNLIKELIHOOD = "unlikelihood", "unlikelihood"
    CUT = "cut", "CUT"
    GRADIENT_ASCENT = "gradient_ascent", "gradient ascent"
    SFT = "sft", "SFT"
    DPO = "dpo", "DPO"
    ORPO = "orpo", "ORPO"
    NSR = "nsr", "NSR"
    W_REINFORCE = "w_reinforce", "W-REINFORCE"
    SAMPLE = "sample", "sample only"


TRAINING_METHODS = [(value, label) for value, label in Method.choices if value != Method.SAMPLE]
# A schedule makes a dataset of what is newly judged and trains on it.
SCHEDULED_METHODS = [(value, label) for value, label in Method.choices if value in spec.ROWS]
WITHOUT_DATASET = [Method.SAMPLE, *(Method(name) for name in spec.ON_POLICY)]


class Checkpoint(models.Model):
    """Weights with a lineage. `location` is a folder or a Hugging Face model name; an adapter needs its parent."""

    class Kind(models.TextChoices):
        FULL = "full", "full weights"
        ADAPTER = "adapter", "LoRA adapter"

    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FULL)
    location = models.CharField(max_length=1000)
    campaign = models.ForeignKey("campaigns.Campaign", null=True, on_delete=models.SET_NULL, related_name="checkpoints")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    run = models.OneToOneField("Run", null=True, on_delete=models.PROTECT, related_name="checkpoint")
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class SampleBatch(models.Model):
    """Which batch of outputs a checkpoint sampled. `run` is empty for outputs that were sampled elsewhere."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="sample_batches")
    batch = models.OneToOneField("intake.ImportBatch", on_delete=models.CASCADE, related_name="sampled_from")
    run = models.OneToOneField("Run", null=True, on_delete=models.PROTECT, related_name="sample_batch")

    class Meta:
        verbose_name_plural = "sample batches"

    def __str__(self) -> str:
        return f"{self.checkpoint} -> {self.batch}"


class Schedule(models.Model):
    """ "Retrain when N new judgments are in, at most every D days, at HH:MM.\""""

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=120)
    method = models.CharField(max_length=20, choices=SCHEDULED_METHODS)
    base = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="+")
    continue_from_latest = models.BooleanField(default=False, help_text="Start from this schedule's last checkpoint.")
    hyperparameters = models.JSONField(default=dict)
    sampling = models.JSONField(default=dict)
    min_new_judgments = models.PositiveIntegerField(default=100)
    every_days = models.PositiveSmallIntegerField(default=1)
    at_time = models.TimeField(help_text="In the server's time zone.")
    is_enabled = models.BooleanField(default=True)
    active_since = models.DateTimeField(help_text="Moments before this one are not due: enabled, or moved, then.")
    periodic_task = models.OneToOneField(
        "django_celery_beat.PeriodicTask", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_fired_at = models.DateTimeField(null=True)
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    last_outcome = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class ScheduleFiring(models.Model):
    """What came of one due moment of a schedule. `due_key` makes it happen once, however often it is asked for."""

    class State(models.TextChoices):
        BUILDING = "building", "building the dataset"
        STARTED = "started", "run started"
        NOT_ENOUGH = "not_enough", "not enough new judgments"
        FAILED = "failed", "failed"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="firings")
    due_key = models.CharField(max_length=60, unique=True)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State)
    reason = models.CharField(max_length=500, blank=True)
    new_judgment_count = models.PositiveIntegerField(default=0)
    dataset = models.ForeignKey("exports.DatasetVersion", null=True, on_delete=models.PROTECT, related_name="+")
    run = models.OneToOneField("Run", null=True, on_delete=models.PROTECT, related_name="firing")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="firing_unfinished", condition=Q(state="building"))]

    def __str__(self) -> str:
        return self.due_key


class Run(models.Model):
    """One training job. States and what may follow what: runs/states.py."""

    class State(models.TextChoices):
        REQUESTED = "requested", "requested"
        LAUNCHING = "launching", "launching"
        RUNNING = "running", "running"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        LOST = "lost", "lost"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="runs")
    method = models.CharField(max_length=20, choices=Method)
    base = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="runs_from_here")
    dataset = models.ForeignKey(
        "exports.DatasetVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    hyperparameters = models.JSONField(default=dict)
    sampling = models.JSONField(default=dict)
    checks = models.JSONField(default=list, help_text="What is right, for methods that judge their own answers.")
    launcher = models.CharField(max_length=20, default="process")
    launcher_handle = models.JSONField(default=dict)
    folder = models.CharField(max_length=1000, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.TextField(blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(null=True)
    phase = models.CharField(max_length=40, blank=True)
    schedule = models.ForeignKey(Schedule, null=True, on_delete=models.SET_NULL, related_name="runs")
    due_key = models.CharField(max_length=60, null=True, unique=True, help_text="One run per schedule and due moment.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    launched_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(method__in=WITHOUT_DATASET, dataset__isnull=True)
                | (~Q(method__in=WITHOUT_DATASET) & Q(dataset__isnull=False)),
                name="run_trains_on_a_dataset",
            )
        ]
        indexes = [
            models.Index(fields=["campaign", "-id"], name="run_page"),
            models.Index(
                fields=["state", "id"],
                name="run_unfinished",
                condition=Q(state__in=["requested", "launching", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.method})"

    @property
    def is_over(self) -> bool:
        return self.state in states.ENDED

    @property
    def checkpoint_name(self) -> str:
        """What its outputs' `model` field says: the new checkpoint's name, or the base's when nothing is trained."""
        if self.method == Method.SAMPLE:
            return self.base.name
        return f"{self.campaign.slug}-{self.method}-{self.pk}"
