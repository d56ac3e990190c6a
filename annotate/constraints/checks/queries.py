"""What doors and tasks read of executable checks.

What people say of (output, constraint) is decided in one order: a reviewer's ruling; else the answers of people who
were asked about this very constraint; else their judgments, in which a violation that is a member of the constraint is
a yes and a decided judgment without one a no (the rule of quality.consensus, each judgment one vote). A tie is no say.
Answers are kept by a room above this one, so they are handed in: `asked(constraint_id)` returns, by output, whether it
is violated, None where they are split.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, F, IntegerField, OuterRef, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Greatest, Substr

from annotate.accounts.models import AuditEntry
from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.checks import checking, precision
from annotate.constraints.checks import sql as check_sql
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Ruling, TrustRule
from annotate.constraints.models import Constraint
from annotate.errors import NotFound
from annotate.intake.models import ImportBatch, Output
from annotate.quality.judges import PEOPLE
from training_bridge.formats import rows

Asked = Callable[[int], Mapping[int, bool | None]]

MARGIN = 10_000
"""Outputs below the last one that a check was run on that are looked at again: they may have been stored later."""
HISTORY = 50
READ_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two checks and how many outputs both mark. The shares are of what each marks."""

    one: Check
    other: Check
    both: int

    @property
    def share_of_one(self) -> float:
        return self.both / self.one.violated_count if self.one.violated_count else 0.0

    @property
    def share_of_other(self) -> float:
        return self.both / self.other.violated_count if self.other.violated_count else 0.0


def life_of(*, constraint: Constraint) -> Check | None:
    return Check.objects.select_related("current__created_by", "constraint").filter(constraint=constraint).first()


def versions(*, constraint: Constraint) -> QuerySet[CheckVersion]:
    return CheckVersion.objects.filter(constraint=constraint).select_related("created_by").order_by("-number")


def history(*, constraint: Constraint) -> QuerySet[AuditEntry]:
    """Return the last steps in the check's life, the newest first: who, what, and the numbers it rested on."""
    found = AuditEntry.objects.filter(subject=subject(constraint.pk)).select_related("actor")
    return found.order_by("-at", "-pk")[:HISTORY]


def subject(constraint_id: int) -> str:
    """Return how the audit trail calls the check of a constraint."""
    return f"check of constraint {constraint_id}"


def trust_rule(*, campaign: Campaign) -> TrustRule:
    """Return the campaign's rule; an unsaved one with the defaults where nobody set any."""
    return TrustRule.objects.filter(campaign=campaign).first() or TrustRule(campaign=campaign)


def counts(life: Check) -> precision.Counts:
    return precision.Counts(hit=life.hit_count, alarm=life.alarm_count, miss=life.miss_count, clear=life.clear_count)


def lives(*, campaign: Campaign) -> list[Check]:
    """Return the campaign's checks, those that run first. There is at most one a constraint."""
    found = Check.objects.filter(constraint__campaign=campaign).select_related("constraint", "current")
    order = {state: place for place, state in enumerate(("trusted", "shadow", "draft", "retired"))}
    return sorted(found, key=lambda each: (order[each.state], -each.violated_count, each.pk))


def together(*, lives: Sequence[Check], at_most: int = 50) -> list[Pair]:
    """Return the pairs of these checks that mark the same outputs, those with the most first. One statement."""
    by_version = {each.current_id: each for each in lives}
    with connection.cursor() as cursor:
        cursor.execute(check_sql.TOGETHER, {"versions": list(by_version)})
        found = cursor.fetchmany(at_most)
    return [Pair(one=by_version[one], other=by_version[other], both=both) for one, other, both in found]


def waiting_ids() -> list[int]:
    """Return the checks that have outputs before them. One statement, an index look-up a check."""
    with connection.cursor() as cursor:
        cursor.execute(check_sql.WAITING)
        return [row[0] for row in cursor.fetchall()]


def running_ids() -> list[int]:
    return list(Check.objects.filter(state__in=checking.RUNNING).order_by("pk").values_list("pk", flat=True))


def after(*, life: Check, at_most: int) -> Iterator[Output]:
    """Return the next outputs of the campaign that the check has not reached, by id, gold too."""
    found = Output.objects.filter(campaign=life.constraint.campaign_id, pk__gt=life.place).order_by("pk")
    return _texts(found[:at_most])


def overlooked(*, life: Check, at_most: int) -> Iterator[Output]:
    """Return outputs that were stored behind the check's place, by MARGIN ids at most."""
    results = CheckResult.objects.filter(version=life.current_id, output=OuterRef("pk"))
    found = Output.objects.filter(
        ~Exists(results), campaign=life.constraint.campaign_id, pk__gt=life.place - MARGIN, pk__lte=life.place
    ).exclude(batch__purpose=ImportBatch.Purpose.GOLD)
    return _texts(found.order_by("pk")[:at_most])


def texts(*, output_ids: Iterable[int]) -> Iterator[Output]:
    return _texts(Output.objects.filter(pk__in=list(output_ids)).order_by("pk"))


