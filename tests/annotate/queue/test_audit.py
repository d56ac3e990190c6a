"""The audits that the benchmarks end with find what they are there to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import F

from annotate.intake.models import ImportBatch
from annotate.judgments import actions as judgment_actions
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions
from annotate.queue.models import Lease, QueueItem, Shelf
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW
from tests.bench import queue_audit, queue_storm_seen
from tests.bench.queue_storm_seen import Facts, Seen

pytestmark = pytest.mark.django_db


def worked() -> tuple[int, list[UUID]]:
    """A campaign of three outputs at overlap 2 and one that is known, judged by two annotators; one judgment was taken
    back and given again, one output skipped. And the keys that were acknowledged.
    """
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, "one", "two", "three")
    rows.outputs(campaign, "known", is_gold=True)
    keys = []
    for annotator in (rows.person("ada", campaign=campaign), rows.person("bo", campaign=campaign)):
        campaign.gold_share = 100
        while lease := actions.lease_next(campaign=campaign, annotator=annotator, now=NOW):
            keys.append(judge(lease, annotator))
            campaign.gold_share = 0
    judgment_actions.undo_submit(token=lease_of_last().token, annotator=annotator, revision=1, now=NOW)
    keys.append(judge(lease_of_last(), annotator))
    cy = rows.person("cy", campaign=campaign)
    rows.outputs(campaign, "four")
    lease = actions.lease_next(campaign=campaign, annotator=cy, now=NOW)
    assert lease
    actions.skip(token=lease.token, annotator=cy, reason="", now=NOW)
    return campaign.pk, keys


def judge(lease: Lease, annotator: rows.User) -> UUID:
    key = uuid4()
    judgment_actions.submit(
        token=lease.token,
        annotator=annotator,
        verdict="rejected",
        violations=[ViolationDraft(tag_slug="no-span", scope="whole")],
        idempotency_key=key,
        now=NOW,
    )
    return key


def lease_of_last() -> Lease:
    return Lease.objects.order_by("pk").last() or Lease()


def lower_the_overlap() -> None:
    QueueItem.objects.update(taken_count=1)
    QueueItem.objects.update(overlap=1)


def count_otherwise(name: str) -> None:
    QueueItem.objects.filter(pk=QueueItem.objects.order_by("pk")[0].pk).update(**{name: F(name) - 1})


def skip_without_counting() -> None:
    QueueItem.objects.update(skip_count=0)


def lease_twice() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE queue_lease DROP CONSTRAINT lease_one_per_annotator")
    lease = Lease.objects.order_by("pk")[0]
    lease.pk, lease.token = None, uuid4()
    lease.save()


def hold_three() -> None:
    Lease.objects.filter(annotator__username="ada").update(state="open")


def judge_twice() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX judgment_one_current")
    judgment = Judgment.objects.filter(is_current=True).order_by("pk")[0]
    judgment.pk, judgment.idempotency_key, judgment.revision = None, uuid4(), 2
    judgment.save()


def take_back_and_go_on() -> None:
    Judgment.objects.filter(pk=Judgment.objects.filter(is_current=True).order_by("pk")[0].pk).update(withdrawn_at=NOW)


def lose_a_judgment() -> None:
    Judgment.objects.filter(is_current=True).order_by("pk")[0].delete()


def lose_a_violation() -> None:
    Violation.objects.order_by("pk")[0].delete()


def put_gold_among_the_others() -> None:
    plain = Shelf.objects.filter(is_gold=False, is_front=False)[0]
    QueueItem.objects.filter(shelf__is_gold=True).update(shelf=plain)


def call_it_gold() -> None:
    ImportBatch.objects.filter(pk=QueueItem.objects.order_by("pk")[0].output.batch_id).update(purpose="gold")


# Some break more than one promise; some promises are broken in more than one way.
FAULTS: list[tuple[str, Callable[[], None]]] = [
    ("judged or leased more often than the overlap", lower_the_overlap),
    ("slots counted otherwise than leased and judged", lambda: count_otherwise("taken_count")),
    ("judgments counted otherwise than stored", lambda: count_otherwise("judged_count")),
    ("judgments counted otherwise than stored", take_back_and_go_on),
    ("skips counted otherwise than skipped", skip_without_counting),
    ("leased twice to one person", lease_twice),
    ("more than two leases held by one person", hold_three),
    ("judged twice by one person", judge_twice),
    ("stored and not acknowledged", judge_twice),
    ("taken back and still current", take_back_and_go_on),
    ("acknowledged and not stored", lose_a_judgment),
    ("submitted and without a judgment, or the other way round", lose_a_judgment),
    ("submitted and without a judgment, or the other way round", take_back_and_go_on),
    ("stored without both its violations", lose_a_violation),
    ("gold among the others, or the other way round", put_gold_among_the_others),
    ("gold among the others, or the other way round", call_it_gold),
]


def test_audit_finds_nothing_where_nothing_is() -> None:
    campaign, keys = worked()
    assert len(keys) == 9
    assert queue_audit.broken(campaign_id=campaign, acknowledged=keys, violations=1) == {}


@pytest.mark.parametrize(("promise", "fault"), FAULTS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(FAULTS)])
def test_audit_finds_a_planted_fault(promise: str, fault: Callable[[], None]) -> None:
    campaign, keys = worked()
    fault()
    assert promise in queue_audit.broken(campaign_id=campaign, acknowledged=keys, violations=1)


def test_every_promise_has_a_planted_fault() -> None:
    assert {promise for promise, _ in FAULTS} == set(queue_audit.PROMISES)


# What one person's tab saw: two outputs judged, the second taken back, shown and judged again, a third one skipped.
ONE, TWO = Seen("shown", "t1", "Answer 1", "k1", 1, 1.0, 1.1), Seen("shown", "t2", "Answer 2", "k2", 1, 1.2, 1.3)
STEPS = [
    ONE,
    TWO,
    replace(ONE, what="judged", began=2.0, ended=2.1),
    replace(TWO, what="judged", began=2.2, ended=2.3),
    replace(TWO, what="undone", began=2.4, ended=2.5),
    replace(TWO, key="k3", began=2.4, ended=2.5),
    replace(TWO, what="judged", key="k3", began=2.6, ended=2.7),
    Seen("shown", "t3", "Answer 3", "k4", 1, 2.6, 2.7),
    Seen("skipped", "t3", "Answer 3", "k4", 1, 2.8, 2.9),
]
FACTS = Facts(
    leases={
        "t1": (7, "Answer 1", "submitted"),
        "t2": (7, "Answer 2", "submitted"),
        "t3": (7, "Answer 3", "skipped"),
    },
    judgments={"k1": (7, "Answer 1", False), "k2": (7, "Answer 2", True), "k3": (7, "Answer 2", False)},
)
AGAIN = replace(ONE, began=3.0, ended=3.1)
SEEN_FAULTS: list[tuple[str, list[Seen], Facts]] = [
    ("work was refused", [*STEPS, replace(AGAIN, what="refused")], FACTS),
    ("shown again after it was judged or skipped", [*STEPS, AGAIN], FACTS),
    ("shown again after it was judged or skipped", [*STEPS, replace(STEPS[-1], what="shown", began=4, ended=5)], FACTS),
    ("one token for two outputs", [*STEPS, replace(ONE, label="Answer 9")], FACTS),
    ("leased otherwise than shown", STEPS, replace(FACTS, leases={**FACTS.leases, "t1": (8, "Answer 1", "submitted")})),
    ("leased otherwise than shown", STEPS, replace(FACTS, leases={**FACTS.leases, "t1": (7, "Answer 4", "submitted")})),
    ("judged otherwise than acknowledged", STEPS, replace(FACTS, judgments={"k1": (7, "Answer 1", False)})),
    (
        "judged otherwise than acknowledged",
        STEPS,
        replace(FACTS, judgments={**FACTS.judgments, "k1": (7, "Answer 2", False)}),
    ),
    (
        "taken back otherwise than acknowledged",
        STEPS,
        replace(FACTS, judgments={**FACTS.judgments, "k2": (7, "Answer 2", False)}),
    ),
    (
        "taken back otherwise than acknowledged",
        STEPS,
        replace(FACTS, judgments={**FACTS.judgments, "k1": (7, "Answer 1", True)}),
    ),
    ("skipped and yet open", STEPS, replace(FACTS, leases={**FACTS.leases, "t3": (7, "Answer 3", "open")})),
]


def test_pages_saw_nothing_wrong_where_nothing_is() -> None:
    assert queue_storm_seen.contradictions(seen={7: STEPS}, facts=FACTS) == {}
    assert len(queue_storm_seen.acknowledged(seen={7: [replace(step, key=str(uuid4())) for step in STEPS]})) == 3


def test_pages_of_one_person_may_show_what_the_other_is_judging() -> None:
    other = replace(ONE, page=2, began=2.05, ended=2.2)  # asked for before the judgment was acknowledged
    assert queue_storm_seen.contradictions(seen={7: [*STEPS, other]}, facts=FACTS) == {}


def test_pages_of_one_person_may_show_what_the_other_is_taking_back() -> None:
    other = replace(TWO, page=2, began=2.45, ended=2.5)  # the answer to the undo comes after this one
    steps = [replace(step, ended=2.6) if step.what == "undone" else step for step in STEPS]
    assert queue_storm_seen.contradictions(seen={7: [*steps, other]}, facts=FACTS) == {}
    late = replace(other, began=2.8, ended=2.9)
    assert "shown again after it was judged or skipped" in queue_storm_seen.contradictions(
        seen={7: [*steps, late]}, facts=FACTS
    )


@pytest.mark.parametrize(("promise", "steps", "facts"), SEEN_FAULTS)
def test_pages_seen_find_a_planted_fault(promise: str, steps: list[Seen], facts: Facts) -> None:
    assert promise in queue_storm_seen.contradictions(seen={7: steps}, facts=facts)
