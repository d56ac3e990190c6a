"""Regrouping in portions: what a worker that dies leaves behind, what people do between portions, and what is read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Count, F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.grouping import actions as grouping
from annotate.constraints.grouping import placing, queries
from annotate.constraints.grouping.models import Listed, Regrouping, Shard
from annotate.constraints.models import Constraint, Member
from annotate.judgments.models import Violation
from tests import factories
from tests.annotate.constraints.grouping import test_stays
from tests.annotate.constraints.grouping.test_stays import COMPLAINTS, living, places, reject, settled
from tests.factories import NOW

pytestmark = pytest.mark.django_db

OTHER_TAG = "ignores-instruction"
TAGS = ("invented-fact", OTHER_TAG)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "PORTION", 16)  # four of each at least, however they are drawn


@pytest.fixture
def campaign() -> Campaign:
    made = factories.campaign()
    reject(made, COMPLAINTS[0], 14)
    reject(made, COMPLAINTS[1], 14)
    return made


def steps(campaign: Campaign) -> Iterator[grouping.Portion]:
    """Place what waits, a step each time that the caller asks for one."""
    for shard_id in grouping.open_regrouping(campaign_id=campaign.pk, now=NOW):
        has_more = True
        while has_more:
            portion = grouping.place_portion(shard_id=shard_id, now=NOW)
            has_more = portion.has_more
            yield portion


def regroup(campaign: Campaign) -> list[grouping.Portion]:
    return list(steps(campaign))


def tagged(campaign: Campaign, complaint: str, count: int, *, tag: str = OTHER_TAG) -> None:
    for number in range(count):
        said = [{"tag": tag, "critique": f"{complaint}{chr(97 + number % 26) * 4}"}]
        factories.judgment(factories.output(campaign), violations=said)


def assert_whole(campaign: Campaign) -> None:
    """Every violation is in one constraint that lives, and the counts are those of the rows."""
    violations = Violation.objects.filter(judgment__campaign=campaign, judgment__is_current=True)
    members = Member.objects.filter(constraint__campaign=campaign)
    assert members.count() == violations.count()
    assert not members.filter(constraint__state=Constraint.State.RETIRED).exists()
    counted = Constraint.objects.filter(campaign=campaign).annotate(Count("members"))
    assert not list(counted.exclude(member_count=F("members__count")))
    assert not Listed.objects.exists()
    assert not Regrouping.objects.filter(finished_at=None).exists()


def test_whoever_comes_after_a_dead_worker_goes_on_where_it_was(campaign: Campaign) -> None:
    regroup(campaign)
    before = places(campaign)
    for stop in (1, 2):
        actions.request_grouping(campaign=campaign, now=NOW)
        for _, _ in zip(range(stop), steps(campaign), strict=False):
            continue
        assert any(each.has_more for each in regroup(campaign))
        assert places(campaign) == before
        assert_whole(campaign)


def test_a_portion_is_stored_whole_or_not_at_all(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = steps(campaign)
    next(walk)
    count = placing.count_members

    def die(*_: object, **__: object) -> None:
        raise OSError("the machine is gone")

    monkeypatch.setattr(placing, "count_members", die)
    with pytest.raises(OSError):
        next(walk)
    assert not Member.objects.exists()
    assert Shard.objects.get().attempt_count == 1
    monkeypatch.setattr(placing, "count_members", count)
    regroup(campaign)
    assert_whole(campaign)
    assert [each.member_count for each in living(campaign)] == [14, 14]


def test_groups_keep_their_ids_when_everything_is_grouped_anew_in_portions(campaign: Campaign) -> None:
    regroup(campaign)
    before = {each.pk: each.member_count for each in living(campaign)}
    actions.request_grouping(campaign=campaign, now=NOW, by=factories.admin_of(campaign))
    walk = steps(campaign)
    for _ in range(2):
        next(walk)
    assert Shard.objects.get().placed_count == 16
    regroup(campaign)
    assert {each.pk: each.member_count for each in living(campaign)} == before
    assert Regrouping.objects.get().requested_by == factories.admin_of(campaign)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    walk=st.lists(st.one_of(test_stays.ACTS, st.just("step"), st.just("new"), st.just("anew")), min_size=5, max_size=9)
)
def test_people_act_between_portions(walk: list[Any]) -> None:
    campaign = factories.campaign()
    reject(campaign, COMPLAINTS[0], 12)
    reject(campaign, COMPLAINTS[1], 12)
    regroup(campaign)
    actions.request_grouping(campaign=campaign, now=NOW)
    under_way = steps(campaign)
    for what in walk:
        if what == "step":
            before = settled(campaign)
            if next(under_way, None) is None:
                under_way = steps(campaign)
            assert settled(campaign) == before
        elif what == "new":
            reject(campaign, COMPLAINTS[2], 3)
        elif what == "anew":
            actions.request_grouping(campaign=campaign, now=NOW)
        else:
            test_stays.act(campaign, *what)
    before = settled(campaign)
    while regroup(campaign):
        continue
    assert settled(campaign) == before
    assert_whole(campaign)


@pytest.mark.parametrize("tag", ["invented-fact", OTHER_TAG])
def test_a_merge_while_a_portion_is_computed_is_followed(campaign: Campaign, tag: str) -> None:
    tagged(campaign, COMPLAINTS[2], 4, tag=tag)
    regroup(campaign)
    dates = Member.objects.get(violation=Violation.objects.earliest("id")).constraint
    survivor = Member.objects.get(violation=Violation.objects.latest("id")).constraint
    reject(campaign, COMPLAINTS[0], 1)
    [shard_id] = grouping.open_regrouping(campaign_id=campaign.pk, now=NOW)
    grouping.place_portion(shard_id=shard_id, now=NOW)
    shard = Shard.objects.select_related("regrouping").get()
    planned = placing.plan(shard=shard, upto=1)
    actions.merge(into=survivor, others=[dates], by=factories.admin_of(campaign), now=NOW)
    with transaction.atomic():
        placing.store(shard=shard, planned=planned, now=NOW)
    assert Member.objects.get(violation=Violation.objects.latest("id")).constraint == survivor
    survivor.refresh_from_db()
    assert survivor.member_count == survivor.members.count()


def test_what_a_person_touches_while_a_portion_is_computed_stays(campaign: Campaign) -> None:
    regroup(campaign)
    actions.request_grouping(campaign=campaign, now=NOW)
    walk = steps(campaign)
    next(walk)
    shard = Shard.objects.select_related("regrouping").get()
    planned = placing.plan(shard=shard, upto=16)
    one = living(campaign)[0]
    was = set(one.members.values_list("violation", flat=True))
    actions.rename(constraint=one, statement="No dates", by=factories.admin_of(campaign), now=NOW)
    with transaction.atomic():
        placing.store(shard=shard, planned=planned, now=NOW)
    one.refresh_from_db()
    assert one.statement == "No dates"
    assert set(one.members.values_list("violation", flat=True)) == was


def test_a_shard_that_never_gets_further_fails_and_the_others_go_on(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(campaign, COMPLAINTS[2], 4)
    plan = placing.plan

    def die(*, shard: Shard, upto: int) -> placing.Plan:
        if shard.tag_slug == "invented-fact":
            raise MemoryError
        return plan(shard=shard, upto=upto)

    monkeypatch.setattr(placing, "plan", die)
    for _ in range(grouping.ATTEMPTS + 2):
        for shard_id in grouping.open_regrouping(campaign_id=campaign.pk, now=NOW):
            try:
                while grouping.place_portion(shard_id=shard_id, now=NOW).has_more:
                    continue
            except MemoryError:
                continue
    failed = Shard.objects.get(state=Shard.State.FAILED)
    assert (failed.tag_slug, failed.placed_count) == ("invented-fact", 0)
    assert "stopped 5 times" in failed.problem
    assert Member.objects.count() == 4
    assert queries.waiting_campaign_ids() == []
    tagged(campaign, COMPLAINTS[2], 1)
    regroup(campaign)
    assert Member.objects.count() == 5
    assert [each.tag_slug for each in queries.progress(campaign=campaign).failed] == ["invented-fact"]
    monkeypatch.setattr(placing, "plan", plan)
    grouping.try_again(campaign=campaign)
    assert queries.waiting_campaign_ids() == [campaign.pk]
    regroup(campaign)
    assert_whole(campaign)
    with pytest.raises(grouping.NothingFailed):
        grouping.try_again(campaign=campaign)


def test_the_sweep_finds_shards_whose_worker_is_silent(campaign: Campaign) -> None:
    walk = steps(campaign)
    next(walk)
    later = NOW + queries.SILENT
    assert queries.silent_shard_ids(now=later - timedelta(seconds=1)) == []
    assert queries.silent_shard_ids(now=later) == [Shard.objects.get().pk]
    regroup(campaign)
    assert queries.silent_shard_ids(now=later) == []


def test_an_old_judgment_that_is_current_again_is_found(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it lies far below what is looked at again: the revision that replaced it is new."""
    monkeypatch.setattr("annotate.constraints.queries.MARGIN", 2)
    first = Violation.objects.earliest("id").judgment
    regroup(campaign)
    type(first).objects.filter(pk=first.pk).update(is_current=False)
    second = factories.judgment(first.output, "nothing_wrong", annotator=first.annotator, revision=2)
    regroup(campaign)
    assert not Member.objects.filter(violation__judgment=first).exists()
    type(first).objects.filter(pk=second.pk).update(is_current=False, withdrawn_at=NOW)
    type(first).objects.filter(pk=first.pk).update(is_current=True)
    regroup(campaign)
    assert Member.objects.filter(violation__judgment=first).exists()
    assert_whole(campaign)


