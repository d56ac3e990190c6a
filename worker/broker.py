"""Messages in the PostgreSQL that the rows are in: Kombu's PGMQ transport with what it lacks.

* Queue names over PGMQ's 47 characters are shortened by a hash.
* Broadcasts with headers name their delay; PGMQ has no such function without one.
* Connections are opened as the settings say (socket folders, SSL options), which a transport URL cannot carry.
* A message in hand stays invisible to others for `visibility_timeout`, and is renewed while its worker lives
  (`renew`). So a killed worker's messages come back in a minute, and long tasks are not started twice.
"""

import hashlib
import threading
from typing import Any

from django.conf import settings
from django.db import connection
from kombu.transport import TRANSPORT_ALIASES, pgmq
from pgmq import PGMQueue
from psycopg_pool import ConnectionPool

URL = "postgres-queue://localhost//"
LONGEST_QUEUE_NAME = 47
POOL_TIMEOUT_SECONDS = 5

_in_hand: set[tuple[str, int]] = set()
_in_hand_lock = threading.Lock()

TRANSPORT_ALIASES["postgres-queue"] = "worker.broker:Transport"


def options() -> dict[str, Any]:
    """What Celery passes to the transport."""
    return {
        "visibility_timeout": settings.BROKER_VISIBILITY_SECONDS,
        "init_extension": False,
        "wait_time_seconds": 0,
        "use_notify": True,
        "polling_interval": 1,
        "notify_throttle_interval_ms": 50,
        "pool_size": 2,
    }


def renew() -> int:
    """Keep the messages this process has in hand invisible to other workers; returns how many."""
    with _in_hand_lock:
        held = sorted(_in_hand)
    with connection.cursor() as cursor:
        for queue, message_id in held:
            cursor.execute(
                "SELECT pgmq.set_vt(%s::text, %s::bigint, %s::integer)",
                [queue, message_id, settings.BROKER_VISIBILITY_SECONDS],
            )
    return len(held)


class Channel(pgmq.Channel):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._held: set[tuple[str, int]] = set()
        super().__init__(*arguments, **options)

    def close(self) -> None:
        """What a lost connection had in hand can no longer be acknowledged; it comes back when its time is over."""
        with _in_hand_lock:
            _in_hand.difference_update(self._held)
            self._held.clear()
        super().close()

    def entity_name(self, name: Any, table: Any = pgmq.CHARS_REPLACE_TABLE) -> str:
        plain = str(super().entity_name(name, table))
        if len(plain) <= LONGEST_QUEUE_NAME:
            return plain
        digest = hashlib.sha256(plain.encode()).hexdigest()[:16]
        return f"{plain[: LONGEST_QUEUE_NAME - 17]}_{digest}"

    def _pgmq_send_kwargs(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"delay": 0, **super()._pgmq_send_kwargs(message)}

    def _pgmq_message_to_python(self, pgmq_message: Any, queue: str) -> Any:
        if queue not in self._noack_queues:
            with _in_hand_lock:
                self._held.add((self._queue_name(queue), pgmq_message.msg_id))
                _in_hand.update(self._held)
        return super()._pgmq_message_to_python(pgmq_message, queue)

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        self._let_go(delivery_tag)
        super().basic_ack(delivery_tag, multiple=multiple)

    def basic_reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        self._let_go(delivery_tag)
        super().basic_reject(delivery_tag, requeue=requeue)

    def _restore(self, message: Any, *arguments: Any) -> Any:
        self._forget(message.delivery_info)
        return super()._restore(message, *arguments)

    def _let_go(self, delivery_tag: Any) -> None:
        try:
            self._forget(self.qos.get(delivery_tag).delivery_info)
        except KeyError:
            return

    def _forget(self, delivery_info: dict[str, Any]) -> None:
        message = (delivery_info.get("pgmq_queue", ""), delivery_info.get("pgmq_msg_id", 0))
        with _in_hand_lock:
            self._held.discard(message)
            _in_hand.discard(message)


class Transport(pgmq.Transport):
    Channel = Channel
    driver_type = driver_name = "postgres-queue"

    def _create_pgmq_client(self) -> PGMQueue:
        wishes: dict[str, Any] = self.client.transport_options  # type: ignore[union-attr]
        pool = ConnectionPool(
            settings.DATABASE_CONNINFO,
            min_size=1,
            max_size=wishes["pool_size"],
            timeout=POOL_TIMEOUT_SECONDS,
            open=True,
        )
        # The empty address keeps the client from reading DATABASE_URL by itself, and from parsing it in its own way.
        client = PGMQueue(conn_string="", pool=pool, vt=wishes["visibility_timeout"], init_extension=False)
        client._own_pool = True
        return client

    def _get_notify_waiter(self) -> Any:
        if self._notify_waiter is None:
            self._notify_waiter = pgmq._NotifyWaiter(settings.DATABASE_CONNINFO)
        return self._notify_waiter
