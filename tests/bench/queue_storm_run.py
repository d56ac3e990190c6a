"""One storm: the world it meets, the kills, the end, the audit. Django is set up on the storm's own database."""

from __future__ import annotations

import argparse
import bisect
import json
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.hosting import postgres, statics
from annotate.queue import actions, policy
from tests import factories
from tests.bench import queue_audit, queue_load, queue_storm_seen, queue_world
from tests.bench.queue_storm_host import Database, Web
from tests.bench.queue_storm_pages import Page
from tests.bench.queue_storm_seen import Facts, Seen

T = TypeVar("T")
TICK = 0.05
SWEEP_EVERY, LOOK_EVERY, SAY_EVERY = 1.0, 0.2, 15.0
GOLD_SHARE = 5
WANTED = """
SELECT COALESCE(sum(item.overlap - item.judged_count), 0)
FROM queue_queueitem AS item JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
WHERE item.campaign_id = %s AND NOT shelf.is_gold
"""
LABEL = "split_part(output.text, ' ', 1) || ' ' || split_part(output.text, ' ', 2)"
LEASES = f"""
SELECT lease.token::text, lease.annotator_id, {LABEL}, lease.state
FROM queue_lease AS lease JOIN intake_output AS output ON output.id = lease.output_id WHERE lease.campaign_id = %s
"""
# A judgment that does not say what its page sent under this key is as good as lost.
JUDGMENTS = f"""
SELECT judgment.idempotency_key::text, judgment.annotator_id, {LABEL}, judgment.withdrawn_at IS NOT NULL
FROM judgments_judgment AS judgment JOIN intake_output AS output ON output.id = judgment.output_id
WHERE judgment.campaign_id = %s AND judgment.comment LIKE '%%: ' || judgment.idempotency_key
"""
SURPLUS = "SELECT count(*) FROM judgments_judgment WHERE campaign_id = %s AND is_surplus AND is_current"


@dataclass(frozen=True)
class Kill:
    what: str
    at: float


class Storm:
    """What the main thread does meanwhile: kill at the moments it drew, start again what ended, sweep, look."""

    def __init__(self, *, campaign: Campaign, web: Web, database: Database, options: argparse.Namespace) -> None:
        self.campaign, self.web, self.database = campaign, web, database
        self.chance = random.Random(options.seed)
        self.swept_after = timedelta(seconds=options.swept_after)
        self.kills: list[Kill] = []
        self.deeds = {
            "worker": web.kill_worker,
            "server": web.kill_server,
            "session": database.kill_session,
            "database": database.kill_server,
        }
        self.in_all = self._wanted()
        # Drawn over the work, not over the time: however slow the machine, all of them come.
        moments = sorted((self.chance.uniform(0.02, 0.97) * self.in_all for _ in range(options.kills)), reverse=True)
        deck = options.deck.split(",")
        whats = [what for _ in range(0, options.kills, len(deck)) for what in self.chance.sample(deck, len(deck))]
        self.plan = list(zip(moments, whats, strict=False))

    def rage(self, *, pages: Sequence[Future[None]], is_over: threading.Event) -> None:
        """Until everything is judged and every page has its last answer. Raises what a page raised."""
        sweep_at = look_at = say_at = 0.0
        while not all(page.done() for page in pages):
            self.tend()
            now = time.monotonic()
            if now >= sweep_at:
                sweep_at = now + SWEEP_EVERY
                attempt(self._sweep)
            if now >= look_at and (wanted := attempt(self._wanted)) is not None:
                look_at = now + LOOK_EVERY
                self._kill_if_due(wanted)
                if wanted == 0:
                    is_over.set()
                if now >= say_at:
                    say_at = now + SAY_EVERY
                    say(f"  {self.in_all - wanted} judgments in, {len(self.kills)} kills")
            for page in pages:
                if page.done():
                    page.result()
            time.sleep(TICK)

    def tend(self) -> None:
        self.web.tend()
        self.database.tend()

    def _kill_if_due(self, wanted: int) -> None:
        if self.plan and wanted <= self.plan[0][0]:
            what = self.plan[0][1]
            at = time.monotonic()
            if self.deeds[what](self.chance):  # else it is down just now: next time
                self.kills.append(Kill(what, at))
                del self.plan[0]

    def _sweep(self) -> None:
        ahead = timedelta(minutes=self.campaign.lease_minutes) + policy.OVERDUE_GRACE - self.swept_after
        actions.expire_overdue(now=clock.now() + ahead)

    def _wanted(self) -> int:
        return int(fetched(WANTED, self.campaign)[0][0])