def test_an_imported_constraint_draws_what_it_prohibits(campaign: Campaign) -> None:
    statement = "Do not give a date that the source does not give."
    imported = Constraint.objects.create(
        campaign=campaign,
        tag_slug="invented-fact",
        kind="factual",
        statement=statement,
        named_by=factories.admin_of(campaign),
        state="accepted",
        created_at=NOW,
        updated_at=NOW,
    )
    regroup(campaign)
    dates = Member.objects.filter(violation__critique__startswith=COMPLAINTS[0])
    assert {each.constraint_id for each in dates} == {imported.pk}
    imported.refresh_from_db()
    assert imported.member_count >= 14


@contextmanager
def plans(seen: list[str]) -> Iterator[None]:
    """Note how the database would run every statement."""

    def explained(execute: Any, sql: str, values: Any, many: bool, context: Any) -> Any:
        if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)", sql) and not many:
            with connection.cursor().cursor as cursor:
                cursor.execute(f"EXPLAIN {sql}", values)
                seen.extend(f"{line} IN {sql[:80]!r}" for (line,) in cursor.fetchall())
        return execute(sql, values, many, context)

    with connection.execute_wrapper(explained):
        yield


def test_what_is_new_is_found_and_placed_by_index(campaign: Campaign) -> None:
    regroup(campaign)
    reject(campaign, COMPLAINTS[0], 3)
    seen: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with plans(seen):
        assert queries.waiting_campaign_ids() == [campaign.pk]
        regroup(campaign)
    scans = [line for line in seen if re.search(r"Seq Scan on (judgments_\w+|constraints_member)\b", line)]
    assert seen
    assert not scans
    assert_whole(campaign)


