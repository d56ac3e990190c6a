"""The only way to declare a task."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Generic, ParamSpec

import kombu.exceptions
import psycopg
from django.db import transaction

from worker.app import app

P = ParamSpec("P")

log = logging.getLogger(__name__)

EVERY: dict[str, float] = {}
"""Seconds between two runs, by task name; worker.schedule hands it to beat."""

_PUBLISH_RETRIES = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4}
_BROKER_IS_DOWN = (kombu.exceptions.OperationalError, psycopg.Error, OSError)


class Task(Generic[P]):
    """A function that a worker runs. Call it to run it here and now; `nudge` to have it run soon, by a worker."""

    def __init__(self, *, function: Callable[P, None], every: float | None) -> None:
        self.function = function
        self.name = f"{function.__module__}.{function.__name__}"
        self.__doc__ = function.__doc__
        if every is not None:
            EVERY[self.name] = every
        app.task(name=self.name, ignore_result=True, typing=False)(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        self.function(*args, **kwargs)

    def nudge(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Publish after the running transaction commits (at once when there is none).

        A broker that is down is logged, never raised: what waits is in a row, and the room's sweep finds it.
        """
        transaction.on_commit(partial(self._publish, args, kwargs), robust=True)

    def _publish(self, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        try:
            app.send_task(self.name, args=args, kwargs=kwargs, retry=True, retry_policy=_PUBLISH_RETRIES)
        except _BROKER_IS_DOWN as error:
            log.warning("%s was not sent (%s); the next sweep finds the work", self.name, type(error).__name__)


def task(*, every: float | None = None) -> Callable[[Callable[P, None]], Task[P]]:
    """Declare a task; `every` seconds beat nudges it. It takes ids, calls one action, and may arrive twice or late."""

    def declare(function: Callable[P, None]) -> Task[P]:
        return Task(function=function, every=every)

    return declare
