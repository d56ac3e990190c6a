"""What tasks and pages read of checks that ask a model: which outputs wait, and what asking cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Sum

from annotate.constraints.checks import checking
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.judging import Models
from annotate.constraints.checks.models import Check, CheckResult, Judging, Unanswered
from annotate.intake.models import ImportBatch, Output

MOST_TRIES = 3
RETRY_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a check's questions to its models stand. `unanswered` outputs have no answer, `given_up` of them for good."""

    models: list[str]
    judging: Judging
    unanswered: int
    given_up: int
    example: Unanswered | None
    all_calls: int


def models() -> Models:
    """Return the models that are configured here, by name."""
    found: Models = settings.MODELS
    return found


def is_asking(life: Check) -> bool:
    return bool(checking.asked(life.current.declared))


def paused_ids(*, now: datetime) -> set[int]:
    """Return the checks whose models are not to be asked yet: a worker is at it, or they failed."""
    return set(Judging.objects.filter(again_at__gt=now).values_list("version__current_of", flat=True))


def untouched(*, life: Check, outputs: Sequence[Output]) -> list[Output]:
    """Return those outputs, gold apart, that the check has neither a result of nor was in vain asked about."""
    ids = [each.pk for each in outputs]
    results = CheckResult.objects.filter(version=life.current_id, output__in=ids).values_list("output", flat=True)
    tried = Unanswered.objects.filter(version=life.current_id, output__in=ids).values_list("output", flat=True)
    done = {*results, *tried}
    return [each for each in outputs if each.pk not in done and each.batch.purpose != ImportBatch.Purpose.GOLD]


def overlooked(*, life: Check, now: datetime, at_most: int) -> list[Output]:
    """Return outputs that were stored behind the check's place, and those to be asked about again."""
    again = Unanswered.objects.filter(
        version=life.current_id, try_count__lt=MOST_TRIES, tried_at__lte=now - RETRY_AFTER
    ).order_by("pk")
    tried = Unanswered.objects.filter(version=life.current_id, output=OuterRef("pk"))
    results = CheckResult.objects.filter(version=life.current_id, output=OuterRef("pk"))
    behind = Output.objects.filter(
        campaign=life.constraint.campaign_id, pk__gt=life.place - check_queries.MARGIN, pk__lte=life.place
    ).exclude(batch__purpose=ImportBatch.Purpose.GOLD)
    late = behind.filter(~Exists(results), ~Exists(tried)).order_by("pk")
    ids = [*again.values_list("output", flat=True)[:at_most], *late.values_list("pk", flat=True)[:at_most]]
    return list(check_queries.texts(output_ids=ids[:at_most]))


def standing(*, life: Check) -> Standing | None:
    """Return how a check that asks models stands; None for one that asks none."""
    if not is_asking(life):
        return None
    found = Unanswered.objects.filter(version=life.current_id)
    calls = Judging.objects.filter(version__constraint=life.constraint_id).aggregate(calls=Sum("call_count"))["calls"]
    return Standing(
        models=checking.asked(life.current.declared),
        judging=Judging.objects.filter(version=life.current_id).first() or Judging(version_id=life.current_id),
        unanswered=found.count(),
        given_up=found.filter(try_count__gte=MOST_TRIES).count(),
        example=found.order_by("-pk").first(),
        all_calls=calls or 0,
    )


def judgings(*, lives: Iterable[Check]) -> Mapping[int, Judging]:
    """Return what asking cost these checks' current versions, by version. One statement."""
    return Judging.objects.in_bulk([each.current_id for each in lives])
