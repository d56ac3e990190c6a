"""What doors and the sweep read of convergence: figures kept by the last sweep, estimates of a few counts each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from annotate.campaigns.models import Campaign
from annotate.constraints.convergence import saturation, sql
from annotate.constraints.convergence.models import Convergence, Probe, StopRule
from annotate.constraints.convergence.saturation import Estimate, Incidence, New, Rule, Stop
from annotate.constraints.models import SetEntry
from annotate.constraints.queries import MARGIN
from annotate.intake.models import ImportBatch
from annotate.quality import gold
from annotate.quality.judges import PEOPLE

REST = 20
"""A campaign is left alone for so many times as long as its figures took."""
AHEAD = 100
"""Reviews looked ahead where no stop rule says how many."""
UNCOVERED_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class State:
    """What stands in a campaign, and what stood there when its figures were computed."""

    campaign_id: int
    last_judgment_id: int
    fingerprint: str
    computed_fingerprint: str | None
    computed_at: datetime | None
    seconds: float

    def is_due(self, now: datetime) -> bool:
        if self.fingerprint == self.computed_fingerprint:
            return False
        return self.computed_at is None or self.computed_at + timedelta(seconds=REST * self.seconds) <= now


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The constraints of a slice, before or after merging: estimates, and the curve's points
    [units, mean, low, high, seen by then]."""

    incidence: Incidence
    chao2: Estimate
    coverage: Estimate | None
    new: New | None
    curve: Sequence[Sequence[float | None]]


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of how many, with Wilson's 95 % interval."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return gold.wilson(self.count, self.of)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """`separate` is None where no merge changed what was seen."""

    kind: str
    value: str
    units: int
    merged: Sight
    separate: Sight | None
    without_known: Share
    with_new: Share


@dataclass(frozen=True, kw_only=True)
class Step:
    """One approved set on the probe: how many judged outputs violate none of its constraints."""

    revision: int
    constraints: int
    survivors: Share
    is_nested: bool | None
    holds: bool | None


@dataclass(frozen=True, kw_only=True)
class CheckStep:
    """One approved set on the probe, by checks: of all its outputs, those that pass the set's own checks, and those of
    all sets so far. `waiting` checks have not looked at all of the probe and are in neither."""

    revision: int
    checked: int
    waiting: int
    without: int
    own: Share
    so_far: Share


