"""Leases under real threads and real connections."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import pytest
from django.db import connection, transaction

from annotate.judgments import actions as judgment_actions
from annotate.judgments.models import Judgment
from annotate.queue import actions
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Run the calls in threads that start together, each on its own connection; raise what any of them raised."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            gate.wait(timeout=20)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def test_eight_annotators_judge_everything_exactly_overlap_times() -> None:
    campaign = rows.campaign(overlap=3)
    rows.outputs(campaign, *(f"text {number}" for number in range(30)))
    people = [rows.person(f"annotator{number}", campaign=campaign) for number in range(8)]

    def work(person: rows.User) -> int:
        done = 0
        while lease := actions.lease_next(campaign=campaign, annotator=person, now=NOW):
            judgment_actions.submit(
                token=lease.token,
                annotator=person,
                verdict="nothing_wrong",
                violations=[],
                idempotency_key=uuid4(),
                now=NOW,
            )
            done += 1
        return done

    done = at_once(*(lambda person=person: work(person) for person in people))
    # SKIP LOCKED may tell somebody "nothing left" while the last items are being counted; they ask again.
    done += [work(person) for person in people]
    assert sum(done) == 90
    per_output = Counter(Judgment.objects.values_list("output_id", flat=True))
    assert set(per_output.values()) == {3} and len(per_output) == 30
    pairs = Counter(Judgment.objects.values_list("output_id", "annotator_id"))
    assert set(pairs.values()) == {1}
    assert set(QueueItem.objects.values_list("taken_count", "judged_count")) == {(3, 3)}
    assert not Judgment.objects.filter(is_surplus=True).exists()


def test_eight_tabs_of_one_person_share_one_lease() -> None:
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, *(f"text {number}" for number in range(20)))
    ada = rows.person("ada", campaign=campaign)
    leases = at_once(*[lambda: actions.lease_next(campaign=campaign, annotator=ada, now=NOW)] * 8)
    assert len({lease.token for lease in leases if lease}) == 1
    assert Lease.objects.count() == 1
    assert sum(QueueItem.objects.values_list("taken_count", flat=True)) == 1


def test_one_slot_eight_people() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "only one")
    people = [rows.person(f"annotator{number}", campaign=campaign) for number in range(8)]
    leases = at_once(
        *(lambda person=person: actions.lease_next(campaign=campaign, annotator=person, now=NOW) for person in people)
    )
    assert sum(lease is not None for lease in leases) == 1
    assert QueueItem.objects.get().taken_count == 1


def test_a_held_item_is_passed_over_not_waited_for() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada = rows.person("ada", campaign=campaign)
    first = QueueItem.objects.order_by("order_key").first()
    assert first is not None
    with transaction.atomic():
        QueueItem.objects.select_for_update().get(pk=first.pk)
        (lease,) = at_once(lambda: actions.lease_next(campaign=campaign, annotator=ada, now=NOW))
    assert lease is not None and lease.output_id != first.pk


def test_two_clicks_at_once_are_one_judgment() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    key = uuid4()

    def click() -> int:
        return judgment_actions.submit(
            token=lease.token, annotator=ada, verdict="cannot_tell", violations=[], idempotency_key=key, now=NOW
        ).pk

    assert len(set(at_once(*[click] * 8))) == 1
    assert Judgment.objects.count() == 1
    assert QueueItem.objects.get().judged_count == 1


def test_sweeps_and_submits_at_once_lose_no_slot() -> None:
    """Late submits, two sweeps and people who take the returned outputs, all at once: the counters still add up."""
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, *(f"text {number}" for number in range(4)))
    people = [rows.person(f"annotator{number}", campaign=campaign) for number in range(4)]
    leases = [actions.lease_next(campaign=campaign, annotator=person, now=NOW) for person in people]
    later = NOW + timedelta(hours=2)

    def submit(number: int) -> None:
        lease = leases[number]
        assert lease is not None
        judgment_actions.submit(
            token=lease.token,
            annotator=people[number],
            verdict="nothing_wrong",
            violations=[],
            idempotency_key=uuid4(),
            now=later,
        )
        actions.lease_next(campaign=campaign, annotator=people[number], now=later)

    def sweep() -> None:
        actions.expire_overdue(now=later)

    calls: list[Callable[[], None]] = [lambda number=number: submit(number) for number in range(4)]  # type: ignore[misc]
    sweeps: list[Callable[[], None]] = [sweep] * 2
    at_once(*calls, *sweeps)
    actions.expire_overdue(now=later)
    for item in QueueItem.objects.all():
        leased = Lease.objects.filter(output=item.pk, state="open").count()
        judged = Judgment.objects.filter(output=item.pk, is_surplus=False).count()
        assert item.judged_count == judged
        assert item.taken_count == leased + judged <= item.overlap
    assert Judgment.objects.count() == 4
