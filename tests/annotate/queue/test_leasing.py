"""Who is given what next: order, overlap, gold in its turns, and what it costs."""

import secrets
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.errors import NotAllowed
from annotate.queue import actions
from annotate.queue.models import QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db


def test_enqueue_twice_equals_once() -> None:
    campaign = rows.campaign(overlap=2)
    made = rows.outputs(campaign, "one", "two", queued=False)
    for _ in range(2):
        actions.enqueue(campaign=campaign, output_ids=[output.pk for output in made], now=NOW)
    items = QueueItem.objects.filter(campaign=campaign)
    assert [(item.overlap, item.taken_count, item.judged_count) for item in items] == [(2, 0, 0)] * 2


def test_enqueue_keeps_what_was_taken() -> None:
    campaign = rows.campaign()
    made = rows.outputs(campaign, "one")
    assert actions.lease_next(campaign=campaign, annotator=rows.person("ada", campaign=campaign), now=NOW)
    actions.enqueue(campaign=campaign, output_ids=[made[0].pk], now=NOW)
    assert QueueItem.objects.get().taken_count == 1


def test_lease_next_gives_an_output_and_counts_it() -> None:
    campaign = rows.campaign()
    made = rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    assert (lease.output_id, lease.annotator_id, lease.state) == (made[0].pk, ada.pk, "open")
    assert lease.expires_at == NOW + timedelta(minutes=60)
    assert QueueItem.objects.get().taken_count == 1


def test_lease_next_twice_equals_once_and_renews() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada = rows.person("ada", campaign=campaign)
    first = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    second = actions.lease_next(campaign=campaign, annotator=ada, now=NOW + timedelta(minutes=10))
    assert first is not None and second is not None
    assert (second.pk, second.token) == (first.pk, first.token)
    assert second.expires_at == first.expires_at + timedelta(minutes=10)
    assert sum(item.taken_count for item in QueueItem.objects.all()) == 1


def test_lease_next_goes_by_priority_then_order_key() -> None:
    campaign = rows.campaign()
    made = rows.outputs(campaign, *(f"text {number}" for number in range(20)), queued=False)
    ids = [output.pk for output in made]
    actions.enqueue(campaign=campaign, output_ids=ids[:15], now=NOW)
    actions.enqueue(campaign=campaign, output_ids=ids[15:], now=NOW, priority=5)
    ada = rows.person("ada", campaign=campaign)
    seen = []
    while lease := actions.lease_next(campaign=campaign, annotator=ada, now=NOW):
        seen.append(lease.output_id)
        actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)
    expected = list(QueueItem.objects.order_by("-shelf__priority", "order_key").values_list("pk", flat=True))
    assert seen == expected
    assert set(seen[:5]) == set(ids[15:])


def test_lease_next_never_passes_overlap() -> None:
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, "one")
    people = [rows.person(name, campaign=campaign) for name in ("ada", "bo", "cy")]
    leases = [actions.lease_next(campaign=campaign, annotator=person, now=NOW) for person in people]
    assert [lease is not None for lease in leases] == [True, True, False]
    with pytest.raises(IntegrityError), transaction.atomic():
        QueueItem.objects.update(taken_count=3)


def test_lease_next_who_may_not() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    for stranger in (rows.person("eve"), rows.person("rae", campaign=campaign, role="researcher")):
        with pytest.raises(NotAllowed, match="annotator role"):
            actions.lease_next(campaign=campaign, annotator=stranger, now=NOW)


def test_lease_next_serves_scripts_and_superusers() -> None:
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, "one")
    script = User.objects.create(username="checker", kind="script")
    root = User.objects.create_superuser(username="root", password="x")
    for annotator in (script, root):
        assert actions.lease_next(campaign=campaign, annotator=annotator, now=NOW) is not None


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_lease_next_needs_an_active_campaign(state: str) -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    stale = type(campaign).objects.get()  # as a request sees it that began before
    campaign.state = state
    campaign.save()
    for seen in (campaign, stale):
        with pytest.raises(actions.CampaignNotActive, match=state) as caught:
            actions.lease_next(campaign=seen, annotator=ada, now=NOW)
        assert caught.value.state == state
    assert QueueItem.objects.get().taken_count == 0


