"""manage.py demo around the story: who may tell it, and what its row says when it ends early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotate import clock
from training_bridge.demo import actions, models, story

pytestmark = pytest.mark.django_db

TABLE: dict[str, Any] = {
    "seed": 1,
    "rows": [],
    "clean": {key: {"before": 1, "after": 2, "total": 4, "p": 1.0} for key in ("d2o", "kto")},
}


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., dict[str, Any]]], None]:
    return lambda told: monkeypatch.setattr(story, "tell", told)


def run(**options: Any) -> str:
    written = StringIO()
    call_command("demo", stdout=written, **options)
    return written.getvalue()


def test_demo_stores_and_shows_what_the_story_found(tell: Any) -> None:
    tell(lambda **_: TABLE)
    assert "1 → 2" in run(seed=4)
    found = models.DemoRun.objects.get()
    assert (found.seed, found.state, found.table) == (4, models.DemoRun.State.DONE, TABLE)


def test_demo_tells_the_one_that_the_page_asked_for(tell: Any) -> None:
    tell(lambda **_: TABLE)
    asked = actions.request(seed=9, size="mini", by=None, now=clock.now())
    run(demo_run=asked.pk)
    asked.refresh_from_db()
    assert asked.state == models.DemoRun.State.DONE


def test_demo_refuses_what_does_not_exist() -> None:
    with pytest.raises(CommandError, match="no demo 404"):
        run(demo_run=404)
    with pytest.raises(CommandError, match="whole number"):
        run(seed=-1)


def test_demo_leaves_a_bug_visible_and_its_row_stopped(tell: Any) -> None:
    def broken(**_: Any) -> dict[str, Any]:
        raise ZeroDivisionError("no sums today")

    tell(broken)
    with pytest.raises(ZeroDivisionError):
        run(seed=1)
    found = models.DemoRun.objects.get()
    assert (found.state, found.reason) == (models.DemoRun.State.STOPPED, "ZeroDivisionError: no sums today")


def test_demo_ends_quietly_when_another_process_took_over(tell: Any) -> None:
    def overtaken(**_: Any) -> dict[str, Any]:
        models.DemoRun.objects.update(claim="00000000-0000-0000-0000-000000000000")
        raise actions.ClaimLost

    tell(overtaken)
    with pytest.raises(CommandError, match="taken this demo over"):
        run(seed=1)
    assert models.DemoRun.objects.get().state == models.DemoRun.State.RUNNING


def test_demo_leaves_a_living_one_alone(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(lambda **_: pytest.fail("it is told elsewhere"))
    asked = actions.request(seed=1, size="full", by=None, now=clock.now())
    claim = actions.take(run_id=asked.pk, now=clock.now())
    beat = lambda _: actions.report(run_id=asked.pk, claim=claim, now=clock.now())  # noqa: E731
    monkeypatch.setattr("training_bridge.demo.management.commands.demo.time.sleep", beat)
    with pytest.raises(CommandError, match="telling this demo just now"):
        run(seed=1)


def test_demo_goes_on_with_one_whose_process_was_killed(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(lambda **_: TABLE)
    asked = actions.request(seed=1, size="full", by=None, now=clock.now())
    actions.take(run_id=asked.pk, now=clock.now())
    late = clock.now() + timedelta(seconds=models.HEARTBEAT_SECONDS)
    monkeypatch.setattr(
        "training_bridge.demo.management.commands.demo.time.sleep",
        lambda _: monkeypatch.setattr(clock, "now", lambda: late),
    )
    assert "looking whether it is alive" in run(seed=1)
    asked.refresh_from_db()
    assert asked.state == models.DemoRun.State.DONE
