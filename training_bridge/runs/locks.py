"""Advisory locks of PostgreSQL. They die with their connection, so a killed worker holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def tried(name: str) -> Iterator[bool]:
    """Hold the lock `name` for the block, across transactions; yields False at once when somebody else holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        is_held = bool(cursor.fetchone()[0])
    try:
        yield is_held
    finally:
        if is_held:
            _release(name)


def until_commit(name: str) -> None:
    """Wait for the lock `name` and hold it to the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _release(name: str) -> None:
    # A connection that is gone has given its locks back; in a broken transaction nothing can be said any more.
    if connection.connection is None or connection.needs_rollback:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