def test_lease_next_statements_do_not_grow_with_the_queue() -> None:
    campaign = rows.campaign(order="breadth", overlap=2)
    ada = rows.person("ada", campaign=campaign)
    counts = []
    for size in (1, 200):
        rows.outputs(campaign, *(f"{size} {number}" for number in range(size)))
        with CaptureQueriesContext(connection) as captured:
            lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
        counts.append(len(rows.statements(captured)))
        assert lease is not None
        with CaptureQueriesContext(connection) as captured:
            again = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
        counts.append(len(rows.statements(captured)))
        assert again is not None and again.token == lease.token
        actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)
    assert max(counts) <= 3


def test_lease_next_depth_first_finishes_an_output_before_the_next() -> None:
    assert taken_in_turn(order="depth") == [0, 1, 2] * 6


def test_lease_next_breadth_first_gives_every_output_one_before_any_gets_two() -> None:
    assert taken_in_turn(order="breadth") == [0] * 6 + [1] * 6 + [2] * 6


def taken_in_turn(*, order: str) -> list[int]:
    """How often each output was taken already when it was handed out; three people in turns, six outputs, overlap 3."""
    campaign = rows.campaign(overlap=3, order=order)
    rows.outputs(campaign, *(f"text {number}" for number in range(6)))
    people = [rows.person(name, campaign=campaign) for name in ("ada", "bo", "cy")]
    before = []
    for turn in range(18):
        lease = actions.lease_next(campaign=campaign, annotator=people[turn % 3], now=NOW)
        if lease is None:  # what is left was theirs already
            continue
        before.append(QueueItem.objects.get(pk=lease.output_id).taken_count - 1)
        rows.judge(lease, people[turn % 3])
    return before


def test_lease_next_gives_gold_in_its_turns_to_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a share of 25 in 100, a draw below 25 is gold's turn, while there is gold that one has not judged."""
    campaign = rows.campaign(gold_share=25)
    plain = {output.pk for output in rows.outputs(campaign, *(f"text {number}" for number in range(20)))}
    known = {output.pk for output in rows.outputs(campaign, "known", "known too", is_gold=True)}
    for name in ("ada", "bo"):
        annotator = rows.person(name, campaign=campaign)
        given = []
        for draw in (99, 24, 25, 0, 0):
            monkeypatch.setattr(secrets, "randbelow", lambda _, draw=draw: draw)
            lease = actions.lease_next(campaign=campaign, annotator=annotator, now=NOW)
            assert lease is not None
            rows.judge(lease, annotator)
            given.append(lease.output_id)
        assert set(given[1::2]) == known
        assert set(given[0::2]) <= plain and len(set(given)) == 5


def test_lease_next_keeps_to_the_share_of_gold() -> None:
    campaign = rows.campaign(gold_share=30)
    rows.outputs(campaign, *(f"text {number}" for number in range(200)))
    known = {
        output.pk for output in rows.outputs(campaign, *(f"known {number}" for number in range(200)), is_gold=True)
    }
    ada = rows.person("ada", campaign=campaign)
    given = []
    for _ in range(200):
        lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
        assert lease is not None
        given.append(lease.output_id in known)
        rows.judge(lease, ada)
    assert 30 <= sum(given) <= 90  # 60 expected, standard deviation 6.5: not once in a million runs


def test_gold_has_slots_for_everybody_whatever_the_overlap() -> None:
    campaign = rows.campaign(gold_share=100)
    rows.outputs(campaign, "known", is_gold=True)
    people = [rows.person(f"person{number}", campaign=campaign) for number in range(5)]
    actions.set_overlap(campaign=campaign, overlap=2)
    assert all(actions.lease_next(campaign=campaign, annotator=person, now=NOW) for person in people)
    assert QueueItem.objects.get().shelf.is_gold
