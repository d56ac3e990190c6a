from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign
from annotate.judgments import actions, queries
from annotate.judgments.drafts import ViolationDraft
from annotate.queue import actions as queue_actions
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db
WHOLE = ViolationDraft("invented", "whole", "minor", critique="no source")


def judge(campaign: Campaign, annotator: rows.User, count: int) -> None:
    for _ in range(count):
        lease = queue_actions.lease_next(campaign=campaign, annotator=annotator, now=NOW)
        assert lease is not None
        actions.submit(
            token=lease.token,
            annotator=annotator,
            verdict="rejected",
            violations=[WHOLE],
            idempotency_key=uuid4(),
            now=NOW,
        )


def test_for_api_statements_do_not_grow_with_rows() -> None:
    campaign = rows.campaign()
    ada = rows.person("ada", campaign=campaign)
    counts = []
    for size in (1, 12):
        rows.outputs(campaign, *(f"{size} {number}" for number in range(size)))
        judge(campaign, ada, size)
        with CaptureQueriesContext(connection) as captured:
            for judgment in queries.for_api(campaign=campaign):
                assert judgment.output.text and judgment.annotator.username and judgment.tag_set.version
                assert [violation.tag.slug for violation in judgment.violations.all()] == ["invented"]
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_judged_since_counts_current_judgments_of_one_person() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada = rows.person("ada", campaign=campaign)
    judge(campaign, ada, 2)
    assert queries.judged_since(campaign=campaign, annotator=ada, since=NOW) == 2
    assert queries.judged_since(campaign=campaign, annotator=ada, since=NOW + timedelta(seconds=1)) == 0


def test_last_of_gives_back_what_was_submitted() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = queue_actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    assert queries.last_of(lease=lease) is None
    judge(campaign, ada, 1)
    judgment = queries.last_of(lease=lease)
    assert judgment is not None
    assert queries.as_drafts(judgment=judgment) == [WHOLE]
