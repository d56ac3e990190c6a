"""Regroupings: what is under way, tag by tag, so that a worker can go on where another one died.

Part of this room's models; models.py names this file to Django.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Regrouping(models.Model):
    """One pass over a campaign's violations, with a shard for each tag that has some to place.

    One at a time is unfinished. It places what was judged up to `last_judgment_id`; of a `new` one only the judgments
    after `since_judgment_id`, and the older revisions of those, were looked through (0: all).
    """

    class Mode(models.TextChoices):
        NEW = "new", "what is new"
        ANEW = "anew", "everything unsettled anew"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="regroupings")
    mode = models.CharField(max_length=4, choices=Mode)
    since_judgment_id = models.PositiveBigIntegerField(default=0)
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(null=True, help_text="When a person asked; null when the sweep found it.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(finished_at=None), name="regrouping_one_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"regrouping {self.pk} of {self.campaign_id}"


class Shard(models.Model):
    """The part of a regrouping that one worker at a time does: a tag, a portion after the other.

    Its row is the lock. The first `placed_count` of its list are placed; it moves in the transaction that places them.
    `attempt_count` counts portions begun since the last one that was stored.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    regrouping = models.ForeignKey(Regrouping, on_delete=models.CASCADE, related_name="shards", db_index=False)
    tag_slug = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    total_count = models.PositiveBigIntegerField()
    placed_count = models.PositiveBigIntegerField(default=0)
    anchors = models.JSONField(
        null=True,
        help_text="What tells the groups, once the first portion has founded them: [[constraint, [violation, ...]]].",
    )
    attempt_count = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["regrouping", "tag_slug"], name="shard_once")]
        indexes = [
            models.Index(fields=["id"], name="shard_unfinished", condition=Q(state__in=["waiting", "running"])),
        ]

    def __str__(self) -> str:
        return f"{self.tag_slug} of {self.regrouping_id}"


UNFINISHED = (Shard.State.WAITING, Shard.State.RUNNING)


class Listed(models.Model):
    """The violation at a `place` (from 1) of a shard's list, and the constraint it was in when the list was made.

    The order is that of a hash of the ids, so the first portion is a fair sample. Rows live as long as their shard
    runs; no foreign keys, for a million of them are written at a time.
    """

    pk = models.CompositePrimaryKey("shard_id", "place")
    shard = models.ForeignKey(Shard, on_delete=models.CASCADE, related_name="listed", db_index=False)
    place = models.PositiveIntegerField()
    violation_id = models.PositiveBigIntegerField()
    constraint_id = models.PositiveBigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.violation_id} at {self.place}"
