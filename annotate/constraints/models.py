"""Discrete prohibitions grouped from violations, and the immutable sets a person approved."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

import annotate.constraints.checks.models
import annotate.constraints.convergence.models
import annotate.constraints.drafting.models
import annotate.constraints.grouping.models
import annotate.constraints.scorecard.models  # noqa: F401 - Django finds a room's models through this file


class ConstraintQuerySet(models.QuerySet["Constraint"]):
    def living(self) -> Self:
        """Leave out what was merged away or emptied."""
        return self.exclude(state=Constraint.State.RETIRED)

    def unsettled(self) -> Self:
        """Only what nobody has touched: the sweep may take these apart and group their members anew."""
        merged = Constraint.objects.filter(merged_into=OuterRef("pk"))
        pinned = Member.objects.filter(constraint=OuterRef("pk"), is_pinned=True)
        return self.filter(~Exists(merged), ~Exists(pinned), state=Constraint.State.CANDIDATE, named_by=None)

    def in_page_order(self) -> Self:
        """The one with most members first."""
        return self.order_by("-member_count", "id")

    def after(self, *, member_count: int, id_: int) -> Self:
        """Only what follows this key in page order."""
        return self.filter(Q(member_count__lt=member_count) | Q(member_count=member_count, id__gt=id_))


class Constraint(models.Model):
    """One prohibition with its member violations. A merged or emptied constraint is `retired`, never deleted.

    Later violations like the `medoid`, or like the medoid of a constraint that was merged into this one, join it.
    `is_residual`: takes what is left of its tag, unlike anything else.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", "candidate"
        ACCEPTED = "accepted", "accepted"
        DISMISSED = "dismissed", "dismissed"
        RETIRED = "retired", "retired"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="constraints")
    tag_slug = models.CharField(max_length=120)
    kind = models.CharField(max_length=10)
    statement = models.CharField(max_length=500)
    named_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who worded the statement, a person or a script; null while it is drafted from the members.",
    )
    is_residual = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE)
    medoid = models.ForeignKey("judgments.Violation", null=True, on_delete=models.SET_NULL, related_name="+")
    member_count = models.PositiveIntegerField(default=0)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="merged_from")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Any]] = ConstraintQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "tag_slug"],
                condition=Q(is_residual=True) & ~Q(state="retired"),
                name="constraint_one_residual",
            )
        ]
        indexes = [
            models.Index("campaign", F("member_count").desc(), "id", name="constraint_page"),
        ]

    def __str__(self) -> str:
        return self.statement

    @property
    def drafted_by(self) -> str:
        """The model whose words the statement still is; empty when nobody's, or when a person gave it."""
        draft = getattr(self, "draft", None)
        return draft.drafted_by if draft and self.named_by_id is None and draft.statement == self.statement else ""


class Member(models.Model):
    """A violation belongs to at most one living constraint. `is_pinned`: a person put it there; sweeps leave it."""

    constraint = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="members", db_index=False)
    violation = models.OneToOneField("judgments.Violation", on_delete=models.CASCADE, related_name="constraint_member")
    similarity = models.FloatField(default=1.0, help_text="Cosine to the group's centre when it was put there.")
    is_pinned = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(F("constraint"), F("similarity").desc(), F("id"), name="member_page"),
            models.Index(fields=["constraint"], name="member_pinned", condition=Q(is_pinned=True)),
        ]

    def __str__(self) -> str:
        return f"{self.violation_id} in {self.constraint_id}"


class ConstraintSet(models.Model):
    """An immutable, approved revision of a campaign's accepted constraints, with the members each had then.

    A database trigger refuses every UPDATE of sets and their entries.
    """

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="constraint_sets")
    revision = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    merges = models.JSONField(
        default=dict,
        help_text="Where the members of constraints of earlier sets went: {constraint id: id of a constraint in here}.",
    )
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "revision"], name="constraint_set_revision")]
        ordering = ["campaign", "-revision"]

    def __str__(self) -> str:
        return f"constraint set {self.revision}"


class SetEntry(models.Model):
    """A constraint as it stood when its set was approved."""

    constraint_set = models.ForeignKey(ConstraintSet, on_delete=models.CASCADE, related_name="entries")
    constraint = models.ForeignKey(Constraint, on_delete=models.PROTECT, related_name="set_entries")
    statement = models.CharField(max_length=500)
    tag_slug = models.CharField(max_length=120)
    kind = models.CharField(max_length=10)
    check_version = models.ForeignKey(
        "constraints.CheckVersion",
        null=True,
        on_delete=models.PROTECT,
        related_name="set_entries",
        help_text="What its check said then, unless that was retired.",
    )
    violations = models.ManyToManyField("judgments.Violation", related_name="set_entries")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["constraint_set", "constraint"], name="set_entry_once")]
        ordering = ["id"]
        verbose_name_plural = "set entries"

    def __str__(self) -> str:
        return self.statement


class Grouping(models.Model):
    """Where the sweep stands in a campaign. Its row is the lock that lets one regrouping be opened at a time."""

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="grouping")
    requested_at = models.DateTimeField(null=True, help_text="A person asked to group everything unsettled anew.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    grouped_at = models.DateTimeField(null=True)
    looked_through_at = models.DateTimeField(null=True, help_text="When everything was looked through, not only news.")
    compared_at = models.DateTimeField(null=True, help_text="When its constraints were last compared for likeness.")

    class Meta:
        indexes = [
            models.Index(fields=["requested_at"], name="grouping_asked", condition=Q(requested_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"grouping of {self.campaign_id}"


class Act(models.Model):
    """What a person did to constraints, with what stood there before and after, so that it can be taken back.

    Append-only: a trigger refuses an UPDATE once `after` is there. To take an act back is an act that `undoes` it.
    """

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="constraint_acts")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=20)
    constraint = models.ForeignKey(
        Constraint, on_delete=models.CASCADE, related_name="acts", help_text="What it was done to; members went there."
    )
    before = models.JSONField(help_text="{constraint id: {field: value}}")
    after = models.JSONField(null=True, help_text="The same for all it touched, those it made too.")
    undoes = models.OneToOneField("self", null=True, on_delete=models.CASCADE, related_name="undone_by")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index("campaign", "actor", F("id").desc(), name="act_of_person")]

    def __str__(self) -> str:
        return f"{self.verb} {self.constraint_id}"


class ActMember(models.Model):
    """Where a member was before an act moved it."""

    act = models.ForeignKey(Act, on_delete=models.CASCADE, related_name="members")
    violation = models.ForeignKey("judgments.Violation", on_delete=models.CASCADE, related_name="+")
    constraint = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="+")
    is_pinned = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.violation_id} from {self.constraint_id}"


class MergeProposal(models.Model):
    """Two living constraints that may be one, `left` the older. A refused pair stays, and is never proposed again."""

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="merge_proposals")
    left = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="+")
    right = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="+")
    likeness = models.FloatField()
    evidence = models.JSONField()
    refused_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    refused_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["left", "right"], name="merge_proposal_once"),
            models.CheckConstraint(condition=Q(left__lt=F("right")), name="merge_proposal_ordered"),
        ]
        indexes = [
            models.Index(
                F("campaign"), F("likeness").desc(), F("id"), name="merge_proposal_page", condition=Q(refused_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.left_id} like {self.right_id}"
