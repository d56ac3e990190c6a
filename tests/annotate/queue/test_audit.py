"""The audit that the benchmark ends with finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import connection

from annotate.judgments import actions as judgment_actions
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW
from tests.bench import queue_audit

pytestmark = pytest.mark.django_db


def worked() -> tuple[int, list[UUID]]:
    """A campaign of three outputs at overlap 2, all judged by both annotators; and the keys that were acknowledged."""
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, "one", "two", "three")
    keys = []
    for annotator in (rows.person("ada", campaign=campaign), rows.person("bo", campaign=campaign)):
        while lease := actions.lease_next(campaign=campaign, annotator=annotator, now=NOW):
            keys.append(uuid4())
            judgment_actions.submit(
                token=lease.token,
                annotator=annotator,
                verdict="rejected",
                violations=[ViolationDraft(tag_slug="no-span", scope="whole")],
                idempotency_key=keys[-1],
                now=NOW,
            )
    return campaign.pk, keys


def lower_the_overlap() -> None:
    QueueItem.objects.update(taken_count=1)
    QueueItem.objects.update(overlap=1)


def count_one_less() -> None:
    QueueItem.objects.filter(pk=QueueItem.objects.order_by("pk")[0].pk).update(taken_count=1)


def lease_twice() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE queue_lease DROP CONSTRAINT lease_one_per_annotator")
    lease = Lease.objects.order_by("pk")[0]
    lease.pk, lease.token = None, uuid4()
    lease.save()


def judge_twice() -> None:
    judgment = Judgment.objects.order_by("pk")[0]
    judgment.pk, judgment.idempotency_key, judgment.revision, judgment.is_current = None, uuid4(), 2, False
    judgment.save()


def lose_a_judgment() -> None:
    Judgment.objects.order_by("pk")[0].delete()


def lose_a_violation() -> None:
    Violation.objects.order_by("pk")[0].delete()


FAULTS: dict[str, Callable[[], None]] = {
    "judged or leased more often than the overlap": lower_the_overlap,
    "counted otherwise than leased and judged": count_one_less,
    "leased twice to one person": lease_twice,
    "judged twice by one person": judge_twice,
    "acknowledged and not stored": lose_a_judgment,
    "submitted and without a judgment, or the other way round": lose_a_judgment,
    "stored without both its violations": lose_a_violation,
}


def test_audit_finds_nothing_where_nothing_is() -> None:
    campaign, keys = worked()
    assert len(keys) == 6
    assert queue_audit.broken(campaign_id=campaign, acknowledged=keys, violations=1) == {}


@pytest.mark.parametrize("promise", queue_audit.PROMISES)
def test_audit_finds_a_planted_fault(promise: str) -> None:
    campaign, keys = worked()
    FAULTS[promise]()
    assert promise in queue_audit.broken(campaign_id=campaign, acknowledged=keys, violations=1)
