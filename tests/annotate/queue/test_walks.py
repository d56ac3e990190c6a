"""The cursors hide nothing: random walks, and the faults that they must find."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from annotate.judgments import actions as judgment_actions
from annotate.queue import actions, policy, sql
from annotate.queue.models import Cursor, QueueItem, Shelf
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW
from tests.annotate.queue.walks import Walk

# name of the statement, what is in it, what a fault puts in its place
FAULTS = {
    "what comes back stays where it was": ("RETURN_SLOTS", ", shelf_id = items.front, round = items.sealed", ""),
    "what comes back joins a round already passed": ("RETURN_SLOTS", "round = items.sealed", "round = 1"),
    "a raised overlap reopens in place": ("SET_OVERLAP", "WHEN items.reopens", "WHEN false"),
    "what arrives joins a sealed round": ("JOIN_SHELF", "sealed + 1", "GREATEST(sealed, 1)"),
    "the cursor goes beyond what is free": ("TAKE_NEXT", "round, CASE", "round + 1, CASE"),
    "a shelf is passed too far": ("TAKE_NEXT", "sealed + 1 AS round", "sealed + 3 AS round"),
    "priority is turned round": ("TAKE_NEXT", "shelves.priority DESC", "shelves.priority ASC"),
    "skipped outputs are given again": ("TAKE_NEXT", "IN ('expired', 'released')", "IN ('expired', 'skipped')"),
    "a slot is not returned": ("RETURN_SLOTS", "item.taken_count - items.returned", "item.taken_count"),
    "a paused campaign goes on": ("TAKE_NEXT", "state = 'active'", "state <> 'closed'"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_everybody_is_offered_what_is_free_and_nothing_else(seed: int) -> None:
    Walk(seed=seed).run(steps=150)


@pytest.mark.django_db
@pytest.mark.parametrize("fault", FAULTS)
def test_walks_find_a_planted_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, right, wrong = FAULTS[fault]
    statement = getattr(sql, name)
    assert right in statement
    monkeypatch.setattr(sql, name, statement.replace(right, wrong))
    for seed in range(12):
        try:
            with transaction.atomic():
                Walk(seed=seed).run(steps=150)
        except (AssertionError, IntegrityError):  # the model or a constraint found it
            return
    pytest.fail("no walk found the fault")


@pytest.mark.django_db
def test_the_work_behind_a_cursor_is_never_read_again() -> None:
    """However much somebody has judged, the next lease looks at the same few items."""
    campaign = rows.campaign(overlap=3)
    ada = rows.person("ada", campaign=campaign)
    rows.outputs(campaign, *(f"text {number}" for number in range(60)))
    for _ in range(50):
        lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
        assert lease is not None
        judgment_actions.submit(
            token=lease.token, annotator=ada, verdict="nothing_wrong", violations=[], idempotency_key=uuid4(), now=NOW
        )
    place = Cursor.objects.get(annotator=ada, shelf__is_front=False)
    ahead = QueueItem.objects.filter(round=place.round, order_key__gte=place.order_key)
    assert ahead.count() == 11  # the last one taken and the ten after it


@pytest.mark.django_db
def test_a_round_stays_open_to_imports_until_somebody_comes_to_it() -> None:
    campaign = rows.campaign()
    for _ in range(3):
        rows.outputs(campaign, uuid4().hex, uuid4().hex)
    assert set(QueueItem.objects.values_list("round", flat=True)) == {1}
    assert actions.lease_next(campaign=campaign, annotator=rows.person("ada", campaign=campaign), now=NOW)
    rows.outputs(campaign, uuid4().hex)
    assert sorted(QueueItem.objects.values_list("round", flat=True)) == [1] * 6 + [2]


@pytest.mark.django_db(transaction=True)
def test_what_was_locked_in_passing_is_found_again() -> None:
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, *(f"text {number}" for number in range(4)))
    ada = rows.person("ada", campaign=campaign)
    seen = set()
    with transaction.atomic():
        QueueItem.objects.select_for_update().get(pk=QueueItem.objects.order_by("order_key")[0].pk)
        seen.add(elsewhere(lambda: take_and_skip(campaign, ada)))
        seen.add(elsewhere(lambda: take_and_skip(campaign, ada)))
    seen |= {take_and_skip(campaign, ada), take_and_skip(campaign, ada)}
    assert len(seen) == 4


@pytest.mark.django_db(transaction=True)
def test_what_an_import_has_not_committed_is_found_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to come to a round that an import is still filling waits for it, and misses nothing of it."""
    assert len(offered_beside_an_import(monkeypatch)) == 2
    assert Shelf.objects.get(is_front=False).sealed == 1


@pytest.mark.django_db(transaction=True)
def test_a_cursor_that_enters_a_round_too_far_would_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail."""
    monkeypatch.setattr(sql, "TAKE_NEXT", sql.TAKE_NEXT.replace("WHEN round > sealed", "WHEN false"))
    assert len(offered_beside_an_import(monkeypatch)) == 1


def offered_beside_an_import(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    campaign = rows.campaign()
    ada = rows.person("ada", campaign=campaign)
    keys = iter([5, -5])  # what is committed last stands before what was there
    monkeypatch.setattr(policy, "order_key", lambda **_: next(keys))
    rows.outputs(campaign, "here already")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            rows.outputs(campaign, "not committed")
            first = pool.submit(in_thread, lambda: take_and_skip(campaign, ada))
            wait_until_blocked()
        seen = {first.result(timeout=20)}
    second = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    return seen | ({second.output_id} if second else set())


def take_and_skip(campaign: rows.Campaign, annotator: rows.User) -> int:
    lease = actions.lease_next(campaign=campaign, annotator=annotator, now=NOW)
    assert lease is not None
    actions.skip(token=lease.token, annotator=annotator, reason="", now=NOW)
    return lease.output_id


def in_thread(call: Callable[[], int]) -> int:
    try:
        return call()
    finally:
        connection.close()


def elsewhere(call: Callable[[], int]) -> int:
    """The answer of a call on a connection of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(in_thread, call).result(timeout=20)


def wait_until_blocked() -> None:
    """Wait until some other connection waits for a lock of ours."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            row = cursor.fetchone()
        if row[0]:
            return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waited")
