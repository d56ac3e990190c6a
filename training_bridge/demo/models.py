"""One telling of the demo: how far it is, and the table it ends with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

HEARTBEAT_SECONDS = 60
"""A telling that said nothing for this long has lost its process."""


class DemoRun(models.Model):
    """The demo of one seed and size. Done or stopped, it keeps its row; started again, it goes on in it."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        STOPPED = "stopped", "stopped"
        DONE = "done", "done"

    seed = models.PositiveIntegerField()
    size = models.CharField(max_length=10, default="full")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    claim = models.UUIDField(null=True, help_text="Which process tells it; another one has lost it.")
    step = models.CharField(max_length=20, blank=True)
    message = models.CharField(max_length=300, blank=True)
    progress = models.FloatField(default=0.0)
    notes = models.JSONField(default=dict, help_text="What came of each finished step.")
    table = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    campaign = models.ForeignKey("campaigns.Campaign", null=True, on_delete=models.SET_NULL, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seed", "size"], name="demo_one_per_seed"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="demo_one_at_a_time"),
        ]

    def __str__(self) -> str:
        return f"demo {self.seed}"
