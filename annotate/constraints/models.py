"""Discrete prohibitions grouped from violations, and the immutable sets a person approved."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q


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
        """By tag; the largest of a tag first."""
        return self.order_by("tag_slug", "-member_count", "id")

    def after(self, *, tag_slug: str, member_count: int, id_: int) -> Self:
        """Only what follows this key in page order."""
        return self.filter(
            Q(tag_slug__gt=tag_slug)
            | Q(tag_slug=tag_slug, member_count__lt=member_count)
            | Q(tag_slug=tag_slug, member_count=member_count, id__gt=id_)
        )


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
            models.Index("campaign", "state", "tag_slug", F("member_count").desc(), "id", name="constraint_page")
        ]

    def __str__(self) -> str:
        return self.statement


class Member(models.Model):
    """A violation belongs to at most one living constraint. `is_pinned`: a person put it there; sweeps leave it."""

    constraint = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="members")
    violation = models.OneToOneField("judgments.Violation", on_delete=models.CASCADE, related_name="constraint_member")
    similarity = models.FloatField(default=1.0, help_text="Cosine to the constraint's medoid when it was put there.")
    is_pinned = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(F("constraint"), F("similarity").desc(), F("id"), name="member_page")]

    def __str__(self) -> str:
        return f"{self.violation_id} in {self.constraint_id}"


class ConstraintSet(models.Model):
    """An immutable, approved revision of a campaign's accepted constraints, with the members each had then.

    A database trigger refuses every UPDATE of sets and their entries.
    """

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="constraint_sets")
    revision = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
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
    violations = models.ManyToManyField("judgments.Violation", related_name="set_entries")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["constraint_set", "constraint"], name="set_entry_once")]
        ordering = ["id"]
        verbose_name_plural = "set entries"

    def __str__(self) -> str:
        return self.statement


class Grouping(models.Model):
    """Where the sweep stands in a campaign. Its row is the lock that lets one regrouping in at a time."""

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="grouping")
    requested_at = models.DateTimeField(null=True, help_text="A person asked to group everything unsettled anew.")
    last_judgment_id = models.PositiveBigIntegerField(default=0)
    grouped_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["requested_at"], name="grouping_asked", condition=Q(requested_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"grouping of {self.campaign_id}"
