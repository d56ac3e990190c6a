"""The queue, measured: `python -m tests.bench.queue [--outputs 1000 100000] [--seconds 20] [--history 100000]`.

Campaigns of each size side by side in one database. In turns, so that what else the machine does meets all alike:
eight annotators submit and take the next over HTTP, one request each (two tags, one span, a comment), for `--seconds`
per size, and a bare view under the same server shows the floor. Then an audit of every row; then leasing itself, for
somebody who judged nothing and for somebody who judged very much at overlap 3, turn by turn. Loopback only; everything
stays in the database of DATABASE_URL, so give it one to throw away.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from django.db import connection  # noqa: E402

from annotate import clock  # noqa: E402
from annotate.accounts.models import User  # noqa: E402
from annotate.campaigns.models import Campaign  # noqa: E402
from annotate.judgments import actions as judgments  # noqa: E402
from annotate.queue import actions  # noqa: E402
from annotate.queue.models import Cursor  # noqa: E402
from tests.bench import queue_audit, queue_floor, queue_load, queue_world  # noqa: E402

ANNOTATORS = 8
TURNS = 300
ROUNDS = 12
LARGE = 50_000
FLOOR_SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--outputs", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--history", type=int, default=100_000)
    options = parser.parse_args()
    call_command("collectstatic", interactive=False, verbosity=0)
    over_http(options.outputs, options.seconds)
    if options.history:
        lone_annotator(options.history)


def over_http(sizes: list[int], seconds: float) -> None:
    large = {size: world(size) for size in sizes if size >= LARGE}
    worlds: dict[int, list[World]] = {size: [] for size in sizes}
    figures = {size: queue_load.Figures() for size in sizes}
    floor = queue_load.Figures()
    for _ in range(ROUNDS):
        floor.add(bare_floor(FLOOR_SECONDS / ROUNDS))
        for size in sizes:
            # A small campaign would be used up before long: each round has one of its own.
            each = large.get(size) or world(size)
            one_round = annotators(each, seconds / ROUNDS)
            each.acknowledged += one_round.acknowledged
            figures[size].add(one_round)
            worlds[size] += [each] if each not in worlds[size] else []
    say(f"floor: {floor.per_second:.0f} requests/s; {times(floor.took)}")
    for size in sizes:
        report(size, worlds[size], figures[size], floor)


@dataclass(eq=False)
class World:
    campaign: Campaign
    people: list[User]
    acknowledged: list[UUID] = field(default_factory=list)


def world(size: int) -> World:
    campaign = queue_world.filled(outputs=size, overlap=3 if size >= LARGE else ANNOTATORS)
    return World(campaign, [queue_world.member(campaign, f"annotator{n}") for n in range(ANNOTATORS)])


def report(size: int, worlds: list[World], figures: queue_load.Figures, floor: queue_load.Figures) -> None:
    share = figures.per_second / floor.per_second
    say(
        f"{size} outputs: {figures.per_second:.0f} judgments/s, {share:.1%} of the floor; "
        f"submit and next {times(figures.took)}"
    )
    broken = [
        queue_audit.broken(campaign_id=each.campaign.pk, acknowledged=each.acknowledged, violations=2)
        for each in worlds
    ]
    say(
        f"  audit of {len(figures.acknowledged)} judgments: {[each for each in broken if each] or 'every promise kept'}"
    )


def annotators(world: World, seconds: float) -> queue_load.Figures:
    with queue_load.served() as port:
        clients = [queue_load.Client(port) for _ in world.people]
        for person, client in zip(world.people, clients, strict=True):
            client.cookies["sessionid"] = queue_world.session(person)
            client.request("GET", f"/c/{world.campaign.slug}/work/")
        return queue_load.loop(clients=clients, seconds=seconds, work=partial(annotate, world.campaign.slug))


def annotate(slug: str, client: queue_load.Client, until: float, figures: queue_load.Figures) -> None:
    queue_load.annotate(client, slug, until, figures)


def bare_floor(seconds: float) -> queue_load.Figures:
    with connection.cursor() as cursor:
        for statement in queue_floor.TABLES:
            cursor.execute(statement)
    bare = "tests.bench.queue_floor"
    with queue_load.served(settings=bare, application=f"{bare}:application") as port:
        clients = [queue_load.Client(port) for _ in range(ANNOTATORS)]
        for client in clients:
            client.request("GET", "/take/")
        return queue_load.loop(clients=clients, seconds=seconds, work=queue_load.take)


def lone_annotator(history: int) -> None:
    campaign = queue_world.filled(outputs=history + 20_000, overlap=3)
    old, new = queue_world.member(campaign, "old"), queue_world.member(campaign, "new")
    queue_world.give_history(campaign=campaign, annotator=old, judgments=history)
    anew = []
    for _ in range(3):  # what every lease would cost without a cursor
        Cursor.objects.filter(annotator=old).delete()
        anew.append(one_turn(campaign, old))
    took: dict[User, list[float]] = {old: [], new: []}
    for _ in range(TURNS):
        for annotator in (old, new):
            took[annotator].append(one_turn(campaign, annotator))
    ratio = queue_load.percentile(took[old], 95) / queue_load.percentile(took[new], 95)
    say(
        f"lease_next at overlap 3: {history} judgments {times(took[old])}; none {times(took[new])}; p95 x{ratio:.2f}; "
        f"without a cursor {times(anew)}"
    )


def one_turn(campaign: Campaign, annotator: User) -> float:
    """Seconds that lease_next takes; the output is judged afterwards."""
    began = time.perf_counter()
    lease = actions.lease_next(campaign=campaign, annotator=annotator, now=clock.now())
    seconds = time.perf_counter() - began
    assert lease is not None
    judgments.submit(
        token=lease.token,
        annotator=annotator,
        verdict="nothing_wrong",
        violations=[],
        idempotency_key=uuid4(),
        now=clock.now(),
    )
    return seconds


def times(values: list[float]) -> str:
    return f"p50 {queue_load.percentile(values, 50):.1f} p95 {queue_load.percentile(values, 95):.1f} ms"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
