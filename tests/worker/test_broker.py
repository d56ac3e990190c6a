"""What our transport adds to Kombu's."""

from collections.abc import Iterator

import kombu
import psycopg.conninfo
import pytest
from django.db import connection
from pytest_django import Settings

from worker import broker


@pytest.fixture
def queue(settings: Settings, transactional_db: None) -> Iterator[kombu.Connection]:
    name = connection.settings_dict["NAME"]
    settings.DATABASE_CONNINFO = psycopg.conninfo.make_conninfo(settings.DATABASE_CONNINFO, dbname=name)
    with kombu.Connection(broker.URL, transport_options=broker.options()) as found:
        yield found
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues()")


def test_long_queue_names_fit_and_stay_apart(queue: kombu.Connection) -> None:
    channel = queue.channel()
    names = [channel.entity_name("a" * 60 + end) for end in "xy"]
    assert [len(name) for name in names] == [broker.LONGEST_QUEUE_NAME] * 2
    assert names[0] != names[1]
    assert channel.entity_name("celery") == "celery"


def test_long_queue_name_carries_messages(queue: kombu.Connection) -> None:
    simple = queue.SimpleQueue("q" * 70)
    simple.put({"id": 1})
    message = simple.get(timeout=60)
    assert message.payload == {"id": 1}
    message.ack()


def test_broadcast_with_headers_arrives(queue: kombu.Connection) -> None:
    exchange = kombu.Exchange("news", type="fanout")
    inbox = kombu.Queue("inbox", exchange=exchange)
    received: list[object] = []

    def take(body: object, message: kombu.Message) -> None:
        received.append(body)
        message.ack()

    with queue.Consumer(inbox, callbacks=[take]):
        queue.Producer().publish({"id": 2}, exchange=exchange, headers={"who": "test"})
        queue.drain_events(timeout=60)
    assert received == [{"id": 2}]


def test_message_in_hand_is_renewed_until_acknowledged(queue: kombu.Connection) -> None:
    simple = queue.SimpleQueue("held")
    simple.put({"id": 3})
    message = simple.get(timeout=60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pgmq.q_held SET vt = now()")
        assert broker.renew() == 1
        cursor.execute("SELECT vt > now() + interval '30 seconds' FROM pgmq.q_held")
        assert cursor.fetchone()[0]
    message.ack()
    assert broker.renew() == 0


def test_lost_connection_lets_its_messages_come_back(queue: kombu.Connection) -> None:
    simple = queue.SimpleQueue("lost")
    simple.put({"id": 4})
    simple.get(timeout=60)
    assert broker.renew() == 1
    queue.collapse() if hasattr(queue, "collapse") else queue.close()
    assert broker.renew() == 0