@pytest.mark.django_db(transaction=True)
def test_a_session_killed_while_it_stores_leaves_nothing_half_done(campaign: Campaign) -> None:
    regroup(campaign)
    before = places(campaign)
    actions.request_grouping(campaign=campaign, now=NOW)
    walk = steps(campaign)
    next(walk)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            next(walk)
        except OperationalError as error:
            raised.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        list(Constraint.objects.select_for_update())  # the worker waits here, with its portion computed
        thread = threading.Thread(target=work)
        thread.start()
        with connection.cursor() as cursor:
            killed = None
            while killed is None:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' LIMIT 1"
                )
                killed = cursor.fetchone()
                cursor.execute("SELECT pg_stat_clear_snapshot()")
        thread.join()
    assert raised
    assert places(campaign) == before
    assert Shard.objects.get().placed_count == 0
    regroup(campaign)
    assert places(campaign) == before
    assert_whole(campaign)


@pytest.mark.django_db(transaction=True)
def test_workers_and_people_at_once_never_wait_in_a_circle(campaign: Campaign) -> None:
    """Two workers, two tags with a constraint of one merged into one of the other, and somebody who acts beside."""
    tagged(campaign, COMPLAINTS[2], 6)
    regroup(campaign)
    mine, other = (Constraint.objects.living().filter(tag_slug=tag).earliest("id") for tag in TAGS)
    actions.merge(into=other, others=[mine], by=factories.admin_of(campaign), now=NOW)
    reject(campaign, COMPLAINTS[0], 20)
    tagged(campaign, COMPLAINTS[2], 20)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for shard_id in grouping.open_regrouping(campaign_id=campaign.pk, now=NOW):
                while grouping.place_portion(shard_id=shard_id, now=NOW).has_more:
                    continue
        except BaseException as error:  # noqa: BLE001 - shown by the test itself
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for pick in range(8):
        test_stays.act(campaign, ("move", "rename", "accepted", "split")[pick % 4], pick)
    for thread in threads:
        thread.join()
    assert not problems
    regroup(campaign)
    assert_whole(campaign)
