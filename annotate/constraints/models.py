"""Discrete prohibitions grouped from violations, and the immutable sets a person approved."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Constraint(models.Model):
    """One prohibition with its member violations. A merged or emptied constraint is `retired`, never deleted."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", "candidate"
        ACCEPTED = "accepted", "accepted"
        DISMISSED = "dismissed", "dismissed"
        RETIRED = "retired", "retired"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="constraints")
    tag_slug = models.CharField(max_length=120)
    kind = models.CharField(max_length=10)
    statement = models.CharField(max_length=500)
    is_named_by_person = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="merged_from")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["campaign", "state", "tag_slug", "id"], name="constraint_page")]

    def __str__(self) -> str:
        return self.statement


class Member(models.Model):
    """A violation belongs to at most one living constraint. `is_pinned`: a person put it there; sweeps leave it."""

    constraint = models.ForeignKey(Constraint, on_delete=models.CASCADE, related_name="members")
    violation = models.OneToOneField("judgments.Violation", on_delete=models.CASCADE, related_name="constraint_member")
    similarity = models.FloatField(default=1.0, help_text="Cosine to the constraint's medoid when it was put there.")
    is_pinned = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["constraint", "-similarity", "id"], name="member_page")]

    def __str__(self) -> str:
        return f"{self.violation_id} in {self.constraint_id}"


class ConstraintSet(models.Model):
    """An immutable, approved revision of a campaign's accepted constraints, with the members each had then."""

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
        verbose_name_plural = "set entries"

    def __str__(self) -> str:
        return self.statement


class Grouping(models.Model):
    """Where the sweep stands in a campaign: which violations it has seen."""

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="grouping")
    requested_at = models.DateTimeField(null=True)
    last_violation_id = models.PositiveBigIntegerField(default=0)
    grouped_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["requested_at"], name="grouping_asked", condition=Q(requested_at__isnull=False))]

    def __str__(self) -> str:
        return f"grouping of {self.campaign_id}"