@dataclass(frozen=True, kw_only=True)
class Uncovered:
    """A constraint of the latest set that no check stands for."""

    constraint_id: int
    statement: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows. `ahead` is how many reviews the new ones are expected in."""

    computed_at: datetime
    last_judgment_id: int
    is_behind: bool
    ahead: int
    slices: Sequence[Slice]
    rule: StopRule | None
    stop: Stop | None
    other: Share
    kinds_differ: bool
    judgments: int
    imported: int
    ungrouped: int
    residual: int
    left_out: dict[str, int]
    unsliced: dict[str, int]
    probe: Probe | None
    probe_judged: int
    steps: Sequence[Step]
    check_steps: Sequence[CheckStep]
    uncovered: Sequence[Uncovered]
    joined: int

    @property
    def whole(self) -> Slice:
        return self.slices[0]


def waiting_ids(*, now: datetime) -> list[int]:
    """Return the campaigns whose figures are behind and have rested."""
    return [each.campaign_id for each in _states(None) if each.is_due(now)]


def state(*, campaign_id: int) -> State | None:
    """Return what stands in the campaign; None before its first judgment."""
    return next(iter(_states(campaign_id)), None)


def _states(campaign_id: int | None) -> list[State]:
    with connection.cursor() as cursor:
        cursor.execute(sql.STATES, {"campaign": campaign_id, "margin": MARGIN})
        return [
            State(
                campaign_id=pk,
                last_judgment_id=last,
                fingerprint=fingerprint,
                computed_fingerprint=computed,
                computed_at=computed_at,
                seconds=seconds or 0.0,
            )
            for pk, last, fingerprint, computed, computed_at, seconds in cursor.fetchall()
        ]


def latest_evaluated(*, campaign: Campaign) -> ImportBatch | None:
    """Return the newest import to be evaluated that stored an output."""
    evaluated = campaign.batches.filter(purpose=ImportBatch.Purpose.EVALUATE, new_count__gt=0)
    return evaluated.order_by("-pk").first()


def scattered_ids(*, campaign: Campaign, batch: ImportBatch | None, at_most: int) -> list[int]:
    """Return outputs of the batch, or of the random stratum where people have decided, the same ones every time."""
    arguments: dict[str, Any] = {
        "campaign": campaign.pk,
        "people": list(PEOPLE),
        "batch": None if batch is None else batch.pk,
        "at_most": at_most,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.SCATTERED_BATCH if batch else sql.SCATTERED_REVIEWED, arguments)
        return [row[0] for row in cursor.fetchall()]


def report(*, campaign: Campaign) -> Report | None:
    """Return what the last sweep found, judged by the rule as it stands now; None before the first sweep."""
    kept = Convergence.objects.filter(campaign=campaign, computed_at__isnull=False).first()
    if kept is None or kept.computed_at is None:
        return None
    rule = StopRule.objects.select_related("set_by").filter(campaign=campaign).first()
    now = state(campaign_id=campaign.pk)
    ahead = AHEAD if rule is None else rule.reviews
    slices = [_slice(each, ahead) for each in kept.figures["slices"]]
    found, whole = kept.figures, slices[0]
    return Report(
        computed_at=kept.computed_at,
        last_judgment_id=kept.last_judgment_id,
        is_behind=now is not None and now.fingerprint != kept.fingerprint,
        ahead=ahead,
        slices=slices,
        rule=rule,
        stop=None if rule is None else saturation.stop(whole.merged.incidence, rule=_rule(rule)),
        other=Share(count=found["counted"]["other"], of=whole.units),
        kinds_differ=found["kinds_differ"],
        judgments=found["counted"]["judgments"],
        imported=found["counted"]["imported"],
        ungrouped=found["ungrouped"],
        residual=found["residual"],
        left_out=found["left_out"],
        unsliced=found["unsliced"],
        probe=Probe.objects.select_related("batch").filter(campaign=campaign).first(),
        probe_judged=found["probe"]["judged"] if found["probe"] else 0,
        steps=_steps(found["probe"]),
        check_steps=_check_steps(found["probe"]),
        uncovered=uncovered(campaign=campaign),
        joined=found["joined"],
    )


def uncovered(*, campaign: Campaign) -> list[Uncovered]:
    """Return the first constraints of the latest set without a check, by id."""
    latest = campaign.constraint_sets.order_by("-revision").values("pk")[:1]
    entries = SetEntry.objects.filter(constraint_set=latest, check_version=None).order_by("constraint_id")
    rows = entries.values_list("constraint_id", "statement")[:UNCOVERED_SHOWN]
    return [Uncovered(constraint_id=pk, statement=statement) for pk, statement in rows]


def _rule(row: StopRule) -> Rule:
    return Rule(coverage=row.coverage, expected_new=row.expected_new, reviews=row.reviews)


def _slice(kept: dict[str, Any], ahead: int) -> Slice:
    fresh, units = kept["fresh"], kept["units"]
    return Slice(
        kind=kept["kind"],
        value=kept["value"],
        units=units,
        merged=_sight(kept["merged"], units, ahead),
        separate=None if kept["separate"] is None else _sight(kept["separate"], units, ahead),
        without_known=Share(count=fresh["without_known"], of=fresh["outputs"]),
        with_new=Share(count=fresh["with_new"], of=fresh["outputs"]),
    )


def _sight(kept: dict[str, Any], units: int, ahead: int) -> Sight:
    incidence = Incidence(units=units, frequencies=dict(kept["frequencies"]))
    return Sight(
        incidence=incidence,
        chao2=saturation.chao2(incidence),
        coverage=saturation.coverage(incidence),
        new=saturation.expected_new(incidence, reviews=ahead),
        curve=kept["curve"],
    )


def _steps(kept: dict[str, Any] | None) -> list[Step]:
    return [
        Step(
            revision=each["revision"],
            constraints=each["constraints"],
            survivors=Share(count=each["survivors"], of=kept["judged"]),
            is_nested=each["is_nested"],
            holds=each["holds"],
        )
        for each in (kept or {}).get("steps", [])
        if kept is not None
    ]


def _check_steps(kept: dict[str, Any] | None) -> list[CheckStep]:
    if kept is None:
        return []
    return [
        CheckStep(
            revision=each["revision"],
            checked=each["checked"],
            waiting=each["waiting"],
            without=each["without"],
            own=Share(count=each["own"], of=kept["outputs"]),
            so_far=Share(count=each["so_far"], of=kept["outputs"]),
        )
        for each in kept["checks"]
    ]
