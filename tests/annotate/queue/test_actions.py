"""What becomes of a lease: skipped, released, expired, renewed; and outputs set aside."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.judgments import actions as judgment_actions
from annotate.queue import actions, queries
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db


def test_skip_frees_the_slot_and_never_returns() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    for _ in range(2):  # twice equals once
        actions.skip(token=lease.token, annotator=ada, reason="  not my \n language ", now=NOW)
    lease.refresh_from_db()
    assert (lease.state, lease.skip_reason, lease.closed_at) == ("skipped", "not my language", NOW)
    assert QueueItem.objects.get().taken_count == 0
    assert actions.lease_next(campaign=campaign, annotator=ada, now=NOW) is None
    assert actions.lease_next(campaign=campaign, annotator=bo, now=NOW) is not None


def test_skip_who_may_not() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    with pytest.raises(NotFound):
        actions.skip(token=lease.token, annotator=bo, reason="", now=NOW)
    with pytest.raises(NotFound):
        actions.skip(token=uuid4(), annotator=ada, reason="", now=NOW)
    ada.memberships.all().delete()
    with pytest.raises(NotFound):
        actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)


def test_release_returns_it_to_everyone() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    for _ in range(2):
        actions.release(token=lease.token, annotator=ada, now=NOW)
    assert QueueItem.objects.get().taken_count == 0
    again = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert again is not None
    assert (again.pk, again.token) == (lease.pk, lease.token)  # what was marked under it can still be submitted
    assert QueueItem.objects.get().taken_count == 1


def test_release_and_skip_refuse_what_was_submitted() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    judgment_actions.submit(
        token=lease.token, annotator=ada, verdict="nothing_wrong", violations=[], idempotency_key=uuid4(), now=NOW
    )
    with pytest.raises(actions.LeaseClosed, match="submitted"):
        actions.release(token=lease.token, annotator=ada, now=NOW)
    with pytest.raises(actions.LeaseClosed, match="submitted"):
        actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)
    assert QueueItem.objects.get().taken_count == 1


def test_expire_overdue_returns_slots_once() -> None:
    campaign = rows.campaign(overlap=2)
    rows.outputs(campaign, "one", "two")
    people = [rows.person(name, campaign=campaign) for name in ("ada", "bo", "cy")]
    for person in people:
        actions.lease_next(campaign=campaign, annotator=person, now=NOW)
    assert actions.expire_overdue(now=NOW + timedelta(minutes=60)) == 0  # the grace of a minute
    later = NOW + timedelta(minutes=62)
    assert actions.expire_overdue(now=later) == 3
    assert actions.expire_overdue(now=later) == 0
    assert [item.taken_count for item in QueueItem.objects.all()] == [0, 0]
    assert set(Lease.objects.values_list("state", "closed_at")) == {("expired", later)}


def test_expired_lease_is_taken_up_again_in_the_same_row() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    later = NOW + timedelta(hours=2)
    actions.expire_overdue(now=later)
    again = actions.lease_next(campaign=campaign, annotator=ada, now=later)
    assert again is not None
    assert (again.pk, again.state, again.closed_at, again.leased_at) == (lease.pk, "open", None, later)


def test_overdue_lease_not_yet_swept_is_renewed() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    again = actions.lease_next(campaign=campaign, annotator=ada, now=NOW + timedelta(hours=5))
    assert lease is not None and again is not None
    assert again.token == lease.token


def test_set_overlap_opens_more_slots_and_keeps_what_is_taken() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    actions.set_overlap(campaign=campaign, overlap=2)
    assert set(QueueItem.objects.values_list("overlap", flat=True)) == {2}
    actions.lease_next(campaign=campaign, annotator=bo, now=NOW)
    actions.set_overlap(campaign=campaign, overlap=1)
    for item in QueueItem.objects.all():
        assert item.overlap == max(1, item.taken_count)
    with pytest.raises(RuleError, match="between 1 and 50"):
        actions.set_overlap(campaign=campaign, overlap=0)


def test_left_counts_what_i_could_be_given_and_stops_counting() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, *(f"text {number}" for number in range(6)))
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    actions.skip(token=lease.token, annotator=ada, reason="", now=NOW)
    assert queries.left(campaign=campaign, annotator=ada) == 5
    assert queries.left(campaign=campaign, annotator=bo) == 6
    assert queries.left(campaign=campaign, annotator=bo, at_most=4) == 4


def test_release_by_a_page_that_closes_leaves_what_another_renewed() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada = rows.person("ada", campaign=campaign)
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    again = actions.lease_next(campaign=campaign, annotator=ada, now=NOW + timedelta(seconds=5))
    assert again is not None
    actions.release(token=lease.token, annotator=ada, now=NOW, seen_until=lease.expires_at)
    assert Lease.objects.get().state == "open"
    for _ in range(2):
        actions.release(token=lease.token, annotator=ada, now=NOW, seen_until=again.expires_at)
        assert Lease.objects.get().state == "released"
        assert QueueItem.objects.get().taken_count == 0


def test_release_who_may_not() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease is not None
    with pytest.raises(NotFound):
        actions.release(token=lease.token, annotator=bo, now=NOW)
    assert Lease.objects.get().state == "open"


def test_renew_held_renews_ones_own_open_leases_and_no_others() -> None:
    campaign = rows.campaign()
    rows.outputs(campaign, "one", "two", "three")
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    hers = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    his = actions.lease_next(campaign=campaign, annotator=bo, now=NOW)
    assert hers and his
    closed = actions.lease_next(campaign=campaign, annotator=ada, now=NOW, besides=[hers.token])
    assert closed
    actions.release(token=closed.token, annotator=ada, now=NOW)
    later = NOW + timedelta(minutes=10)
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            until = actions.renew_held(tokens=[hers.token, his.token, closed.token], annotator=ada, now=later)
        assert until == {hers.token: later + timedelta(minutes=60)}
        assert len(rows.statements(captured)) == 1
    his.refresh_from_db()
    assert his.expires_at == NOW + timedelta(minutes=60)


def test_lease_output_takes_what_was_skipped_and_counts_it() -> None:
    campaign = rows.campaign()
    (output,) = rows.outputs(campaign, "one")
    rae = rows.person("rae", campaign=campaign, role="reviewer")
    skipped = actions.lease_next(campaign=campaign, annotator=rae, now=NOW)
    assert skipped
    actions.skip(token=skipped.token, annotator=rae, reason="", now=NOW)
    for _ in range(2):
        lease = actions.lease_output(campaign=campaign, annotator=rae, output_id=output.pk, now=NOW)
        assert (lease.pk, lease.state, lease.skip_reason) == (skipped.pk, "open", "")
        assert QueueItem.objects.get().taken_count == 1
    rows.judge(lease, rae)
    with pytest.raises(actions.NoSlot):
        actions.lease_output(campaign=campaign, annotator=rae, output_id=output.pk, now=NOW)


def test_lease_output_who_may_not() -> None:
    campaign, other = rows.campaign(), rows.campaign("other")
    (output,) = rows.outputs(campaign, "one")
    (foreign,) = rows.outputs(other, "one")
    with pytest.raises(NotAllowed):
        actions.lease_output(campaign=campaign, annotator=rows.person("eve"), output_id=output.pk, now=NOW)
    ada = rows.person("ada", campaign=campaign)
    with pytest.raises(NotFound):
        actions.lease_output(campaign=campaign, annotator=ada, output_id=foreign.pk, now=NOW)
    bo = rows.person("bo", campaign=campaign)
    assert actions.lease_next(campaign=campaign, annotator=bo, now=NOW)
    with pytest.raises(actions.NoSlot):
        actions.lease_output(campaign=campaign, annotator=ada, output_id=output.pk, now=NOW)


def test_set_aside_wants_no_more_than_is_there_or_on_its_way() -> None:
    campaign = rows.campaign(overlap=3)
    made = rows.outputs(campaign, "one", "two")
    (known,) = rows.outputs(campaign, "known", is_gold=True)
    ids = [output.pk for output in [*made, known]]
    ada, bo = (rows.person(name, campaign=campaign) for name in ("ada", "bo"))
    lease = actions.lease_next(campaign=campaign, annotator=ada, now=NOW)
    assert lease
    for changed in (2, 0):
        assert actions.set_aside(campaign=campaign, output_ids=ids, by=bo, now=NOW, reason="not ours") == changed
    assert sorted(QueueItem.objects.filter(pk__in=ids[:2]).values_list("overlap", flat=True)) == [0, 1]
    assert actions.lease_next(campaign=campaign, annotator=bo, now=NOW) is None
    rows.judge(lease, ada)  # what is under way is finished
    assert QueueItem.objects.get(pk=lease.output_id).judged_count == 1


def test_set_aside_knows_only_its_own_campaign() -> None:
    campaign, other = rows.campaign(), rows.campaign("other")
    (foreign,) = rows.outputs(other, "one")
    ada = rows.person("ada", campaign=campaign)
    assert actions.set_aside(campaign=campaign, output_ids=[foreign.pk], by=ada, now=NOW) == 0
    assert QueueItem.objects.get().overlap == 1


def test_skipped_by_all_lists_what_no_annotator_is_left_for() -> None:
    campaign = rows.campaign(overlap=2)
    made = rows.outputs(campaign, "one", "two")
    rows.person("rae", campaign=campaign, role="reviewer")
    people = [rows.person(name, campaign=campaign) for name in ("ada", "bo")]
    listed = queries.skipped_by_all(campaign=campaign)
    for person in people:
        assert not listed.all()
        lease = actions.lease_output(campaign=campaign, annotator=person, output_id=made[0].pk, now=NOW)
        actions.skip(token=lease.token, annotator=person, reason="", now=NOW)
    assert [item.pk for item in listed.all()] == [made[0].pk]
    rows.person("cy", campaign=campaign)  # somebody new may like it
    assert not listed.all()
