"""The demo's page: for admins, starts one process, shows where it is, and survives a reload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotate import clock
from tests import factories
from training_bridge.demo import actions, launch, models, steps

pytestmark = pytest.mark.django_db

CELL = {"before": 22, "after": 9, "fixed": 15, "new": 2, "p": 0.0021, "verdict": "improved"}
CLEAN = {"before": 161, "after": 208, "total": 250, "p": 0.0000001}
TABLE = {
    "seed": 1,
    "checkpoints": {},
    "rows": [{"statement": "Answers in <b>another</b> unit", "tag": "wrong-unit", "d2o": CELL, "kto": CELL}],
    "clean": {"d2o": CLEAN, "kto": CLEAN},
}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(factories.superuser())
    return client


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setattr(launch, "start", lambda *, run_id: ids.append(run_id))
    return ids


def page(client: Client, **options: Any) -> str:
    response = client.get(reverse("demo"), **options)
    assert response.status_code == 200
    return response.content.decode()


def running(seed: int = 1) -> models.DemoRun:
    return actions.request(seed=seed, size="full", by=None, now=clock.now())


def test_the_page_asks_strangers_to_sign_in(client: Client) -> None:
    assert client.get(reverse("demo")).status_code == 302


def test_the_page_is_for_admins(client: Client, started: list[int]) -> None:
    client.force_login(factories.user())
    assert client.get(reverse("demo")).status_code == 403
    assert client.post(reverse("demo"), {"seed": "1"}).status_code == 403
    assert not started and not models.DemoRun.objects.exists()


def test_the_page_says_what_will_happen_before_anything_has(admin: Client) -> None:
    text = page(admin)
    assert "Start the demo" in text
    assert all(step.title.replace("'", "&#x27;") in text for step in steps.STEPS)
    assert "hx-get" not in text


def test_start_asks_for_one_process_however_often_it_is_pressed(admin: Client, started: list[int]) -> None:
    assert admin.post(reverse("demo"), {"seed": "7"}).status_code == 302
    run = models.DemoRun.objects.get()
    actions.take(run_id=run.pk, now=clock.now())
    admin.post(reverse("demo"), {"seed": "7"})
    assert started == [run.pk]


@pytest.mark.parametrize("typed", ["", "many", "-1", "99999999999"])
def test_start_keeps_what_was_typed_when_the_seed_is_wrong(admin: Client, started: list[int], typed: str) -> None:
    response = admin.post(reverse("demo"), {"seed": typed})
    assert response.status_code == 422
    assert "whole number" in response.content.decode()
    assert not started


def test_start_says_so_when_another_demo_runs(admin: Client, started: list[int]) -> None:
    running(seed=1)
    response = admin.post(reverse("demo"), {"seed": "2"})
    assert response.status_code == 422 and "seed 1 is running" in response.content.decode()
    assert not started


def test_start_shows_why_the_process_could_not_be_started(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*, run_id: int) -> None:
        raise launch.CannotStart("The demo's process could not be started: no memory")

    monkeypatch.setattr(launch, "start", refuse)
    assert "no memory" in admin.post(reverse("demo"), {"seed": "1"}, follow=True).content.decode()


def test_a_running_demo_is_polled_and_shows_its_step(admin: Client) -> None:
    run = running()
    claim = actions.take(run_id=run.pk, now=clock.now())
    fields = {"step": "judge", "message": "41 answers judged", "progress": 0.5, "notes": {"base": "800 steps"}}
    actions.report(run_id=run.pk, claim=claim, now=clock.now(), **fields)
    text = page(admin, headers={"HX-Request": "true"})
    assert "<html" not in text
    assert 'hx-trigger="every 2s"' in text and 'aria-current="step"' in text
    assert "41 answers judged" in text and "800 steps" in text and "50 %" in text


def test_a_dead_demo_is_shown_as_stopped_and_can_be_continued(admin: Client, started: list[int]) -> None:
    run = running(seed=3)
    actions.take(run_id=run.pk, now=clock.now())
    models.DemoRun.objects.update(heartbeat_at=clock.now() - timedelta(minutes=5))
    text = page(admin)
    assert "has stopped" in text and "not been heard of" in text and "Continue" in text
    assert "hx-get" not in text
    admin.post(reverse("demo"), {"seed": "3"})
    assert started == [run.pk]


def test_a_done_demo_shows_its_table_escaped(admin: Client) -> None:
    run = running()
    claim = actions.take(run_id=run.pk, now=clock.now())
    campaign = factories.campaign()
    actions.belongs_to(run_id=run.pk, claim=claim, campaign=campaign, now=clock.now())
    actions.finish(run_id=run.pk, claim=claim, table=TABLE, now=datetime(2026, 3, 1, tzinfo=UTC))
    text = page(admin)
    assert "Answers in &lt;b&gt;another&lt;/b&gt; unit" in text
    assert "22 → 9" in text and "0.002" in text
    assert "161 → 208 of 250" in text and "&lt; 0.001" in text
    assert reverse("work", args=[campaign.slug]) in text
