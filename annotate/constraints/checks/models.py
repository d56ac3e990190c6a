"""Executable checks of constraints: their versions, their lives, what they said, and where people disagree.

Part of this room's models; models.py names this file to Django.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


class CheckVersion(models.Model):
    """One wording of a constraint's executable check, as it was typed and as it was read. A trigger refuses UPDATE.

    `declared` is the list that `formats.checks.declared.read` makes checks of; an output violates when one of them
    finds something. `sha256` is that of the typed text.
    """

    constraint = models.ForeignKey(
        "constraints.Constraint", on_delete=models.CASCADE, related_name="check_versions", db_index=False
    )
    number = models.PositiveIntegerField()
    text = models.TextField()
    declared = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["constraint", "number"], name="check_version_number")]

    def __str__(self) -> str:
        return f"version {self.number}"


class Check(models.Model):
    """Where a constraint's check stands in its life, and what its current version did.

    `place` is the last output that the current version was run on. The counts are of its results when they were last
    weighed: `run_count` outputs, `violated_count` of them violated; and, of those about which people decided, both say
    violated (`hit`), the check alone (`alarm`), people alone (`miss`), neither (`clear`).
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        SHADOW = "shadow", "shadow"
        TRUSTED = "trusted", "trusted"
        RETIRED = "retired", "retired"

    constraint = models.OneToOneField("constraints.Constraint", on_delete=models.CASCADE, related_name="check_life")
    current = models.OneToOneField(CheckVersion, on_delete=models.CASCADE, related_name="current_of")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it could not be run and is a draft again.")
    place = models.PositiveBigIntegerField(default=0)
    run_count = models.PositiveBigIntegerField(default=0)
    violated_count = models.PositiveBigIntegerField(default=0)
    hit_count = models.PositiveBigIntegerField(default=0)
    alarm_count = models.PositiveBigIntegerField(default=0)
    miss_count = models.PositiveBigIntegerField(default=0)
    clear_count = models.PositiveBigIntegerField(default=0)
    weighed_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="check_running", condition=Q(state__in=["shadow", "trusted"])),
        ]

    def __str__(self) -> str:
        return f"check of {self.constraint_id}"


class CheckResult(models.Model):
    """What one version of a check said of one output. `findings`: a list of {"message", "start", "end"}.

    `people`: whether people say that the output violates the constraint, as last weighed; null while they do not.
    """

    version = models.ForeignKey(CheckVersion, on_delete=models.CASCADE, related_name="results", db_index=False)
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="check_results")
    violated = models.BooleanField()
    findings = models.JSONField(default=list)
    people = models.BooleanField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "output"], name="check_result_once")]
        indexes = [
            models.Index(fields=["version", "output"], name="check_result_violated", condition=Q(violated=True)),
            models.Index(
                fields=["version", "id"],
                name="check_result_disputed",
                condition=Q(violated=True, people=False) | Q(violated=False, people=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{'violated' if self.violated else 'passes'}: output {self.output_id}"


class Judging(models.Model):
    """What it cost to ask models for a version of a check, how they stand, and when they may be asked again.

    `again_at`: nobody asks before, since a worker is at it, a model failed, or the calls of this window are spent.
    `failure_count`: how often in a row a model failed; `problem` is its sentence.
    """

    version = models.OneToOneField(CheckVersion, on_delete=models.CASCADE, primary_key=True, related_name="judging")
    call_count = models.PositiveBigIntegerField(default=0)
    prompt_token_count = models.PositiveBigIntegerField(default=0)
    answer_token_count = models.PositiveBigIntegerField(default=0)
    window_at = models.DateTimeField(null=True)
    window_call_count = models.PositiveBigIntegerField(default=0)
    failure_count = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=500, blank=True)
    again_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.call_count} questions of {self.version_id}"


class Unanswered(models.Model):
    """An output about which a version's models were asked and nothing came that can be read. It has no result."""

    version = models.ForeignKey(CheckVersion, on_delete=models.CASCADE, related_name="unanswered", db_index=False)
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="+")
    try_count = models.PositiveIntegerField(default=1)
    problem = models.CharField(max_length=500)
    tried_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "output"], name="check_unanswered_once")]

    def __str__(self) -> str:
        return f"no answer: output {self.output_id}"


class Ruling(models.Model):
    """What a reviewer decided where people and a check disagreed. It is what people say from then on."""

    class Side(models.TextChoices):
        CHECK = "check", "the check is right"
        PEOPLE = "people", "people are right"

    constraint = models.ForeignKey(
        "constraints.Constraint", on_delete=models.CASCADE, related_name="rulings", db_index=False
    )
    output = models.ForeignKey("intake.Output", on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(CheckVersion, on_delete=models.CASCADE, related_name="rulings")
    side = models.CharField(max_length=10, choices=Side)
    violated = models.BooleanField()
    ruled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ruled_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["constraint", "output"], name="ruling_once")]

    def __str__(self) -> str:
        return f"{self.get_side_display()}: output {self.output_id}"


class TrustRule(models.Model):
    """When a campaign trusts a check: the lower end of its precision's interval, and of how many outputs at least."""

    campaign = models.OneToOneField("campaigns.Campaign", on_delete=models.CASCADE, related_name="trust_rule")
    precision = models.FloatField(default=0.8, validators=[MinValueValidator(0.5), MaxValueValidator(0.999)])
    adjudicated = models.PositiveIntegerField(default=30, validators=[MinValueValidator(5)])

    def __str__(self) -> str:
        return f"precision above {self.precision}, of {self.adjudicated} outputs"
