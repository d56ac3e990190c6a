"""Random walks of several annotators beside a small model: who may be given what, and what the rows must say."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from annotate.accounts.models import User
from annotate.verification import actions, policy
from annotate.verification.models import Answer, Item, Round, Turn
from tests import factories
from tests.annotate.verification import rows
from tests.annotate.verification.test_concurrency import check_counters
from tests.factories import NOW

pytestmark = pytest.mark.django_db
STEPS = 120


class Walk:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = NOW
        self.campaign = rows.world(f"walk-{seed}", tagged=3, others=6)
        self.round = rows.start(self.campaign, tagged=3, random=5, overlap=self.chance.randint(1, 3), seed=seed)
        self.people = [factories.member(self.campaign) for _ in range(4)]
        self.said: dict[UUID, str] = {}  # what each turn says now

    def step(self) -> None:
        acts = (self.take, self.take, self.say, self.say, self.say, self.undo, self.release, self.wait, self.sweep)
        self.chance.choice(acts)()
        check_counters()
        current = Answer.objects.filter(is_current=True).values_list("turn__token", "answer")
        assert dict(current) == self.said

    def take(self) -> None:
        person, wanted = self.chance.choice(self.people), self.chance.randint(1, 4)
        before = self.open_of(person)
        free = [item for item in Item.objects.all() if item.taken_count < item.overlap and self.may_have(item, person)]
        turns = rows.take(self.campaign, person, now=self.now, wanted=wanted)
        tokens = [turn.token for turn in turns]
        assert len(set(tokens)) == len(tokens)
        assert set(before) <= set(tokens), "forgot what they hold"
        if before or free:
            assert len(turns) == max(len(before), min(wanted, len(before) + len(free))), "not all that there was"
        assert not set(tokens) & set(self.said), "asked twice"

    def say(self) -> None:
        turn = self.some_turn()
        if turn is None:
            return
        value, key = self.chance.choice(Answer.Value.values), uuid4()
        rows.say(turn, value, now=self.now, key=key)
        if self.chance.random() < 0.3:
            rows.say(turn, "cannot_tell", now=self.now, key=key)  # the same request again
        self.said[turn.token] = value

    def undo(self) -> None:
        turn = self.some_turn()
        if turn is not None:
            actions.undo(token=turn.token, annotator=turn.annotator, now=self.now)
            self.said.pop(turn.token, None)

    def release(self) -> None:
        turn = self.some_turn()
        if turn is not None:
            actions.release(tokens=[turn.token], annotator=turn.annotator)

    def wait(self) -> None:
        self.now += self.chance.choice((timedelta(seconds=20), policy.LASTS, policy.LASTS * 2))

    def sweep(self) -> None:
        overdue = Turn.objects.filter(state="open", expires_at__lt=policy.swept_before(now=self.now)).count()
        assert actions.expire_overdue(now=self.now) == overdue

    def some_turn(self) -> Turn | None:
        turns = list(Turn.objects.select_related("annotator").order_by("pk"))
        return self.chance.choice(turns) if turns else None

    def open_of(self, person: User) -> list[UUID]:
        return list(Turn.objects.filter(annotator=person, state="open").values_list("token", flat=True))

    def may_have(self, item: Item, person: User) -> bool:
        mine = Turn.objects.filter(item=item, annotator=person).first()
        return mine is None or mine.state == Turn.State.EXPIRED


@pytest.mark.parametrize("seed", range(4))
def test_walk(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    assert Round.objects.get().items.count() == 8
