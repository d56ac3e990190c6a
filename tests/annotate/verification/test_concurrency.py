"""Questions under real threads and real connections."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from annotate.accounts.models import User
from annotate.verification import actions, policy
from annotate.verification.models import Answer, Item, Round, Turn
from tests import factories
from tests.annotate.queue.test_concurrency import at_once
from tests.annotate.verification import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + policy.LASTS + policy.OVERDUE_GRACE + timedelta(seconds=1)


def check_counters() -> None:
    for item in Item.objects.all():
        turns = Counter(item.turns.values_list("state", flat=True))
        counted = item.answers.filter(is_current=True, is_surplus=False).count()
        assert item.answered_count == counted
        assert item.taken_count == turns["open"] + counted <= item.overlap
        assert turns["answered"] == item.answers.filter(is_current=True).count()


def test_eight_annotators_answer_everything_exactly_overlap_times() -> None:
    campaign = rows.world(tagged=6, others=24)
    rows.start(campaign, tagged=6, random=24, overlap=3)
    people = [factories.member(campaign) for _ in range(8)]

    def work(person: User) -> int:
        done = 0
        while turns := rows.take(campaign, person, wanted=1 + person.pk % 4):
            for turn in turns:
                rows.say(turn)
            done += len(turns)
        return done

    done = at_once(*(lambda person=person: work(person) for person in people))
    # SKIP LOCKED may tell somebody "nothing left" while the last items are being counted; they ask again.
    done += [work(person) for person in people]
    assert sum(done) == 90
    assert set(Item.objects.values_list("taken_count", "answered_count")) == {(3, 3)}
    assert set(Counter(Answer.objects.values_list("item", "annotator")).values()) == {1}
    assert not Answer.objects.filter(is_surplus=True).exists()


def test_eight_tabs_of_one_person_share_their_questions() -> None:
    campaign = rows.world()
    rows.start(campaign)
    ada = factories.member(campaign)
    turns = at_once(*[lambda: rows.take(campaign, ada, wanted=2)] * 8)
    assert len({turn.token for each in turns for turn in each}) == 2
    assert Turn.objects.count() == 2
    check_counters()


def test_one_slot_eight_people() -> None:
    campaign = rows.world()
    rows.start(campaign, tagged=0, random=1)
    people = [factories.member(campaign) for _ in range(8)]
    taken = at_once(*(lambda person=person: rows.take(campaign, person) for person in people))
    assert sum(len(turns) for turns in taken) == 1
    check_counters()


def test_a_held_item_is_passed_over_not_waited_for() -> None:
    campaign = rows.world()
    rows.start(campaign, tagged=1, random=1)
    ada = factories.member(campaign)
    with transaction.atomic():
        first = Item.objects.select_for_update().get(place=0)
        ([turn],) = at_once(lambda: rows.take(campaign, ada))
    assert turn.item_id != first.pk
    rows.say(turn)
    assert [each.item_id for each in rows.take(campaign, ada)] == [first.pk]


def test_two_keys_pressed_twice_at_once_are_one_answer() -> None:
    campaign = rows.world()
    rows.start(campaign)
    [turn] = rows.take(campaign, factories.member(campaign))
    key = uuid4()
    assert len(set(at_once(*[lambda: rows.say(turn, key=key).pk] * 8))) == 1
    check_counters()


def test_two_starts_at_once_are_one_round() -> None:
    campaign = rows.world()

    def start() -> bool:
        try:
            rows.start(campaign)
        except actions.AlreadyOpen:
            return False
        return True

    assert sorted(at_once(*[start] * 4)) == [False, False, False, True]
    assert Round.objects.count() == 1


def test_sweeps_answers_undos_and_takes_at_once_lose_no_slot() -> None:
    campaign = rows.world(tagged=2, others=4)
    rows.start(campaign, tagged=2, random=4, overlap=2)
    people = [factories.member(campaign) for _ in range(5)]
    held = {person: rows.take(campaign, person, wanted=3) for person in people}

    def work(person: User) -> None:
        chance = random.Random(person.pk)
        for turn in held[person]:
            for _ in range(2):
                rows.say(turn, chance.choice(Answer.Value.values), now=LATER)
                actions.undo(token=turn.token, annotator=person, now=LATER)
            if chance.random() < 0.5:
                rows.say(turn, now=LATER)
            else:
                actions.release(tokens=[turn.token], annotator=person)
        rows.take(campaign, person, now=LATER, wanted=2)

    def sweep() -> None:
        for _ in range(5):
            actions.expire_overdue(now=LATER)

    calls: list[Callable[[], None]] = [lambda person=person: work(person) for person in people]  # type: ignore[misc]
    at_once(*calls, sweep, sweep)
    check_counters()
