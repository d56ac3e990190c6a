"""Whether the platform can do its work, part by part. Cheap enough to be asked every second."""

import functools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import kombu
import kombu.exceptions
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from annotate.hosting.models import Heartbeat

FRESH = timedelta(seconds=20)
BROKER_ANSWER_SECONDS = 10.0
BROKER_TIMEOUT_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class Part:
    is_ready: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Health:
    parts: Mapping[str, Part]

    @property
    def is_ready(self) -> bool:
        return all(part.is_ready for part in self.parts.values())

    def as_json(self) -> dict[str, object]:
        return {"ready": self.is_ready, "parts": {name: asdict(part) for name, part in self.parts.items()}}


def check(*, now: datetime) -> Health:
    """Every part that work needs, each with the reason when it is not ready. Never raises, names no secret."""
    database = _database()
    if not database.is_ready:
        unknown = Part(is_ready=False, reason="not known while the database does not answer")
        return Health(parts={"database": database, "migrations": unknown, "broker": unknown, "worker": unknown})
    migrations = _of_database(_migrations)
    return Health(
        parts={
            "database": database,
            "migrations": migrations,
            "broker": _of_database(_queue) if not settings.CELERY_BROKER_URL else _broker(),
            "worker": _of_database(lambda: _worker(now=now)),
        }
    )


def _database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connection.close()
        return Part(is_ready=False, reason=f"the database does not answer ({type(error).__name__})")
    return Part(is_ready=True)


def _of_database(ask: Callable[[], Part]) -> Part:
    try:
        return ask()
    except DatabaseError as error:
        return Part(is_ready=False, reason=f"the database refused the question ({type(error).__name__})")


def _migrations() -> Part:
    waiting = sorted(_known_migrations() - set(MigrationRecorder(connection).applied_migrations()))
    if not waiting:
        return Part(is_ready=True)
    named = ", ".join(f"{app}.{name}" for app, name in waiting[:3])
    return Part(is_ready=False, reason=f"{len(waiting)} migrations are not applied ({named}): run manage.py migrate")


@functools.cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """What this process's code brings; it does not change while the process lives."""
    disk = MigrationLoader(None).disk_migrations
    return frozenset(disk or {})


def _queue() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL")
        if cursor.fetchone()[0]:
            return Part(is_ready=True)
    return Part(is_ready=False, reason="the message queue's tables are not there: run manage.py migrate")


def _broker() -> Part:
    """Asked at most once in ten seconds per process: connecting to an outside broker is not free."""
    return _broker_at(int(time.monotonic() / BROKER_ANSWER_SECONDS))


@functools.lru_cache(maxsize=1)
def _broker_at(_moment: int) -> Part:
    try:
        with kombu.Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT_SECONDS) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
    except (kombu.exceptions.KombuError, OSError) as error:
        kind = re.sub(r":.*", "", settings.CELERY_BROKER_URL)
        return Part(is_ready=False, reason=f"the {kind} broker does not answer ({type(error).__name__})")
    return Part(is_ready=True)


def _worker(*, now: datetime) -> Part:
    last = Heartbeat.objects.filter(role="worker").order_by("-beat_at").values_list("beat_at", flat=True).first()
    if last is None:
        return Part(is_ready=False, reason="no worker has reported yet")
    if now - last > FRESH:
        return Part(is_ready=False, reason=f"no worker has reported for {(now - last).total_seconds():.0f} s")
    return Part(is_ready=True)
