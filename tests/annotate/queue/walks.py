"""Random walks through the queue, beside a model that tells what comes next from all rows, without cursors."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments import actions as judgment_actions
from annotate.judgments.models import Judgment
from annotate.queue import actions, policy, queries
from annotate.queue.models import Lease, QueueItem, Shelf
from tests.annotate.queue import rows

DONE = (Lease.State.SUBMITTED, Lease.State.SKIPPED)
AGAIN = (Lease.State.EXPIRED, Lease.State.RELEASED)


class Walk:
    """Three annotators and everything that can happen to a queue, in the order that `seed` says.

    Each lease is compared with the model: the annotator's own unfinished one that the page does not hold already; else,
    unless they hold two, the first in order of what has a free slot and was never submitted or skipped by them - in a
    gold turn gold first, otherwise no gold at all; or nothing, when there is nothing. After each step the rows must say
    the same as the counters, and gold must stand apart.
    """

    def __init__(self, *, seed: int, order: str = "") -> None:
        self.chance = random.Random(seed)
        self.now = rows.NOW
        self.campaign: Campaign = rows.campaign(f"walk-{uuid4().hex[:8]}", overlap=self.chance.randint(1, 3), tags=True)
        self.campaign.order = order or self.chance.choice(Campaign.Order.values)
        self.campaign.save()
        self.people: list[User] = [
            rows.person(f"{name}-{self.campaign.slug}", campaign=self.campaign) for name in ("ada", "bo", "cy")
        ]
        self.gold: set[int] = set()
        self.steps: list[tuple[Callable[[], None], int]] = [
            (self.lease, 14),
            (self.submit, 6),
            (self.undo, 2),
            (self.skip, 3),
            (self.release, 3),
            (self.close_page, 2),
            (self.renew, 2),
            (self.lease_output, 1),
            (self.enqueue, 2),
            (self.expire, 1),
            (self.set_overlap, 1),
            (self.set_aside, 1),
            (self.pause, 1),
        ]

    def run(self, *, steps: int) -> None:
        calls, weights = zip(*self.steps, strict=True)
        for call in self.chance.choices(calls, weights, k=steps):
            self.now += timedelta(seconds=1)
            call()
            self.check_rows()

    def enqueue(self) -> None:
        texts = [uuid4().hex for _ in range(self.chance.randint(1, 5))]
        made = rows.outputs(self.campaign, *texts, queued=False)
        ids = [output.pk for output in made]
        is_gold = self.chance.random() < 0.3
        priority = self.chance.choice([0, 0, 0, 2, -1])
        actions.enqueue(campaign=self.campaign, output_ids=ids, now=self.now, priority=priority, is_gold=is_gold)
        if is_gold:
            self.gold.update(ids)

    def lease(self) -> None:
        """As a page asks: it holds none, one or all of what is leased to the person, and perhaps a token long gone."""
        annotator = self.chance.choice(self.people)
        own = self.open_leases(annotator)
        besides = [lease.token for lease in own if self.chance.random() < 0.5]
        unfinished = [lease for lease in own if lease.token not in besides]
        # A share beyond what a campaign may say, so that the walk knows whose turn it is.
        self.campaign.gold_share = self.chance.choice([0, 0, 100])
        free = self.free_for(annotator)
        others = [item for item in free if not item.shelf.is_gold]
        assert queries.left(campaign=self.campaign, annotator=annotator) == len(others), "counted otherwise"
        given = self.next_for(annotator, besides)
        if unfinished:
            assert given == unfinished[0].output_id, "the unfinished lease comes first"
            until = policy.lease_until(now=self.now, minutes=self.campaign.lease_minutes)
            assert Lease.objects.get(pk=unfinished[0].pk).expires_at == until, "not renewed"
            return
        wanted = free if self.campaign.gold_share else others
        wanted = [] if len(own) >= policy.HELD_AT_MOST else wanted
        assert given == (wanted[0].pk if wanted else None), "something else was first in order"
        if given is not None:
            self.check_place_of(wanted[0])

    def next_for(self, annotator: User, besides: list[UUID]) -> int | None:
        lease = actions.lease_next(
            campaign=self.campaign, annotator=annotator, now=self.now, besides=[*besides, uuid4()]
        )
        return lease.output_id if lease else None

    def check_place_of(self, before: QueueItem) -> None:
        """Breadth first, what was just taken and is wanted again stands where nobody is yet; else where it stood."""
        item = QueueItem.objects.select_related("shelf").get(pk=before.pk)
        is_wanted_again = item.taken_count < item.overlap and not before.shelf.is_gold
        if self.campaign.order == Campaign.Order.BREADTH and is_wanted_again:
            assert not item.shelf.is_front and item.shelf.priority == before.shelf.priority
            assert item.round == item.shelf.sealed + 1, "it joined a round that somebody may have passed"
        else:
            assert (item.shelf_id, item.round) == (before.shelf_id, before.round), "it moved"

    def submit(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN, Lease.State.OPEN, *AGAIN, Lease.State.SKIPPED):
            judgment_actions.submit(
                token=lease.token,
                annotator=lease.annotator,
                verdict="nothing_wrong",
                violations=[],
                idempotency_key=uuid4(),
                now=self.now,
            )

    def undo(self) -> None:
        """Just judged and within the overlap: it is open again, its slot kept. Anything else stays as it is."""
        lease = self.some_lease(Lease.State.SUBMITTED)
        if lease is None:
            return
        mine = Judgment.objects.filter(output=lease.output_id, annotator=lease.annotator_id)
        judgment = mine.order_by("revision").last()
        assert judgment is not None
        is_in_time = self.now - judgment.created_at <= judgment_actions.UNDO_WITHIN
        try:
            judgment_actions.undo_submit(
                token=lease.token, annotator=lease.annotator, revision=judgment.revision, now=self.now
            )
        except judgment_actions.TooLate:
            assert judgment.is_surplus or not is_in_time, "refused though it was just judged"
            return
        judgment.refresh_from_db()
        assert not judgment.is_current and judgment.withdrawn_at == self.now
        assert Lease.objects.get(pk=lease.pk).state == Lease.State.OPEN

    def skip(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN, Lease.State.OPEN, *AGAIN):
            actions.skip(token=lease.token, annotator=lease.annotator, reason="", now=self.now)

    def release(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN):
            actions.release(token=lease.token, annotator=lease.annotator, now=self.now)

    def close_page(self) -> None:
        """It gives back what it holds, unless another page has renewed it since."""
        if lease := self.some_lease(Lease.State.OPEN):
            is_stale = self.chance.random() < 0.5
            seen_until = lease.expires_at - timedelta(seconds=1) if is_stale else lease.expires_at
            actions.release(token=lease.token, annotator=lease.annotator, now=self.now, seen_until=seen_until)
            assert Lease.objects.get(pk=lease.pk).state == ("open" if is_stale else "released")

    def renew(self) -> None:
        annotator = self.chance.choice(self.people)
        leases = list(Lease.objects.filter(campaign=self.campaign).order_by("pk"))
        tokens = [lease.token for lease in leases if self.chance.random() < 0.5]
        until = policy.lease_until(now=self.now, minutes=self.campaign.lease_minutes)
        mine = {lease.token for lease in self.open_leases(annotator)} & set(tokens)
        renewed = actions.renew_held(tokens=tokens, annotator=annotator, now=self.now)
        assert renewed == dict.fromkeys(mine, until), "only one's own open leases are renewed"
        unlike = {lease.pk: lease.expires_at for lease in leases if lease.token not in mine}
        assert all(lease.expires_at == unlike.get(lease.pk, until) for lease in Lease.objects.filter(pk__in=unlike))

    def lease_output(self) -> None:
        """This very output, also one that was skipped: given when it has a slot, or is held already."""
        annotator = self.chance.choice(self.people)
        items = list(QueueItem.objects.filter(campaign=self.campaign).order_by("pk"))
        if not items:
            return
        item = self.chance.choice(items)
        mine = Lease.objects.filter(output=item.pk, annotator=annotator).first()
        state = mine.state if mine else None
        is_there = state == Lease.State.OPEN or (state != Lease.State.SUBMITTED and item.taken_count < item.overlap)
        try:
            lease = actions.lease_output(campaign=self.campaign, annotator=annotator, output_id=item.pk, now=self.now)
        except actions.NoSlot:
            assert not is_there, "refused though there was a slot"
            return
        assert is_there, "given though there was no slot"
        assert (lease.output_id, lease.annotator_id, lease.state) == (item.pk, annotator.pk, "open")

    def expire(self) -> None:
        self.now += timedelta(hours=2)
        actions.expire_overdue(now=self.now)

    def set_overlap(self) -> None:
        self.campaign.overlap = self.chance.randint(1, 4)
        self.campaign.save(update_fields=["overlap"])
        aside = dict(QueueItem.objects.filter(is_set_aside=True).values_list("pk", "overlap"))
        actions.set_overlap(campaign=self.campaign, overlap=self.campaign.overlap)
        assert aside == dict(QueueItem.objects.filter(pk__in=aside).values_list("pk", "overlap")), "set aside no more"

    def set_aside(self) -> None:
        items = list(QueueItem.objects.filter(campaign=self.campaign).order_by("pk"))
        chosen = [item.pk for item in items if self.chance.random() < 0.1]
        actions.set_aside(campaign=self.campaign, output_ids=chosen, by=self.people[0], now=self.now)
        for item in QueueItem.objects.filter(pk__in=chosen):
            assert item.pk in self.gold or item.taken_count == item.overlap, "still wanted"

    def pause(self) -> None:
        """Nothing new is given out while it rests, and nothing is forgotten over it."""
        self.campaign.state = Campaign.State.PAUSED
        self.campaign.save(update_fields=["state"])
        stale = Campaign.objects.get(pk=self.campaign.pk)
        stale.state = Campaign.State.ACTIVE  # as a request sees it that began before
        annotator = self.chance.choice(self.people)
        if not self.open_leases(annotator):
            with contextlib.suppress(actions.CampaignNotActive):
                actions.lease_next(campaign=stale, annotator=annotator, now=self.now)
            assert not self.open_leases(annotator), "given out while it rests"
        self.campaign.state = Campaign.State.ACTIVE
        self.campaign.save(update_fields=["state"])

    def some_lease(self, *states: str) -> Lease | None:
        found = Lease.objects.filter(campaign=self.campaign, state=self.chance.choice(states)).order_by("pk")
        leases = list(found.select_related("annotator"))
        return self.chance.choice(leases) if leases else None

    def open_leases(self, annotator: User) -> list[Lease]:
        """What the annotator holds, begun first first."""
        mine = Lease.objects.filter(annotator=annotator, campaign=self.campaign, state=Lease.State.OPEN)
        return list(mine.order_by("leased_at", "pk"))

    def free_for(self, annotator: User) -> list[QueueItem]:
        """What the annotator could be given now, in the order in which it is given out."""
        mine = Lease.objects.filter(annotator=annotator, state__in=[*DONE, Lease.State.OPEN])
        taken = set(mine.values_list("output_id", flat=True))
        items = QueueItem.objects.filter(campaign=self.campaign).select_related("shelf")
        free = [item for item in items if item.taken_count < item.overlap and item.pk not in taken]
        return sorted(free, key=_place)

    def check_rows(self) -> None:
        """Each item counts exactly its open leases, its judgments within the overlap and its skips; gold is apart."""
        leases = list(Lease.objects.filter(campaign=self.campaign))
        held = [lease.output_id for lease in leases if lease.state == Lease.State.OPEN]
        skipped = [lease.output_id for lease in leases if lease.state == Lease.State.SKIPPED]
        for item in QueueItem.objects.filter(campaign=self.campaign).select_related("shelf"):
            assert item.taken_count == held.count(item.pk) + item.judged_count <= item.overlap, "slots"
            assert item.skip_count == skipped.count(item.pk), "skips"
            assert item.shelf.is_gold == (item.pk in self.gold), "gold among the others, or the other way round"
            assert not item.shelf.is_gold or item.overlap == policy.GOLD_OVERLAP, "gold is for everybody"
            assert not item.shelf.is_front or item.round <= item.shelf.sealed, "what came back waits"
        assert len({(lease.output_id, lease.annotator_id) for lease in leases}) == len(leases)


def _place(item: QueueItem) -> tuple[bool, int, bool, int, int]:
    shelf: Shelf = item.shelf
    return (not shelf.is_gold, -shelf.priority, not shelf.is_front, item.round, item.order_key)
