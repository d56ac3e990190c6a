"""Declaring and nudging."""

import logging

import kombu.exceptions
import pytest
from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import DjangoCaptureOnCommitCallbacks

from worker import schedule, task
from worker.app import app


def noted(number: int) -> None:
    done.append(number)


done: list[int] = []
nudged = task.Task(function=noted, every=None)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, kwargs, **_: found.append((name, args)))
    return found


def test_call_runs_here_and_now() -> None:
    done.clear()
    nudged(3)
    assert done == [3]


@pytest.mark.django_db
def test_nudge_waits_for_the_commit(
    sent: list[object], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        nudged.nudge(5)
        assert sent == []
    assert sent == [("tests.worker.test_task.noted", (5,))]


@pytest.mark.django_db
def test_nudge_survives_a_broker_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def down(*_: object, **__: object) -> None:
        raise kombu.exceptions.OperationalError("redis://:password@host is gone")

    monkeypatch.setattr(app, "send_task", down)
    with caplog.at_level(logging.WARNING), django_capture_on_commit_callbacks(execute=True):
        nudged.nudge(5)
    assert "the next sweep finds the work" in caplog.text
    assert "password" not in caplog.text


def test_tasks_of_all_rooms_can_be_imported() -> None:
    app.loader.import_default_modules()
    assert "worker.tasks.hosting.forget" in app.tasks
    assert task.EVERY["worker.tasks.hosting.forget"] == 3600


def test_every_swept_room_sweeps_often_enough() -> None:
    app.loader.import_default_modules()
    assert all(5 <= seconds <= 24 * 3600 for seconds in task.EVERY.values())
    assert set(task.EVERY) <= set(app.tasks)


@pytest.mark.django_db(transaction=True)  # beat closes connections as it pleases
def test_schedule_follows_the_declarations() -> None:
    often = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name=f"{schedule.PREFIX}gone", task="gone", interval=often)
    kept = PeriodicTask.objects.create(name="made by a person", task="x", interval=often)
    for _ in range(2):
        schedule.Scheduler(app=app)
    names = set(PeriodicTask.objects.values_list("name", flat=True))
    assert f"{schedule.PREFIX}worker.tasks.hosting.forget" in names
    assert f"{schedule.PREFIX}gone" not in names
    assert kept.name in names


def test_messages_are_acknowledged_after_the_work_and_taken_one_by_one() -> None:
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result


def test_worker_that_is_told_nothing_takes_every_queue() -> None:
    assert set(app.amqp.queues.consume_from) == {"celery", "runs"}
    assert app.amqp.router.route({}, "worker.tasks.runs.advance")["queue"].name == "runs"
    assert (
        app.amqp.router.route({}, "worker.tasks.exports.build").get("queue", app.amqp.queues["celery"]).name == "celery"
    )