def storm(cluster: postgres.Cluster, options: argparse.Namespace) -> bool:
    """Run it and say what was found. Returns whether every promise was kept."""
    call_command("migrate", verbosity=0)
    statics.collect()
    campaign = world(options)
    web, database = Web(log=(cluster.home / "logs" / "web.log").open("ab")), Database(cluster)
    weather = Storm(campaign=campaign, web=web, database=database, options=options)
    is_over = threading.Event()
    people = [queue_world.member(campaign, f"annotator{number}") for number in range(options.annotators)]
    tabs = [*people, *people[: options.second_tabs]]
    pages = [
        Page(
            number=number,
            client=client_of(person, web.port),
            slug=campaign.slug,
            chance=random.Random(f"{options.seed} {number}"),
            doze=1.5 * options.swept_after,
            is_over=is_over,
        )
        for number, person in enumerate(tabs)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(len(pages)) as pool:
        try:
            weather.rage(pages=[pool.submit(page.live) for page in pages], is_over=is_over)
        except BaseException:
            say((cluster.home / "logs" / "web.log").read_text(errors="replace")[-5000:])
            raise
        finally:
            is_over.set()
            weather.tend()
    seconds = time.monotonic() - began
    web.stop()
    seen: dict[int, list[Seen]] = defaultdict(list)
    for person, page in zip(tabs, pages, strict=True):
        seen[person.pk] += page.seen
    if options.log:
        write(seen, Path(options.log))
    return report(campaign, seen, weather.kills, seconds, pages)


def world(options: argparse.Namespace) -> Campaign:
    campaign = queue_world.filled(outputs=options.outputs, overlap=options.overlap)
    campaign.order, campaign.gold_share = options.order, GOLD_SHARE if options.gold else 0
    campaign.save()
    known = (f"Known {number} {'word ' * 178}" for number in range(options.gold))
    if options.gold:
        factories.outputs(campaign, *known, prompt="What is known?", is_gold=True)
    return campaign


def client_of(person: User, port: int) -> queue_load.Client:
    client = queue_load.Client(port)
    client.cookies["sessionid"] = queue_world.session(person)
    return client


def report(
    campaign: Campaign, seen: Mapping[int, Sequence[Seen]], kills: Sequence[Kill], seconds: float, pages: Sequence[Page]
) -> bool:
    steps = [step for each in seen.values() for step in each]
    count = Counter(step.what for step in steps)
    waits = [wait for page in pages for wait in page.waits]
    p50, p95 = (queue_load.percentile(waits, percent) for percent in (50, 95))
    say(
        f"{count['judged']} judgments acknowledged in {seconds:.0f} s, {count['judged'] / seconds:.0f}/s (answered "
        f"after p50 {p50:.0f} p95 {p95:.0f} ms, {1000 * max(waits):.0f} ms at most); {count['skipped']} skipped, "
        f"{count['undone']} taken back; {sum(page.retries for page in pages)} requests were sent again"
    )
    for what, took in recoveries(steps, kills).items():
        say(f"  {what} killed {len(took)} times; next answer after {statistics.median(took):.2f} s (median), "
            f"{max(took):.2f} s at most")  # fmt: skip
    keys = queue_storm_seen.acknowledged(seen=seen)
    broken = queue_audit.broken(campaign_id=campaign.pk, acknowledged=keys, violations=2)
    broken |= queue_storm_seen.contradictions(seen=seen, facts=facts_of(campaign))
    more = fetched(SURPLUS, campaign)[0][0]
    say(f"  audit of every row and of {len(steps)} steps: {broken or 'every promise kept'}; {more} late judgments kept "
        "as surplus")  # fmt: skip
    for message, times in Counter(message for page in pages for message in page.refusals).items():
        say(f"  refused {times} times: {message}")
    return not broken


def write(seen: Mapping[int, Sequence[Seen]], log: Path) -> None:
    with log.open("w") as file:
        for person, steps in seen.items():
            file.writelines(json.dumps({"person": person, **asdict(step)}) + "\n" for step in steps)


def recoveries(steps: Sequence[Seen], kills: Sequence[Kill]) -> dict[str, list[float]]:
    """Return the seconds from each kill to the first answer of a request that was sent after it."""
    sent = sorted((step.began, step.ended) for step in steps)
    soonest, ended = [], float("inf")
    for began, each in reversed(sent):
        ended = min(ended, each)
        soonest.append((began, ended))
    soonest.reverse()
    took = defaultdict(list)
    for kill in kills:
        place = bisect.bisect_left(soonest, (kill.at, 0.0))
        if place < len(soonest):
            took[kill.what].append(soonest[place][1] - kill.at)
    return took


def facts_of(campaign: Campaign) -> Facts:
    return Facts(
        leases={token: (person, label, state) for token, person, label, state in fetched(LEASES, campaign)},
        judgments={key: (person, label, is_back) for key, person, label, is_back in fetched(JUDGMENTS, campaign)},
    )


def attempt(call: Callable[[], T]) -> T | None:
    """None when the database is not there just now."""
    try:
        return call()
    except (OperationalError, InterfaceError):
        connection.close()
        return None


def fetched(statement: str, campaign: Campaign) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk])
        return list(cursor.fetchall())


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
