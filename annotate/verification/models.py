"""One named constraint, one output, one question: is it violated here? Rounds of such questions, and the answers."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotate.campaigns.models import Campaign


class Round(models.Model):
    """A drawn sample of a campaign's outputs, each asked about one constraint, in the words it had then.

    The sample is bounded (`policy.OUTPUTS_AT_MOST`) and never changes. `tagged_count` outputs have a violation that is
    a member of the constraint, `random_count` are drawn from all others; `seed` draws the same ones again.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="verification_rounds")
    constraint = models.ForeignKey(
        "constraints.Constraint", on_delete=models.PROTECT, related_name="verification_rounds", db_index=False
    )
    statement = models.CharField(max_length=500)
    tagged_count = models.PositiveSmallIntegerField()
    random_count = models.PositiveSmallIntegerField()
    overlap = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["constraint"], condition=Q(state="open"), name="round_one_open"),
        ]
        indexes = [
            models.Index(fields=["campaign", "id"], name="round_open", condition=Q(state="open")),
            models.Index(fields=["constraint", "-id"], name="round_page"),
        ]

    def __str__(self) -> str:
        return f"round {self.pk}: {self.statement}"


class Item(models.Model):
    """One output of a round. Given out by `place`, which scatters what was tagged among what was not.

    `taken_count` counts open turns plus answered ones and never passes `overlap`.
    """

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="items", db_index=False)
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="+")
    place = models.PositiveSmallIntegerField()
    is_tagged = models.BooleanField(help_text="Had a member violation when the sample was drawn.")
    overlap = models.PositiveSmallIntegerField()
    taken_count = models.PositiveSmallIntegerField(default=0)
    answered_count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "output"], name="item_once"),
            models.CheckConstraint(condition=Q(taken_count__lte=F("overlap")), name="item_not_overfull"),
            models.CheckConstraint(condition=Q(answered_count__lte=F("taken_count")), name="item_answered_was_taken"),
        ]
        indexes = [
            models.Index(fields=["round", "place"], name="item_open", condition=Q(taken_count__lt=F("overlap"))),
        ]

    def __str__(self) -> str:
        return f"{self.place} of round {self.round_id}"


class Turn(models.Model):
    """The right of one annotator to answer one item. Outsiders know it by its token only, which never changes.

    An expired turn has given its slot back; its annotator may get it again, or answer it late.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        ANSWERED = "answered", "answered"
        EXPIRED = "expired", "expired"

    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="+", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="turns", db_index=False)
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    place = models.PositiveSmallIntegerField(help_text="The item's.")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    stance = models.CharField(
        max_length=10,
        choices=Campaign.Stance,
        default=Campaign.Stance.AS_WRITTEN,
        help_text="The campaign's at the time.",
    )
    suggestions = models.JSONField(
        null=True, help_text="What a trusted check found, as it was shown; null: asked blind."
    )
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "annotator"], name="turn_one_per_annotator")]
        indexes = [
            models.Index(fields=["annotator", "round", "place"], name="turn_reached"),
            models.Index(fields=["annotator", "round"], name="turn_open_mine", condition=Q(state="open")),
            models.Index(fields=["expires_at"], name="turn_open_expiry", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return str(self.token)


class Answer(models.Model):
    """What one annotator said. Never changed: a later opinion is a new revision; one taken back says when."""

    class Value(models.TextChoices):
        VIOLATED = "violated", "violated"
        NOT_VIOLATED = "not_violated", "not violated"
        CANNOT_TELL = "cannot_tell", "cannot tell"

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="answers", db_index=False)
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="answers", db_index=False)
    revision = models.PositiveSmallIntegerField(default=1)
    answer = models.CharField(max_length=15, choices=Value)
    is_current = models.BooleanField(default=True)
    withdrawn_at = models.DateTimeField(null=True)
    is_surplus = models.BooleanField(default=False, help_text="Came after its turn had expired; kept, beyond overlap.")
    is_assisted = models.BooleanField(
        default=False, db_default=False, help_text="What a trusted check found was shown first. Else it was made blind."
    )
    prompt_shown = models.CharField(
        max_length=10, choices=Campaign.Stance, default=Campaign.Stance.AS_WRITTEN, help_text="The twin of the prompt."
    )
    seconds = models.FloatField(null=True, help_text="From the question in sight to the answer.")
    idempotency_key = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "annotator", "revision"], name="answer_revision"),
            models.UniqueConstraint(
                fields=["item", "annotator"], condition=Q(is_current=True), name="answer_one_current"
            ),
            models.UniqueConstraint(fields=["turn", "idempotency_key"], name="answer_key_once"),
            models.CheckConstraint(
                condition=Q(is_current=False) | Q(withdrawn_at__isnull=True), name="answer_withdrawn_is_not_current"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer} by {self.annotator_id}"
