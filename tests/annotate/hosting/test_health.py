"""/healthz and /readyz: cheap, without login, and each part says why it is not ready."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from pytest_django import Settings

from annotate import clock
from annotate.hosting import actions, health
from annotate.hosting.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_healthz_answers_without_database(client: Client, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"ok": True}


def test_readyz_is_ready_when_every_part_is(client: Client) -> None:
    actions.beat(role="worker", name="worker@here", now=clock.now())
    response = client.get("/readyz")
    assert response.status_code == 200, response.json()
    assert response.json()["ready"] is True
    assert set(response.json()["parts"]) == {"database", "migrations", "broker", "worker"}
    assert "no-cache" in response.headers["Cache-Control"]


def test_readyz_misses_the_worker(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["worker"] == {"is_ready": False, "reason": "no worker has reported yet"}


def test_check_finds_an_old_heartbeat_stale() -> None:
    now = clock.now()
    actions.beat(role="worker", name="worker@here", now=now - timedelta(seconds=90))
    assert health.check(now=now).parts["worker"].reason == "no worker has reported for 90 s"


def test_check_counts_only_workers() -> None:
    now = clock.now()
    actions.beat(role="beat", name="beat@here", now=now)
    assert not health.check(now=now).parts["worker"].is_ready


def test_check_names_missing_migrations() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'hosting'")
    part = health.check(now=clock.now()).parts["migrations"]
    assert "hosting.0001_initial" in part.reason
    assert "manage.py migrate" in part.reason


def test_check_says_when_the_database_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DatabaseError("secret address")

    monkeypatch.setattr(connection, "cursor", gone)
    monkeypatch.setattr(connection, "close", lambda: None)
    found = health.check(now=clock.now())
    assert not found.is_ready
    assert "does not answer" in found.parts["database"].reason
    assert "secret" not in str(found.as_json())


def test_check_says_when_an_outside_broker_is_gone(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://:password@127.0.0.1:1/0"
    health._broker_at.cache_clear()
    part = health.check(now=clock.now()).parts["broker"]
    health._broker_at.cache_clear()
    assert "the redis broker does not answer" in part.reason
    assert "password" not in part.reason


def test_check_sees_the_queue_in_postgres(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = ""
    assert health.check(now=clock.now()).parts["broker"].is_ready


def test_beat_twice_is_one_row() -> None:
    now = clock.now()
    actions.beat(role="worker", name="worker@here", now=now)
    actions.beat(role="worker", name="worker@here", now=now + timedelta(seconds=5))
    assert Heartbeat.objects.get().beat_at == now + timedelta(seconds=5)


def test_forget_drops_what_is_long_gone() -> None:
    now = clock.now()
    actions.beat(role="worker", name="old", now=now - timedelta(hours=2))
    actions.beat(role="worker", name="new", now=now)
    actions.forget(now=now)
    actions.forget(now=now)
    assert [each.name for each in Heartbeat.objects.all()] == ["new"]
