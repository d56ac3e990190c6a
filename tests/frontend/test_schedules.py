"""The pages of schedules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import PeriodicTask

from annotate.campaigns.models import Campaign
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.runs import models, schedule_actions

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("sums", by=factories.superuser("ada"))


@pytest.fixture
def base(tmp_path: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


@pytest.fixture
def researcher(client: Client, campaign: Campaign) -> Client:
    client.force_login(factories.member(campaign, "researcher"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def typed(base: models.Checkpoint, **more: str) -> dict[str, str]:
    return {
        "name": "nightly",
        "method": "d2o",
        "base": str(base.pk),
        "at_time": "02:30",
        "min_new_judgments": "10",
        "every_days": "2",
        **more,
    }


@pytest.mark.parametrize("role", ["annotator", "reviewer"])
def test_only_admins_and_researchers_come_in(client: Client, campaign: Campaign, role: str) -> None:
    client.force_login(factories.member(campaign, role), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/c/sums/schedules/").status_code == 403
    assert client.post("/c/sums/schedules/new/", {}).status_code == 403


def test_save_change_switch_and_delete(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    assert "No schedule yet" in researcher.get("/c/sums/schedules/").content.decode()
    assert researcher.post("/c/sums/schedules/new/", typed(base)).status_code == 302
    made = models.Schedule.objects.get()
    assert (made.campaign, made.every_days, f"{made.at_time:%H:%M}", made.is_enabled) == (campaign, 2, "02:30", True)
    page = researcher.get("/c/sums/schedules/").content.decode()
    assert "at most every 2 days, at 02:30" in page

    form = researcher.get(f"/c/sums/schedules/{made.pk}/").content.decode()
    assert 'value="nightly"' in form
    researcher.post(
        f"/c/sums/schedules/{made.pk}/", typed(base, name="weekly", every_days="7", continue_from_latest="on")
    )
    made.refresh_from_db()
    assert (made.name, made.every_days, made.continue_from_latest) == ("weekly", 7, True)

    researcher.post(f"/c/sums/schedules/{made.pk}/switch/", {})
    assert models.Schedule.objects.filter(is_enabled=False).exists()
    researcher.post(f"/c/sums/schedules/{made.pk}/switch/", {"enabled": "on"})
    assert models.Schedule.objects.filter(is_enabled=True).exists()
    researcher.post(f"/c/sums/schedules/{made.pk}/delete/")
    assert not models.Schedule.objects.exists()
    assert not PeriodicTask.objects.filter(task=schedule_actions.FIRE_TASK).exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", "", "Give the schedule a name"),
        ("at_time", "25:00", "Give a time like"),
        ("every_days", "0", "1 to 366"),
        ("min_new_judgments", "x", "Give a whole number."),
        ("h-max_steps", "x", "Give a whole number."),
        ("method", "sample", "The method may be"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    researcher: Client, base: models.Checkpoint, name: str, value: str, said: str
) -> None:
    answer = researcher.post("/c/sums/schedules/new/", typed(base, **{"h-seed": "4711", name: value}))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'value="4711"' in answer.content.decode()
    assert not models.Schedule.objects.exists()


def test_another_campaigns_schedule_is_not_found_on_every_verb(
    researcher: Client, base: models.Checkpoint, campaign: Campaign
) -> None:
    researcher.post("/c/sums/schedules/new/", typed(base))
    made = models.Schedule.objects.get()
    models.Schedule.objects.update(campaign=factories.campaign("theirs"))
    for page in ("", "switch/", "delete/"):
        assert researcher.post(f"/c/sums/schedules/{made.pk}/{page}").status_code == 404
    assert models.Schedule.objects.exists()


def test_the_page_asks_as_often_for_many_as_for_few(
    researcher: Client,
    campaign: Campaign,
    base: models.Checkpoint,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    asked = []
    for count in (1, 6):
        for number in range(count):
            researcher.post("/c/sums/schedules/new/", typed(base, name=f"n{count}-{number}"))
        for schedule in models.Schedule.objects.all():
            key = f"{schedule.pk}:{count}"
            models.ScheduleFiring.objects.create(
                schedule=schedule, due_key=key, due_at=factories.NOW, state="not_enough", created_at=factories.NOW
            )
        with django_assert_max_num_queries(15) as seen:
            page = researcher.get("/c/sums/schedules/").content.decode()
        asked.append(len(seen))
        assert "not enough new judgments" in page
    assert asked[0] == asked[1]
