"""Who may judge which output, and for how long."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotate.campaigns.models import Campaign


class Shelf(models.Model):
    """Outputs of one campaign and priority, in the order in which they are given out: by round, then by `order_key`.

    The front shelf holds what came back after it was given out, and is emptied first. The gold shelf holds outputs
    whose errors are known; it has a turn by chance, as often as the campaign says. Whatever arrives joins the round
    after `sealed`; no cursor goes into a round that is not sealed. What lies before an annotator's cursor is therefore
    known for ever: nothing can arrive there.
    """

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="+", db_index=False)
    priority = models.SmallIntegerField(default=0)
    is_front = models.BooleanField(default=False)
    is_gold = models.BooleanField(default=False)
    sealed = models.BigIntegerField(default=0, help_text="The last round that nothing joins any more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "priority", "is_front", "is_gold"], name="shelf_one_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{'front ' if self.is_front else ''}shelf {self.priority} of campaign {self.campaign_id}"


class Cursor(models.Model):
    """How far an annotator has come on a shelf: every open output before this place is submitted or skipped by them."""

    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="cursors", db_index=False)
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    round = models.BigIntegerField()
    order_key = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shelf", "annotator"], name="cursor_one_per_annotator")]

    def __str__(self) -> str:
        return f"annotator {self.annotator_id} at {self.round}/{self.order_key} of shelf {self.shelf_id}"


class QueueItem(models.Model):
    """The queue's narrow view of one output: what is still wanted of it, and where it stands.

    `taken_count` counts open leases plus submitted judgments and never passes `overlap`.
    """

    output = models.OneToOneField(
        "intake.Output", primary_key=True, on_delete=models.CASCADE, related_name="queue_item"
    )
    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="+")
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="items", db_index=False)
    round = models.BigIntegerField()
    order_key = models.BigIntegerField()
    overlap = models.PositiveSmallIntegerField()
    taken_count = models.PositiveSmallIntegerField(default=0)
    judged_count = models.PositiveSmallIntegerField(default=0)
    skip_count = models.PositiveSmallIntegerField(default=0)
    is_set_aside = models.BooleanField(default=False, help_text="A reviewer wants no more judgments of it.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(taken_count__lte=F("overlap")), name="queue_item_not_overfull"),
        ]
        indexes = [
            models.Index(
                fields=["shelf", "round", "order_key"],
                name="queue_item_open",
                condition=Q(taken_count__lt=F("overlap")),
            ),
            models.Index(fields=["campaign", "output"], name="queue_item_skipped", condition=Q(skip_count__gt=0)),
        ]

    def __str__(self) -> str:
        return f"queue item {self.pk}"


class Lease(models.Model):
    """The right of one annotator to judge one output for a while. Outsiders know it by its token only.

    A released or expired lease has returned its slot and may be taken up again by the same person (the row is reused,
    and what was marked is still there); a skipped or submitted one never is. `draft` is what is marked and not
    submitted; its version grows with every save, before and after a submit.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        SUBMITTED = "submitted", "submitted"
        SKIPPED = "skipped", "skipped"
        RELEASED = "released", "given back"
        EXPIRED = "expired", "expired"

    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="+", db_index=False)
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="leases", db_index=False)
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="leases", db_index=False
    )
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    skip_reason = models.CharField(max_length=200, blank=True)
    stance = models.CharField(
        max_length=10,
        choices=Campaign.Stance,
        default=Campaign.Stance.AS_WRITTEN,
        help_text="The campaign's at the time.",
    )
    suggestions = models.JSONField(
        null=True, help_text="What trusted checks found, as it was shown; null: judged blind."
    )
    draft = models.JSONField(null=True)
    draft_version = models.PositiveIntegerField(default=0)
    revision = models.PositiveSmallIntegerField(default=0, help_text="Judgments made under it, withdrawn ones too.")
    leased_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["output", "annotator"], name="lease_one_per_annotator")]
        indexes = [
            models.Index(fields=["annotator", "campaign"], name="lease_open_mine", condition=Q(state="open")),
            models.Index(fields=["expires_at"], name="lease_open_expiry", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return str(self.token)
