"""Every write to convergence: the stop rule, the probe set, what checks say of it, the figures."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

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
from annotate.intake.models import Output
from training_bridge.formats.checks import declared

PROBE_AT_MOST = 500
PROBE_LEAST = 100
"""Outputs to be reviewed before a probe is drawn from them by itself."""
LOOK_AT_MOST = timedelta(minutes=2)
"""After so long figures are computed of what was looked at, and the rest comes with the next sweep."""

Clock = Callable[[], datetime]
Made = dict[int, list[declared.Named]]


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


def look(*, campaign_id: int, clock: Clock) -> bool:
    """Run the frozen checks of the sets on what they have not looked at of the probe set. Returns whether that is done.

    Nothing is locked while a check thinks, and what is said of an output is stored at once: killed, or after
    LOOK_AT_MOST, it goes on where it was when it is called next; while somebody is at it, nobody else is. A check that
    cannot be run here is left, and counts as one that has not looked; so is one that asks a model, until it has said
    enough where checks run.
    """
    campaign, now = Campaign.objects.get(pk=campaign_id), clock()
    probe = _probe(campaign, now) if _is_behind(campaign) else None
    if probe is None:
        return True
    mine = Probe.objects.filter(Q(looking_until=None) | Q(looking_until__lte=now), pk=probe.pk)
    if not mine.update(looking_until=now + 2 * LOOK_AT_MOST):
        return False
    versions, outputs = probing.behind(campaign=campaign, probe=probe)
    made, until = _made(versions), now + LOOK_AT_MOST
    is_done = all(_look(made, output) and clock() < until for output in check_queries.texts(output_ids=outputs))
    Probe.objects.filter(pk=probe.pk).update(looking_until=None)
    return is_done


def _made(versions: Iterable[CheckVersion]) -> Made:
    """Return the checks that can be made here, by the id of their version."""
    found: Made = {}
    for each in versions:
        with contextlib.suppress(ValueError):
            found[each.pk] = checking.made(each.declared)
    return found


def _look(made: Made, output: Output) -> bool:
    """Store what the checks say that have not looked at the output. A check whose function fails looks at no more."""
    results = []
    for version in probing.missing(versions=list(made), output_id=output.pk):
        try:
            said = checking.look(made[version], prompt=check_queries.prompt_of(output), output=output.text)
        except ValueError:
            del made[version]
            continue
        result = CheckResult(version_id=version, output=output, violated=said.violated, findings=said.findings)
        results.append(result)
    CheckResult.objects.bulk_create(results, ignore_conflicts=True, batch_size=1000)
    return True


@transaction.atomic
def compute(*, campaign_id: int, clock: Clock, is_looked: bool = True) -> bool:
    """Bring the figures up to date. Returns whether there was anything to do, and nobody else at it.

    The line of state is read before the judgments: what changes meanwhile makes the next sweep compute again. So does
    `is_looked` False, when checks have not looked at all of the probe yet.
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
    row.last_judgment_id, row.computed_at = state.last_judgment_id, now
    row.fingerprint = state.fingerprint if is_looked else ""
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
    values = {"batch": batch, "output_ids": sorted(ids), "drawn_at": now, "looking_until": None}
    return Probe.objects.update_or_create(campaign=campaign, defaults=values)[0]


def _require_admin(campaign: Campaign, by: User) -> None:
    campaign_queries.require(user=by, slug=campaign.slug, roles=(Membership.Role.ADMIN,))


def _record(campaign: Campaign, verb: str, by: User, now: datetime, detail: dict[str, object]) -> None:
    account_actions.record(actor=by, verb=verb, subject=f"campaign {campaign.pk}", now=now, detail=detail)
