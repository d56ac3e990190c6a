"""Run checks over outputs and store what they say. No transaction is open and nothing is locked while a check thinks.

Results are unique by (version, output), and the place moves only from where it was read, so of two workers one goes on
and neither waits. A check that asks models is claimed for a batch, since its questions cost: `Judging.again_at`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from annotate.constraints.checks import actions, checking, judging, judging_queries
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, Judging, Unanswered
from annotate.intake.models import ImportBatch, Output

RUN_AT_ONCE = 200
WINDOW = timedelta(seconds=20)
"""In so long a check may ask settings.JUDGE_CALLS times: as often as the sweep comes by."""
PAUSE = 20.0
LONGEST_PAUSE = 3600.0
"""Seconds before a model that failed is asked again: PAUSE, then twice as long each time; or what its server says."""


def run(*, check_id: int, now: datetime) -> bool:
    """Run a check that is in shadow or trusted on the next outputs and store what it says, nothing else.

    Returns whether to go on. May be called by many at once, and again after a crash: an output counts once.
    """
    life = _running(check_id)
    if life is None:
        return False
    if judging_queries.is_asking(life):
        return _ask_next(life, now)
    last, results = _results(life, check_queries.after(life=life, at_most=RUN_AT_ONCE), now)
    return last > 0 and _store(life, results, last=last)


def run_overlooked(*, check_id: int, now: datetime) -> int:
    """Run the check on outputs that were stored behind its place, and ask again about those without an answer.

    Returns how many there were, at most RUN_AT_ONCE.
    """
    life = _running(check_id)
    if life is None:
        return 0
    if judging_queries.is_asking(life):
        return _ask_overlooked(life, now)
    last, results = _results(life, check_queries.overlooked(life=life, at_most=RUN_AT_ONCE), now)
    _store(life, results, last=0)
    return len(results) if last else 0


def _running(check_id: int) -> Check | None:
    rows = Check.objects.select_related("constraint", "current")
    return rows.filter(pk=check_id, state__in=checking.RUNNING).first()


def _results(life: Check, outputs: Iterable[Output], now: datetime) -> tuple[int, list[CheckResult]]:
    """Look at the outputs, which are read one by one. Returns the last one's id, and what the check says of them.

    A check that cannot be run becomes a draft and says why: 0 and nothing.
    """
    last, results = 0, []
    try:
        checks = checking.made(life.current.declared)
        for output in outputs:
            last = output.pk
            if output.batch.purpose != ImportBatch.Purpose.GOLD:
                said = checking.look(checks, prompt=check_queries.prompt_of(output), output=output.text)
                results.append(_result(life, output.pk, said))
    except ValueError as error:
        actions.give_up(life=life, problem=str(error), now=now)
        return 0, []
    return last, results


def _result(life: Check, output_id: int, said: checking.Said) -> CheckResult:
    return CheckResult(version_id=life.current_id, output_id=output_id, violated=said.violated, findings=said.findings)


@transaction.atomic
def _store(life: Check, results: Sequence[CheckResult], *, last: int) -> bool:
    """Store results, and move the place to `last` if nobody else did; 0 leaves it. Returns whether it moved."""
    CheckResult.objects.bulk_create(results, ignore_conflicts=True)
    here = Check.objects.filter(pk=life.pk, current=life.current_id, place=life.place)
    return last > life.place and bool(here.update(place=last))


def _ask_next(life: Check, now: datetime) -> bool:
    """Ask about the next outputs. The place moves up to the first that is still to be asked about."""
    outputs = list(check_queries.after(life=life, at_most=judging.AT_ONCE))
    waiting = judging_queries.untouched(life=life, outputs=outputs)
    outcomes = _asked(life, waiting, now)
    if outcomes is None:
        return False
    left = {each.pk for each in waiting} - {each.output_id for each in outcomes if not each.has_failed}
    dealt_with = list(itertools.takewhile(lambda each: each.pk not in left, outputs))
    has_moved = _store(life, [], last=dealt_with[-1].pk if dealt_with else 0)
    return has_moved and not any(each.has_failed for each in outcomes)


def _ask_overlooked(life: Check, now: datetime) -> int:
    outputs = judging_queries.overlooked(life=life, now=now, at_most=judging.AT_ONCE)
    outcomes = _asked(life, outputs, now) or []
    return 0 if any(each.has_failed for each in outcomes) else len(outcomes)


def _asked(life: Check, outputs: Sequence[Output], now: datetime) -> list[judging.Outcome] | None:
    """Ask about outputs and store what comes. Returns None when it may not be asked now, or cannot be."""
    models = judging_queries.models()
    try:
        checks = checking.made_asking(life.current.declared, models=models)
        if not outputs:
            return []
        at_once, lease = judging.batch(checks=checks, models=models)
        left = _claim(life, now=now, seconds=lease)
        if not left:
            return None
        chosen = outputs[: min(at_once, max(1, left // len(checks)))]
        texts = [
            judging.Text(output_id=each.pk, prompt=check_queries.prompt_of(each), text=each.text) for each in chosen
        ]
        outcomes = judging.ask(checks=checks, texts=texts, models=models)
    except ValueError as error:
        Judging.objects.filter(version=life.current_id).update(again_at=None)
        actions.give_up(life=life, problem=str(error), now=now)
        return None
    _keep(life, outcomes, now)
    return outcomes


@transaction.atomic
def _claim(life: Check, *, now: datetime, seconds: float) -> int:
    """Take the check's questions for `seconds`, or until they are kept. Returns how many calls are left; 0: not now."""
    Judging.objects.get_or_create(version_id=life.current_id)
    row = Judging.objects.select_for_update().get(version=life.current_id)
    if row.again_at is not None and row.again_at > now:
        return 0
    if row.window_at is None or row.window_at <= now - WINDOW:
        row.window_at, row.window_call_count = now, 0
    left = max(0, settings.JUDGE_CALLS - row.window_call_count)
    if left:
        row.again_at = now + timedelta(seconds=seconds)
    row.save()
    return left


