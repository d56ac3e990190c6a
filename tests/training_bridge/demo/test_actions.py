"""The demo's row: one at a time, taken by one process, stopped when nothing is heard of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from annotate.errors import RuleError
from training_bridge.demo import actions, models, queries

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE = NOW + timedelta(seconds=models.HEARTBEAT_SECONDS + 1)


def asked(seed: int = 1, now: datetime = NOW) -> models.DemoRun:
    return actions.request(seed=seed, size="full", by=None, now=now)


def test_request_twice_equals_once() -> None:
    assert asked() == asked()
    assert models.DemoRun.objects.count() == 1


def test_request_refuses_another_seed_while_one_runs() -> None:
    asked(seed=1)
    with pytest.raises(actions.DemoRunning, match="seed 1 is running"):
        asked(seed=2)


def test_request_refuses_an_unknown_size() -> None:
    with pytest.raises(RuleError, match="huge"):
        actions.request(seed=1, size="huge", by=None, now=NOW)


def test_the_database_holds_one_running_demo() -> None:
    asked()
    with pytest.raises(IntegrityError):
        models.DemoRun.objects.create(seed=2, requested_at=NOW, heartbeat_at=NOW)


def test_request_goes_on_with_a_stopped_demo_and_leaves_a_done_one() -> None:
    run = asked()
    actions.stop(run_id=run.pk, reason="unplugged", now=NOW)
    again = asked(now=LATE)
    assert (again.pk, again.state, again.reason, again.claim) == (run.pk, "running", "", None)
    claim = actions.take(run_id=run.pk, now=LATE)
    actions.finish(run_id=run.pk, claim=claim, table={"rows": []}, now=LATE)
    assert asked(now=LATE).state == models.DemoRun.State.DONE


def test_take_gives_a_demo_to_one_process() -> None:
    run = asked()
    actions.take(run_id=run.pk, now=NOW)
    with pytest.raises(actions.DemoRunning):
        actions.take(run_id=run.pk, now=NOW)


def test_report_ends_the_process_that_lost_its_claim() -> None:
    run = asked()
    claim = actions.take(run_id=run.pk, now=NOW)
    actions.report(run_id=run.pk, claim=claim, now=NOW, message="judging")
    assert actions.stop_silent(now=LATE) == 1
    asked(now=LATE)
    with pytest.raises(actions.ClaimLost):
        actions.report(run_id=run.pk, claim=claim, now=LATE, message="still judging")
    with pytest.raises(actions.ClaimLost):
        actions.finish(run_id=run.pk, claim=claim, table={}, now=LATE)


def test_stop_silent_leaves_a_demo_that_is_heard_of() -> None:
    run = asked()
    assert actions.stop_silent(now=NOW + timedelta(seconds=models.HEARTBEAT_SECONDS - 1)) == 0
    assert actions.stop_silent(now=LATE) == 1
    run.refresh_from_db()
    assert run.state == models.DemoRun.State.STOPPED
    assert "not been heard of" in run.reason


def test_stop_after_the_end_changes_nothing() -> None:
    run = asked()
    claim = actions.take(run_id=run.pk, now=NOW)
    actions.finish(run_id=run.pk, claim=claim, table={"rows": []}, now=NOW)
    actions.stop(run_id=run.pk, claim=claim, reason="late", now=LATE)
    run.refresh_from_db()
    assert (run.state, run.reason, run.progress) == (models.DemoRun.State.DONE, "", 1.0)


def test_latest_is_the_running_one_or_the_last_that_was_asked_for() -> None:
    assert queries.latest() is None and queries.next_seed() == 1
    first = asked(seed=1)
    actions.stop(run_id=first.pk, reason="", now=NOW)
    second = asked(seed=5, now=LATE)
    assert queries.latest() == second
    actions.stop(run_id=second.pk, reason="", now=LATE)
    assert queries.latest() == second and queries.next_seed() == 6
    assert asked(seed=1, now=LATE + timedelta(seconds=1)) == queries.latest() == first
