"""What somebody holds: two outputs at most, under tokens that stay good for what was marked on them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.errors import NotAllowed
from annotate.judgments import actions as judgment_actions
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db


def given(campaign: rows.Campaign, annotator: rows.User, *besides: Lease) -> Lease:
    lease = actions.lease_next(
        campaign=campaign, annotator=annotator, now=NOW, besides=[each.token for each in besides]
    )
    assert lease is not None
    return lease


def test_lease_next_beside_what_is_held_gives_another_and_no_third() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two", "three")
    ada = rows.person("ada", campaign=campaign)
    shown = given(campaign, ada)
    ahead = given(campaign, ada, shown)
    assert ahead.output_id != shown.output_id
    held = [shown.token, ahead.token]
    assert actions.lease_next(campaign=campaign, annotator=ada, now=NOW, besides=held) is None
    assert Lease.objects.filter(state="open").count() == 2
    assert given(campaign, ada).token == shown.token  # the one begun first
    assert given(campaign, ada, shown).token == ahead.token


def test_lease_next_brings_the_output_and_its_prompt() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", prompt="What is it?")
    lease = given(campaign, rows.person("ada", campaign=campaign))
    assert (lease.output.text, lease.output.prompt.text) == ("one", "What is it?")


def test_a_late_submit_is_kept_although_the_same_person_was_given_the_output_again() -> None:
    """The page in front of them knows the first token, the page that fetched ahead got the output anew."""
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    first = given(campaign, ada)
    actions.expire_overdue(now=NOW + timedelta(hours=2))
    given(campaign, ada)
    judgment_actions.submit(
        token=first.token, annotator=ada, verdict="nothing_wrong", violations=[], idempotency_key=uuid4(), now=NOW
    )
    assert Judgment.objects.count() == 1


def test_lease_next_gives_nothing_that_the_page_still_shows_although_its_lease_ran_out() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada = rows.person("ada", campaign=campaign)
    shown = given(campaign, ada)
    actions.expire_overdue(now=NOW + timedelta(hours=2))
    ahead = given(campaign, ada, shown)
    assert ahead.output_id != shown.output_id
    actions.release(token=ahead.token, annotator=ada, now=NOW)
    actions.release(token=shown.token, annotator=ada, now=NOW)
    offered = {given(campaign, ada).output_id, given(campaign, ada, given(campaign, ada)).output_id}
    assert len(offered) == 2, "the cursor went past what was only held"


def test_lease_next_gives_nothing_unfinished_to_somebody_who_left() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    given(campaign, ada)
    ada.memberships.all().delete()
    with pytest.raises(NotAllowed):
        actions.lease_next(campaign=campaign, annotator=ada, now=NOW)


@pytest.mark.parametrize("how", ["taken up again", "submitted late"])
def test_skip_count_counts_what_is_skipped_now(how: str) -> None:
    campaign = rows.campaign()
    (output,) = rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign, role="reviewer")
    lease = given(campaign, ada)
    actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)
    assert QueueItem.objects.get().skip_count == 1
    if how == "taken up again":
        actions.lease_output(campaign=campaign, annotator=ada, output_id=output.pk, now=NOW)
    else:
        judgment_actions.submit(
            token=lease.token, annotator=ada, verdict="nothing_wrong", violations=[], idempotency_key=uuid4(), now=NOW
        )
    assert QueueItem.objects.get().skip_count == Lease.objects.filter(state="skipped").count() == 0


def test_what_was_set_aside_stays_aside_when_the_overlap_changes() -> None:
    campaign = rows.campaign()
    (output,) = rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    actions.set_aside(campaign=campaign, output_ids=[output.pk], by=ada, now=NOW)
    actions.set_overlap(campaign=campaign, overlap=2)
    assert actions.lease_next(campaign=campaign, annotator=ada, now=NOW) is None


def test_what_was_set_aside_stays_aside_when_somebody_gives_it_back() -> None:
    campaign = rows.campaign()
    (output,) = rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = given(campaign, ada)
    QueueItem.objects.update(overlap=2)
    actions.set_aside(campaign=campaign, output_ids=[output.pk], by=ada, now=NOW)
    actions.release(token=lease.token, annotator=ada, now=NOW)
    assert actions.lease_next(campaign=campaign, annotator=ada, now=NOW) is None


def test_lease_output_to_somebody_who_holds_two() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two", "three")
    ada = rows.person("ada", campaign=campaign, role="reviewer")
    held = [given(campaign, ada)]
    held.append(given(campaign, ada, *held))
    (third,) = set(QueueItem.objects.values_list("pk", flat=True)) - {lease.output_id for lease in held}
    lease = actions.lease_output(campaign=campaign, annotator=ada, output_id=third, now=NOW)
    assert lease.output_id == third


def test_undo_sent_again_takes_back_no_second_judgment() -> None:
    """A page whose answer was lost asks again; a change of mind lies a few seconds after the first judgment."""
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = given(campaign, ada)
    for verdict in ("nothing_wrong", "cannot_tell"):
        judgment_actions.submit(
            token=lease.token, annotator=ada, verdict=verdict, violations=[], idempotency_key=uuid4(), now=NOW
        )
    for _ in range(2):
        judgment_actions.undo_submit(token=lease.token, annotator=ada, revision=2, now=NOW)
    assert Judgment.objects.get(is_current=True).verdict == "nothing_wrong"


def test_undo_of_a_first_judgment_twice_equals_once() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = given(campaign, ada)
    judgment_actions.submit(
        token=lease.token, annotator=ada, verdict="cannot_tell", violations=[], idempotency_key=uuid4(), now=NOW
    )
    for _ in range(2):
        judgment_actions.undo_submit(token=lease.token, annotator=ada, revision=1, now=NOW)
        item = QueueItem.objects.get()
        assert (item.taken_count, item.judged_count, Lease.objects.get().state) == (1, 0, "open")
    assert Judgment.objects.get().withdrawn_at == NOW


def test_undo_keeps_the_slot_from_others() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = given(campaign, ada)
    judgment_actions.submit(
        token=lease.token, annotator=ada, verdict="cannot_tell", violations=[], idempotency_key=uuid4(), now=NOW
    )
    judgment_actions.undo_submit(token=lease.token, annotator=ada, revision=1, now=NOW)
    assert actions.lease_next(campaign=campaign, annotator=bo, now=NOW) is None
    assert given(campaign, ada).token == lease.token


def test_submit_and_the_next_lease_are_five_statements_at_most() -> None:
    campaign = rows.campaign(order="breadth", overlap=2, gold_share=50)
    rows.outputs(campaign, *(f"text {number}" for number in range(8)))
    rows.outputs(campaign, "known", "known too", is_gold=True)
    ada = rows.person("ada", campaign=campaign)
    shown = given(campaign, ada)
    ahead = given(campaign, ada, shown)
    violations = [ViolationDraft("no-span", "whole")] * 3
    sent = judgment_actions.Submission(verdict="rejected", violations=violations, key=uuid4())
    with CaptureQueriesContext(connection) as captured:
        _, following = judgment_actions.submit_and_lease_next(
            token=shown.token, annotator=ada, campaign=campaign, sent=sent, now=NOW, besides=[ahead.token]
        )
    assert following is not None and following.output_id not in (shown.output_id, ahead.output_id)
    assert len([query for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]]) <= 5
    with CaptureQueriesContext(connection) as captured:
        judgment_actions.submit(
            token=ahead.token,
            annotator=ada,
            verdict="rejected",
            violations=violations,
            idempotency_key=uuid4(),
            now=NOW,
        )
    assert len([query for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]]) <= 5