def _texts(found: QuerySet[Output]) -> Iterator[Output]:
    wanted = found.select_related("prompt", "batch").only(
        "text", "prompt__text", "prompt__messages", "batch__purpose", "campaign_id"
    )
    return wanted.iterator(chunk_size=READ_AT_ONCE)


def prompt_of(output: Output) -> rows.PromptValue:
    return output.prompt.messages or output.prompt.text


def said(*, constraint: Constraint, output_ids: Iterable[int], asked: Asked) -> dict[int, bool | None]:
    """Return what people say of these outputs, by output; None where they do not. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(check_sql.READ_SAY, arguments(constraint=constraint, asked=asked, outputs=list(output_ids)))
        return dict(cursor.fetchall())


def arguments(*, constraint: Constraint, asked: Asked, outputs: list[int] | None = None) -> dict[str, Any]:
    """Return what PEOPLE_SAY needs; `outputs` None means all of them."""
    answers = asked(constraint.pk)
    return {
        "constraint": constraint.pk,
        "campaign": constraint.campaign_id,
        "people": list(PEOPLE),
        "outputs": outputs,
        "asked": list(answers),
        "answers": list(answers.values()),
    }


def sample(*, constraint: Constraint, seed: int, marked: int, drawn: int) -> list[int]:
    """Return up to `marked` outputs with a member of the constraint and up to `drawn` of the whole campaign, by id.

    The same seed finds the same ones while nothing is added. Drawn: the output at or after a random id, so one that
    follows a gap is likelier.
    """
    with connection.cursor() as cursor:
        cursor.execute(check_sql.MARKED, {"constraint": constraint.pk, "seed": str(seed), "at_most": marked})
        chosen = {row[0] for row in cursor.fetchall()}
    return sorted(chosen | set(_drawn(constraint.campaign_id, seed=seed, wanted=drawn)))


def _drawn(campaign_id: int, *, seed: int, wanted: int) -> list[int]:
    places = random.Random(seed)
    with connection.cursor() as cursor:
        cursor.execute(
            check_sql.DRAWN, {"campaign": campaign_id, "places": [places.random() for _ in range(3 * wanted)]}
        )
        return list(dict.fromkeys(row[0] for row in cursor.fetchall()))[:wanted]


def disputed(*, campaign: Campaign) -> QuerySet[CheckResult]:
    """Return where a running check and people disagree and nobody has ruled, each with what a page shows of it."""
    running = Check.objects.filter(constraint__campaign=campaign, state__in=checking.RUNNING)
    ruled = Ruling.objects.filter(constraint=OuterRef("version__constraint"), output=OuterRef("output"))
    differs = Q(violated=True, people=False) | Q(violated=False, people=True)
    current = list(running.values_list("current", flat=True))
    found = CheckResult.objects.filter(differs, ~Exists(ruled), version__in=current)
    return found.select_related("version__constraint", "output").defer("output__meta")


def with_excerpts(found: QuerySet[CheckResult]) -> QuerySet[CheckResult]:
    """Cut the text around the first finding in the database, as `excerpt` from `cut_at`.

    An output of 10 MB costs what a short one does.
    """
    first = Coalesce(Cast(KT("findings__0__start"), IntegerField()), Value(0))
    return found.defer("output__text", "output__meta").annotate(
        cut_at=Greatest(first - checking.BEFORE, Value(0)),
        excerpt=Substr("output__text", F("cut_at") + 1, checking.EXCERPT),
    )


def result(*, campaign: Campaign, result_id: int) -> CheckResult:
    """Return a result of one of the campaign's checks. Raises NotFound."""
    found = (
        CheckResult.objects.filter(pk=result_id, version__constraint__campaign=campaign)
        .select_related("version__constraint")
        .first()
    )
    if found is None:
        raise NotFound("This campaign has no such result of a check. Reload the page.")
    return found


def screened(*, campaign: Campaign) -> Exists:
    """Return a condition on outputs: a check that is trusted now says that they violate."""
    trusted = Check.objects.filter(constraint__campaign=campaign, state=checking.TRUSTED)
    versions = list(trusted.values_list("current", flat=True))
    return Exists(CheckResult.objects.filter(output=OuterRef("pk"), version__in=versions, violated=True))


def rewards(*, campaign: Campaign) -> list[dict[str, Any]]:
    """Return the checks frozen with the campaign's latest set, as a run declares its checks.

    Only those that are trusted in the version that was frozen: a later one is a reward once a set has it.
    """
    latest = queries.latest_set(campaign=campaign)
    if latest is None:
        return []
    frozen = latest.entries.filter(check_version__current_of__state=checking.TRUSTED)
    return [
        each
        for constraint_id, statement, declared in frozen.order_by("constraint_id").values_list(
            "constraint_id", "statement", "check_version__declared"
        )
        for each in checking.rewards(constraint_id=constraint_id, statement=statement, checks=declared)
    ]