@transaction.atomic
def _keep(life: Check, outcomes: Sequence[judging.Outcome], now: datetime) -> None:
    """Store answers, what has none, and what it cost, and let the next worker ask, at once or after a pause."""
    row = Judging.objects.select_for_update().get(version=life.current_id)
    answered = [_result(life, each.output_id, each.said) for each in outcomes if each.said is not None]
    CheckResult.objects.bulk_create(answered, ignore_conflicts=True)
    ids = [each.output_id for each in answered]
    Unanswered.objects.filter(version=life.current_id, output__in=ids).delete()
    for each in outcomes:
        if each.said is None and not each.has_failed:
            _note_unanswered(life, each, now)
    _count(row, outcomes)
    _pause(row, outcomes, now)
    row.save()


def _note_unanswered(life: Check, outcome: judging.Outcome, now: datetime) -> None:
    found, is_new = Unanswered.objects.get_or_create(
        version_id=life.current_id,
        output_id=outcome.output_id,
        defaults={"problem": outcome.problem[:500], "tried_at": now},
    )
    if not is_new:
        found.try_count, found.problem, found.tried_at = found.try_count + 1, outcome.problem[:500], now
        found.save()


def _count(row: Judging, outcomes: Sequence[judging.Outcome]) -> None:
    cost = sum((each.cost for each in outcomes), start=judging.Cost())
    row.call_count += cost.calls
    row.window_call_count += cost.calls
    row.prompt_token_count += cost.prompt_tokens
    row.answer_token_count += cost.answer_tokens


def _pause(row: Judging, outcomes: Sequence[judging.Outcome], now: datetime) -> None:
    failed = [each for each in outcomes if each.has_failed and each.problem != judging.NO_FURTHER]
    if any(each.is_heard for each in outcomes) or not failed:
        row.failure_count = 0
    if not failed:
        row.problem, row.again_at = "", None
        return
    row.failure_count += 1
    row.problem = failed[0].problem[:500]
    told = max((each.retry_after for each in failed if each.retry_after is not None), default=0.0)
    doubled = PAUSE * math.pow(2, min(row.failure_count - 1, 20))
    row.again_at = now + timedelta(seconds=min(max(told, doubled), LONGEST_PAUSE))
