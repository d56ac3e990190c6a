"""The thread that says every few seconds that this process lives, and keeps its messages from being sent again."""

import logging
import os
import socket
import threading
from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutting_down
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from annotate import clock
from annotate.hosting import actions, children
from worker import broker

log = logging.getLogger(__name__)

SECONDS = 5.0
_stopped = threading.Event()


def start(*, role: str) -> None:
    """Beat until `stop`. One thread per process; it has a database connection of its own."""
    _stopped.clear()
    threading.Thread(target=_beat, kwargs={"role": role}, name="lifeline", daemon=True).start()


def stop() -> None:
    _stopped.set()


def name_of(*, role: str) -> str:
    return f"{role}@{socket.gethostname()}:{os.getpid()}"


def _beat(*, role: str) -> None:
    while not _stopped.is_set():
        try:
            actions.beat(role=role, name=name_of(role=role), now=clock.now())
            if role == "worker" and not settings.CELERY_BROKER_URL:
                broker.renew()
        except DatabaseError as error:
            log.warning("no heartbeat: %s", error)
            connection.close()
        _stopped.wait(SECONDS)


@worker_ready.connect
def _on_ready(**_: Any) -> None:
    start(role="worker")


@worker_shutting_down.connect
def _on_shutting_down(**_: Any) -> None:
    stop()


@worker_process_init.connect
def _on_child(**_: Any) -> None:
    """A pool process ends with its worker, also when that one is killed."""
    children.die_with_parent()
