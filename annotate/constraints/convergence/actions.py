"""Every write to convergence: the stop rule, the probe set, what checks say of it, the figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Membership
from annotate.constraints.checks import checking
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import CheckResult, CheckVersion
from annotate.constraints.convergence import probing, queries, reading
from annotate.constraints.convergence.models import Convergence, Probe, StopRule
from annotate.errors import RuleError

PROBE_AT_MOST = 500
PROBE_LEAST = 100
"""Outputs to be reviewed before a probe is drawn from them by itself."""
LOOK_AT_ONCE = 50
"""Outputs of the probe that a check looks at before what it said is stored."""

Clock = Callable[[], datetime]


class RuleRefused(RuleError):
    """A number of the stop rule is none, or beyond its bounds."""


class NothingToProbe(RuleError):
    """No output could be part of a probe set yet."""


@transaction.atomic
def set_stop_rule(
    *, campaign: Campaign, coverage: float, expected_new: float, reviews: int, by: User, now: datetime
) -> StopRule:
    """Say when enough was seen. Admins only; raises RuleRefused for the field that is out of bounds."""
    _require_admin(campaign, by)
    for field, value in (("coverage", coverage), ("expected_new", expected_new)):
        if not math.isfinite(value):
            raise RuleRefused("This must be a number.", field=field)
    made = StopRule.objects.filter(campaign=campaign).first() or StopRule(campaign=campaign)
    made.coverage, made.expected_new, made.reviews, made.set_by, made.set_at = coverage, expected_new, reviews, by, now
    try:
        made.clean_fields(exclude=["id", "campaign"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise RuleRefused(messages[0], field=field) from error
    made.save()
    detail: dict[str, object] = {"coverage": coverage, "expected_new": expected_new, "reviews": reviews}
    _record(campaign, "stop rule set", by, now, detail)
    return made


@transaction.atomic
def remove_stop_rule(*, campaign: Campaign, by: User, now: datetime) -> None:
    """Have no stop rule. Admins only; without one nothing happens."""
    _require_admin(campaign, by)
    if StopRule.objects.filter(campaign=campaign).delete()[0]:
        _record(campaign, "stop rule removed", by, now, {})


@transaction.atomic
def redraw_probe(*, campaign: Campaign, by: User, now: datetime) -> Probe:
    """Take another probe set: of the latest outputs to be evaluated, else of what is reviewed now. Admins only."""
    _require_admin(campaign, by)
    made = _draw(campaign, now, least=1)
    if made is None:
        raise NothingToProbe("Nobody has reviewed an output yet, and no import is to be evaluated.")
    _record(campaign, "probe set drawn", by, now, {"outputs": len(made.output_ids), "batch": made.batch_id})
    return made


def look(*, campaign_id: int, clock: Clock) -> int:
    """Run the frozen checks of the sets on what they have not looked at of the probe set. Returns how many results.

    Nothing is locked while a check thinks, and each portion is stored by itself: killed, it goes on where it was; by
    two workers, an output counts once. A check that cannot be run here is left and counts as one that has not looked;
    so is one that asks a model, until it has said enough where checks run, within a budget.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    if not _is_behind(campaign):
        return 0
    probe = _probe(campaign, clock())
    late = [] if probe is None else probing.behind(campaign=campaign, probe=probe)
    return sum(_look(version, missing) for version, missing in late)


def _look(version: CheckVersion, missing: Sequence[int]) -> int:
    stored = 0
    for start in range(0, len(missing), LOOK_AT_ONCE):
        try:
            results = _results(version, missing[start : start + LOOK_AT_ONCE])
        except ValueError:
            break
        CheckResult.objects.bulk_create(results, ignore_conflicts=True)
        stored += len(results)
    return stored


def _results(version: CheckVersion, output_ids: Sequence[int]) -> list[CheckResult]:
    """Raises ValueError where the check cannot be made, or its function fails."""
    made, found = checking.made(version.declared), []
    for output in check_queries.texts(output_ids=output_ids):
        said = checking.look(made, prompt=check_queries.prompt_of(output), output=output.text)
        result = CheckResult(version=version, output_id=output.pk, violated=said.violated, findings=said.findings)
        found.append(result)
    return found


@transaction.atomic
def compute(*, campaign_id: int, clock: Clock) -> bool:
    """Bring the figures up to date. Returns whether there was anything to do, and nobody else at it.

    The line of state is read before the judgments: what changes meanwhile makes the next sweep compute again.
    """
    now = clock()
    campaign = Campaign.objects.get(pk=campaign_id)
    Convergence.objects.get_or_create(campaign=campaign)
    row = Convergence.objects.select_for_update(skip_locked=True).filter(campaign=campaign).first()
    if row is None or not _is_behind(campaign):
        return False
    probe = _probe(campaign, now)
    state = queries.state(campaign_id=campaign_id)
    assert state is not None
    row.figures = reading.figures(campaign=campaign, probe=probe)
    row.last_judgment_id, row.fingerprint, row.computed_at = state.last_judgment_id, state.fingerprint, now
    row.seconds = (clock() - now).total_seconds()
    row.save()
    return True


def _is_behind(campaign: Campaign) -> bool:
    state = queries.state(campaign_id=campaign.pk)
    return state is not None and state.fingerprint != state.computed_fingerprint


def _probe(campaign: Campaign, now: datetime) -> Probe | None:
    return Probe.objects.filter(campaign=campaign).first() or _draw(campaign, now, least=PROBE_LEAST)


def _draw(campaign: Campaign, now: datetime, *, least: int) -> Probe | None:
    batch = queries.latest_evaluated(campaign=campaign)
    if batch is not None:
        ids = queries.scattered_ids(campaign=campaign, batch=batch, at_most=PROBE_AT_MOST)
    else:
        ids = queries.scattered_ids(campaign=campaign, batch=None, at_most=PROBE_AT_MOST)
        if len(ids) < least:
            return None
    values = {"batch": batch, "output_ids": sorted(ids), "drawn_at": now}
    return Probe.objects.update_or_create(campaign=campaign, defaults=values)[0]


def _require_admin(campaign: Campaign, by: User) -> None:
    campaign_queries.require(user=by, slug=campaign.slug, roles=(Membership.Role.ADMIN,))


def _record(campaign: Campaign, verb: str, by: User, now: datetime, detail: dict[str, object]) -> None:
    account_actions.record(actor=by, verb=verb, subject=f"campaign {campaign.pk}", now=now, detail=detail)
