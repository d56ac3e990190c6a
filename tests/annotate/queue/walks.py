"""Random walks through the queue, beside a model that tells what is free for whom from all rows, without cursors."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments import actions as judgment_actions
from annotate.queue import actions, queries
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows

DONE = (Lease.State.SUBMITTED, Lease.State.SKIPPED)


class Walk:
    """Three annotators and everything that can happen to a queue, in the order that `seed` says.

    After each lease it is checked that the annotator got their own unfinished lease; or else an output of the highest
    priority that has a free slot and was never submitted or skipped by them; or nothing, when there is no such output.
    """

    def __init__(self, *, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = rows.NOW
        self.campaign: Campaign = rows.campaign(f"walk-{uuid4().hex[:8]}", overlap=self.chance.randint(1, 3), tags=True)
        self.people: list[User] = [
            rows.person(f"{name}-{self.campaign.slug}", campaign=self.campaign) for name in ("ada", "bo", "cy")
        ]
        self.steps: list[tuple[Callable[[], None], int]] = [
            (self.lease, 12),
            (self.submit, 6),
            (self.skip, 3),
            (self.release, 3),
            (self.enqueue, 2),
            (self.expire, 1),
            (self.set_overlap, 1),
            (self.pause, 1),
        ]

    def run(self, *, steps: int) -> None:
        calls, weights = zip(*self.steps, strict=True)
        for call in self.chance.choices(calls, weights, k=steps):
            self.now += timedelta(seconds=1)
            call()
            self.check_counters()

    def enqueue(self) -> None:
        texts = [uuid4().hex for _ in range(self.chance.randint(1, 5))]
        made = rows.outputs(self.campaign, *texts, queued=False)
        ids = [output.pk for output in made]
        actions.enqueue(
            campaign=self.campaign, output_ids=ids, now=self.now, priority=self.chance.choice([0, 0, 0, 2, -1])
        )

    def lease(self) -> None:
        annotator = self.chance.choice(self.people)
        own = self.open_leases(annotator)
        wanted = self.free_for(annotator)
        if self.campaign.state != Campaign.State.ACTIVE:
            return
        assert queries.left(campaign=self.campaign, annotator=annotator) == len(wanted)
        lease = actions.lease_next(campaign=self.campaign, annotator=annotator, now=self.now)
        if own:
            assert lease is not None and lease.pk == own[0].pk, "the unfinished lease comes first"
        elif not wanted:
            assert lease is None, "given out though nothing was free"
        else:
            assert lease is not None, "nothing given out though an output was free"
            assert lease.output_id in wanted, "given out though not free"
            assert wanted[lease.output_id] == max(wanted.values()), "an output of higher priority was free"

    def submit(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN, Lease.State.OPEN, Lease.State.EXPIRED, Lease.State.RELEASED):
            judgment_actions.submit(
                token=lease.token,
                annotator=lease.annotator,
                verdict="nothing_wrong",
                violations=[],
                idempotency_key=uuid4(),
                now=self.now,
            )

    def skip(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN):
            actions.skip(token=lease.token, annotator=lease.annotator, reason="", now=self.now)

    def release(self) -> None:
        if lease := self.some_lease(Lease.State.OPEN):
            actions.release(token=lease.token, annotator=lease.annotator, now=self.now)

    def expire(self) -> None:
        self.now += timedelta(hours=2)
        actions.expire_overdue(now=self.now)

    def set_overlap(self) -> None:
        self.campaign.overlap = self.chance.randint(1, 4)
        self.campaign.save()
        actions.set_overlap(campaign=self.campaign, overlap=self.campaign.overlap)

    def pause(self) -> None:
        """Nothing is given out while it rests, and nothing is forgotten over it."""
        self.campaign.state = Campaign.State.PAUSED
        self.campaign.save()
        stale = Campaign.objects.get(pk=self.campaign.pk)
        stale.state = Campaign.State.ACTIVE  # as a request sees it that began before
        annotator = self.chance.choice(self.people)
        if not self.open_leases(annotator):
            assert actions.lease_next(campaign=stale, annotator=annotator, now=self.now) is None
        self.campaign.state = Campaign.State.ACTIVE
        self.campaign.save()

    def some_lease(self, *states: str) -> Lease | None:
        found = Lease.objects.filter(campaign=self.campaign, state=self.chance.choice(states)).order_by("pk")
        leases = list(found.select_related("annotator"))
        return self.chance.choice(leases) if leases else None

    def open_leases(self, annotator: User) -> list[Lease]:
        return list(Lease.objects.filter(annotator=annotator, campaign=self.campaign, state=Lease.State.OPEN))

    def free_for(self, annotator: User) -> dict[int, int]:
        """The priority of each output that the annotator could be given now."""
        mine = Lease.objects.filter(annotator=annotator, state__in=[*DONE, Lease.State.OPEN])
        taken = set(mine.values_list("output_id", flat=True))
        items = QueueItem.objects.filter(campaign=self.campaign).select_related("shelf")
        return {
            item.pk: item.shelf.priority for item in items if item.taken_count < item.overlap and item.pk not in taken
        }

    def check_counters(self) -> None:
        """Each item counts exactly its open leases and its judgments within the overlap."""
        leases = Lease.objects.filter(campaign=self.campaign, state=Lease.State.OPEN)
        held = list(leases.values_list("output_id", flat=True))
        for item in QueueItem.objects.filter(campaign=self.campaign):
            assert item.taken_count == held.count(item.pk) + item.judged_count <= item.overlap
