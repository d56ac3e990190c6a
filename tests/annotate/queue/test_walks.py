"""The cursors hide nothing: random walks, and the faults that they must find."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from annotate.judgments import actions as judgment_actions
from annotate.queue import actions, policy, sql
from annotate.queue.models import Cursor, QueueItem, Shelf
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW
from tests.annotate.queue.walks import Walk

# Rows have other numbers, and so another order, in every test run: what one walk passes by another meets.
SEEDS_AT_MOST = 80
# name of the statement, what is in it, what a fault puts in its place
FAULTS = {
    "what comes back stays where it was": ("RETURN_SLOTS", ", shelf_id = items.front, round = items.sealed", ""),
    "what comes back joins a round already passed": ("RETURN_SLOTS", "round = items.sealed", "round = 1"),
    "a raised overlap reopens in place": ("SET_OVERLAP", "WHEN items.reopens", "WHEN false"),
    "what arrives joins a sealed round": ("JOIN_SHELF", "sealed + 1", "GREATEST(sealed, 1)"),
    "the cursor goes beyond what is free": ("LEASE_NEXT", "free_round, CASE", "free_round + 1, CASE"),
    "a shelf is passed too far": ("LEASE_NEXT", "sealed + 1 AS round, ", "sealed + 3 AS round, "),
    "priority is turned round": ("LEASE_NEXT", "shelves.priority DESC", "shelves.priority ASC"),
    "what came back waits": ("LEASE_NEXT", "shelves.is_front DESC", "shelves.is_front ASC"),
    "skipped outputs are given again": ("LEASE_NEXT", "IN ('expired', 'released')", "IN ('expired', 'skipped')"),
    "a slot is not returned": ("RETURN_SLOTS", "item.taken_count - items.returned", "item.taken_count"),
    "a paused campaign goes on": ("LEASE_NEXT", "state = 'active'", "state <> 'closed'"),
    "what the page holds is given again": (
        "LEASE_NEXT",
        "mine WHERE token <> ALL(%(besides)s::uuid[])",
        "mine WHERE true",
    ),
    "the unfinished is not renewed": ("LEASE_NEXT", "SET expires_at = %(expires_at)s", "SET expires_at = expires_at"),
    "the last begun comes first": ("LEASE_NEXT", "ORDER BY leased_at, id", "ORDER BY leased_at DESC, id DESC"),
    "a third is leased": ("LEASE_NEXT", "< %(at_most)s", "<= %(at_most)s"),
    "breadth first is depth first": ("LEASE_NEXT", "%(is_breadth_first)s AND", "false AND"),
    "depth first is breadth first": ("LEASE_NEXT", "%(is_breadth_first)s AND", "true AND"),
    "what is wanted again joins a sealed round": (
        "LEASE_NEXT",
        "sealed + 1 AS round FROM held",
        "sealed AS round FROM held",
    ),
    "what is wanted again joins the round just entered": ("LEASE_NEXT", "entered.sealed + 1", "entered.sealed"),
    "what is full is put behind": ("LEASE_NEXT", "item.taken_count + 1 < item.overlap", "true"),
    "gold is put behind": ("LEASE_NEXT", "is_wanted_again AND NOT shelves.is_gold", "is_wanted_again"),
    "gold has every turn": ("LEASE_NEXT", "(%(is_gold_turn)s OR NOT shelf.is_gold)", "true"),
    "gold has no turn": ("LEASE_NEXT", "(%(is_gold_turn)s OR NOT shelf.is_gold)", "NOT shelf.is_gold"),
    "gold comes last": ("LEASE_NEXT", "shelves.is_gold DESC, shelves.priority", "shelves.is_gold, shelves.priority"),
    "gold joins the others": (
        "JOIN_SHELF",
        "AND is_gold = %(is_gold)s AND NOT is_front",
        "AND NOT is_front ORDER BY is_gold",
    ),
    "gold comes back among the others": ("RETURN_SLOTS", "front.is_gold = shelf.is_gold", "NOT front.is_gold"),
    "gold has the campaign's overlap": ("SET_OVERLAP", "AND NOT shelf.is_gold", ""),
    "what was set aside is wanted again": ("SET_OVERLAP", "AND NOT item.is_set_aside", ""),
    "what was taken back is counted": ("REOPEN", "judged_count = judged_count - 1", "judged_count = judged_count"),
    "what is skipped and taken up stays counted": ("LEASE_OUTPUT", "skip_count - (", "skip_count - 0 * ("),
    "what is skipped and judged stays counted": ("CLOSING", "skip_count - %(unskipped)s", "skip_count"),
    "gold is counted as left": ("COUNT_FREE", "AND NOT shelf.is_gold", ""),
    "others' leases are renewed": ("RENEW_HELD", "AND lease.annotator_id = %(annotator)s", ""),
    "closed leases are renewed": ("RENEW_HELD", "AND lease.state = 'open'", ""),
    "one output is leased beyond its overlap": ("LEASE_OUTPUT", "AND taken_count < overlap", ""),
    "one's own open output is refused": ("LEASE_OUTPUT", "mine WHERE state = 'open'", "mine WHERE false"),
    "what was submitted is leased again": ("LEASE_OUTPUT", "('open', 'submitted')", "('open')"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(12))
def test_everybody_is_offered_what_comes_next_and_nothing_else(seed: int) -> None:
    Walk(seed=seed, order=("depth", "breadth")[seed % 2]).run(steps=150)


@pytest.mark.django_db
@pytest.mark.parametrize("fault", FAULTS)
def test_walks_find_a_planted_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, right, wrong = FAULTS[fault]
    statement = getattr(sql, name)
    assert right in statement
    monkeypatch.setattr(sql, name, statement.replace(right, wrong))
    for seed in range(SEEDS_AT_MOST):
        try:
            with transaction.atomic():
                Walk(seed=seed).run(steps=150)
        except (AssertionError, IntegrityError):  # the model or a constraint found it
            return
    pytest.fail("no walk found the fault")


ROW_FAULTS: dict[str, dict[str, Any]] = {
    "slots": {"judged_count": F("judged_count") + 1},
    "skips": {"skip_count": F("skip_count") + 1},
    "gold is for everybody": {"overlap": 40},
    "gold among the others": {"shelf": "plain"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("promise", ROW_FAULTS)
def test_walks_find_a_row_that_breaks_a_promise(promise: str) -> None:
    walk = Walk(seed=0)
    walk.run(steps=60)
    plain = Shelf.objects.filter(campaign=walk.campaign, is_gold=False).first()
    values = {name: plain if value == "plain" else value for name, value in ROW_FAULTS[promise].items()}
    QueueItem.objects.filter(pk=min(walk.gold)).update(**values)
    with pytest.raises(AssertionError, match=promise):
        walk.check_rows()


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
    monkeypatch.setattr(sql, "LEASE_NEXT", sql.LEASE_NEXT.replace("WHEN free_round > sealed", "WHEN false"))
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
        seen = {first.result(timeout=60)}
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
        return pool.submit(in_thread, call).result(timeout=60)


def wait_until_blocked() -> None:
    """Wait until some other connection waits for a lock of ours."""
    for _ in range(3_000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            row = cursor.fetchone()
        if row[0]:
            return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waited")
