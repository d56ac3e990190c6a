"""Leases under real threads and real connections."""

from __future__ import annotations

import itertools
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
from annotate.queue import actions, sql
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
            gate.wait(timeout=60)
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


def test_somebodys_first_lease_does_not_wait_for_what_comes_back() -> None:
    """It would hold its item meanwhile, and so stand against who returns a slot of that item."""
    campaign = rows.campaign(overlap=2)
    (output,) = rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)

    def lease() -> Lease | None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
        return actions.lease_next(campaign=campaign, annotator=ada, now=NOW)

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql.SEAL_FRONT_OF_OUTPUTS, {"outputs": [output.pk]})
        assert at_once(lease)[0]


def test_two_tabs_that_fetch_ahead_hold_two_outputs_together() -> None:
    """Each tab names what it shows; whatever they race for, nobody holds a third and no slot is taken unseen."""
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, *(f"text {number}" for number in range(20)))
    ada = rows.person("ada", campaign=campaign)
    shown = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert shown

    def fetch() -> Lease | None:
        return actions.lease_next(campaign=campaign, annotator=ada, now=NOW, besides=[shown.token])

    ahead = at_once(*[fetch] * 8)
    assert len({lease.token for lease in ahead if lease}) == 1 and all(ahead)
    assert Lease.objects.filter(state="open").count() == 2
    assert sum(QueueItem.objects.values_list("taken_count", flat=True)) == 2


@pytest.mark.parametrize("order", ["depth", "breadth"])
def test_eight_annotators_with_gold_and_pages_ahead_judge_everything_exactly_overlap_times(order: str) -> None:
    """While outputs are imported and given back; and each gets each known output at most once."""
    campaign = rows.campaign(overlap=3, order=order, gold_share=20)
    rows.outputs(campaign, *(f"text {number}" for number in range(20)))
    known = {output.pk for output in rows.outputs(campaign, "known", "known too", is_gold=True)}
    people = [rows.person(f"annotator{number}", campaign=campaign) for number in range(8)]

    def import_more() -> None:
        for chunk in range(4):
            rows.outputs(campaign, *(f"more {chunk} {number}" for number in range(5)))

    at_once(*(lambda n=n, who=who: work_ahead(campaign, who, n) for n, who in enumerate(people)), import_more)
    for _ in range(2):  # "nothing left" may have been said while the last items were being counted
        for number, person in enumerate(people):
            work_ahead(campaign, person, number)
    items = QueueItem.objects.exclude(pk__in=known)
    assert set(items.values_list("taken_count", "judged_count")) == {(3, 3)} and items.count() == 40
    per_output = Counter(Judgment.objects.exclude(output__in=known).values_list("output_id", flat=True))
    assert set(per_output.values()) == {3} and len(per_output) == 40
    assert set(Counter(Judgment.objects.values_list("output_id", "annotator_id")).values()) == {1}
    assert set(QueueItem.objects.filter(shelf__is_gold=True).values_list("pk", flat=True)) == known
    assert not Judgment.objects.filter(is_surplus=True).exists()
    assert not Lease.objects.filter(state="open").exists()


def work_ahead(campaign: rows.Campaign, person: rows.User, number: int) -> None:
    """Hold two outputs, judge the first, give the second back now and then; until there is nothing."""
    held: list[Lease] = []
    for step in itertools.count():
        besides = [lease.token for lease in held]
        if len(held) < 2:
            lease = actions.lease_next(campaign=campaign, annotator=person, now=NOW, besides=besides)
            held += [lease] if lease else []
        if not held:
            return
        if step % 7 == number % 7:
            actions.release(token=held.pop().token, annotator=person, now=NOW)
            continue
        judgment_actions.submit(
            token=held.pop(0).token,
            annotator=person,
            verdict="nothing_wrong",
            violations=[],
            idempotency_key=uuid4(),
            now=NOW,
        )


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
