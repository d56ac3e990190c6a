from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from annotate.accounts.models import AuditEntry, User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.grouping import queries as grouping_queries
from annotate.constraints.models import Constraint, ConstraintSet, Member, SetEntry
from annotate.constraints.revisions import queries as revisions_queries
from annotate.errors import NotFound
from annotate.judgments.models import Judgment
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

DATES = [f"says a date the source does not give: {year}" for year in range(1990, 1996)]
UNITS = [f"the unit should be apples, not {fruit}" for fruit in ("pears", "plums", "figs", "kiwis", "limes")]


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return factories.campaign("helpdesk", by=admin)


def reject(campaign: Campaign, *critiques: str, tag: str = "invented-fact") -> list[int]:
    ids = []
    for critique in critiques:
        violations = [{"tag": tag, "critique": critique, "severity": "major"}]
        made = factories.judgment(factories.output(campaign), violations=violations)
        ids += list(made.violations.values_list("id", flat=True))
    return ids


def regroup(campaign: Campaign) -> actions.Regrouped:
    return actions.regroup(campaign_id=campaign.pk, now=NOW)


def place(violation_id: int) -> Constraint:
    return Member.objects.select_related("constraint").get(violation=violation_id).constraint


def living(campaign: Campaign) -> list[Constraint]:
    return list(Constraint.objects.living().filter(campaign=campaign).in_page_order())


def snapshot(campaign: Campaign) -> list[tuple[object, ...]]:
    return sorted(
        Member.objects.filter(constraint__campaign=campaign).values_list("constraint", "violation", "similarity")
    )


def grouped(campaign: Campaign) -> tuple[Constraint, Constraint]:
    dates, units = reject(campaign, *DATES), reject(campaign, *UNITS)
    regroup(campaign)
    return place(dates[0]), place(units[0])


def test_regroup_makes_candidates(campaign: Campaign) -> None:
    dates, units, other = reject(campaign, *DATES), reject(campaign, *UNITS), reject(campaign, "rude")
    found = regroup(campaign)
    assert (found.new_constraints, found.assigned) == (3, 12)
    assert {place(each).pk for each in dates} == {place(dates[0]).pk}
    assert {place(each).pk for each in units} == {place(units[0]).pk}
    assert place(dates[0]).statement == "Invented fact: says a date the source does not give: 1990"
    assert place(other[0]).is_residual
    assert place(other[0]).statement == "Invented fact: other cases"
    assert [each.member_count for each in living(campaign)] == [6, 5, 1]


def test_regroup_twice_equals_once(campaign: Campaign) -> None:
    grouped(campaign)
    before = snapshot(campaign)
    assert regroup(campaign) == actions.Regrouped()
    assert snapshot(campaign) == before
    assert grouping_queries.waiting_campaign_ids() == []


def test_regroup_lets_new_violations_join(campaign: Campaign) -> None:
    dates, _ = grouped(campaign)
    assert grouping_queries.waiting_campaign_ids() == []
    later = reject(campaign, "says a date the source does not give: 2001")
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    assert regroup(campaign).new_constraints == 0
    assert place(later[0]) == dates
    assert place(later[0]).member_count == 7


def test_regroup_makes_a_group_of_left_overs_once_they_are_enough(campaign: Campaign) -> None:
    first = reject(campaign, DATES[0])
    regroup(campaign)
    assert place(first[0]).is_residual
    reject(campaign, DATES[1])
    regroup(campaign)
    later = reject(campaign, DATES[2])
    regroup(campaign)
    assert place(first[0]) == place(later[0])
    assert not place(first[0]).is_residual
    assert [each.member_count for each in living(campaign)] == [3]


def test_regroup_drops_superseded_judgments(campaign: Campaign) -> None:
    ids = reject(campaign, *DATES)
    regroup(campaign)
    old = Judgment.objects.get(violations=ids[0])
    old.is_current = False
    old.save()
    factories.judgment(old.output, "nothing_wrong", annotator=old.annotator, revision=2)
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    regroup(campaign)
    assert not Member.objects.filter(violation=ids[0]).exists()
    assert place(ids[1]).member_count == 5


def test_regroup_keeps_tags_apart(campaign: Campaign) -> None:
    facts, formats = reject(campaign, *DATES[:3]), reject(campaign, *DATES[3:], tag="ignores-instruction")
    regroup(campaign)
    assert place(facts[0]) != place(formats[0])
    assert place(formats[0]).kind == "format"


def test_request_grouping_starts_anew_but_keeps_what_people_did(campaign: Campaign, admin: User) -> None:
    _, units = grouped(campaign)
    actions.rename(constraint=units, statement="Wrong unit", by=admin, now=NOW)
    before = snapshot(campaign)
    actions.request_grouping(campaign=campaign, now=NOW)
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    regroup(campaign)
    assert snapshot(campaign) == before
    units.refresh_from_db()
    assert units.statement == "Wrong unit"
    assert grouping_queries.waiting_campaign_ids() == []


@pytest.mark.django_db(transaction=True)
def test_regroup_by_two_sweeps_at_once(campaign: Campaign) -> None:
    reject(campaign, *DATES, *UNITS)
    found: list[actions.Regrouped] = []

    def sweep() -> None:
        found.append(regroup(campaign))
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.assigned for each in found) == [0, 11]
    assert len(living(campaign)) == 2


def test_rename_keeps_a_persons_words(campaign: Campaign, admin: User) -> None:
    dates, _ = grouped(campaign)
    renamed = actions.rename(constraint=dates, statement="  No invented\n dates ", by=admin, now=NOW)
    assert (renamed.statement, renamed.named_by) == ("No invented dates", admin)
    actions.rename(constraint=dates, statement="No invented dates", by=admin, now=NOW)
    assert AuditEntry.objects.filter(verb="constraint rename").count() == 1


@pytest.mark.parametrize("statement", ["", "  \n", "x" * 501])
def test_rename_refuses(campaign: Campaign, admin: User, statement: str) -> None:
    dates, _ = grouped(campaign)
    with pytest.raises(actions.StatementRefused):
        actions.rename(constraint=dates, statement=statement, by=admin, now=NOW)


def test_merge_moves_members_and_draws_later_ones(campaign: Campaign, admin: User) -> None:
    dates, units = grouped(campaign)
    merged = actions.merge(into=dates, others=[units], by=admin, now=NOW)
    assert merged.member_count == 11
    units.refresh_from_db()
    assert (units.state, units.merged_into_id, units.member_count) == ("retired", dates.pk, 0)
    later = reject(campaign, "the unit should be apples, not melons")
    regroup(campaign)
    assert place(later[0]) == dates
    with pytest.raises(actions.Retired):
        actions.merge(into=dates, others=[units], by=admin, now=NOW)


def test_merge_refuses_one_and_foreign(campaign: Campaign, admin: User) -> None:
    dates, _ = grouped(campaign)
    other, _ = grouped(factories.campaign("other"))
    with pytest.raises(actions.NothingChosen):
        actions.merge(into=dates, others=[dates], by=admin, now=NOW)
    with pytest.raises(NotFound):
        actions.merge(into=dates, others=[other], by=admin, now=NOW)


def test_merge_of_the_residual_hands_on_what_is_left(campaign: Campaign, admin: User) -> None:
    dates, _ = grouped(campaign)
    rude = reject(campaign, "rude")
    regroup(campaign)
    actions.merge(into=dates, others=[place(rude[0])], by=admin, now=NOW)
    odd = reject(campaign, "qqq zzz")
    regroup(campaign)
    assert place(odd[0]) == dates


def test_split_pins_what_was_chosen(campaign: Campaign, admin: User) -> None:
    dates, _ = grouped(campaign)
    chosen = list(dates.members.order_by("violation_id").values_list("violation_id", flat=True))[:2]
    made = actions.split(constraint=dates, violation_ids=chosen, statement="", by=admin, now=NOW)
    assert (made.member_count, made.state, made.named_by) == (2, "candidate", None)
    dates.refresh_from_db()
    assert dates.member_count == 4
    assert dates.medoid_id not in chosen
    actions.request_grouping(campaign=campaign, now=NOW)
    regroup(campaign)
    assert {place(each) for each in chosen} == {made}


def test_split_refuses_nothing_and_everything(campaign: Campaign, admin: User) -> None:
    dates, units = grouped(campaign)
    everything = list(dates.members.values_list("violation_id", flat=True))
    foreign = list(units.members.values_list("violation_id", flat=True))
    for ids, error in [([], actions.NothingChosen), (foreign, actions.NothingChosen), (everything, actions.WouldEmpty)]:
        with pytest.raises(error):
            actions.split(constraint=dates, violation_ids=ids, statement="", by=admin, now=NOW)


def test_move_pins_in_the_other(campaign: Campaign, admin: User) -> None:
    dates, units = grouped(campaign)
    chosen = list(dates.members.values_list("violation_id", flat=True))[:1]
    moved = actions.move(constraint=dates, violation_ids=chosen, into=units, by=admin, now=NOW)
    assert moved.member_count == 6
    assert Member.objects.get(violation=chosen[0]).is_pinned


def test_decide_changes_state_once(campaign: Campaign, admin: User) -> None:
    dates, units = grouped(campaign)
    ids = [dates.pk, units.pk]
    first = actions.decide(campaign=campaign, constraint_ids=ids, state="accepted", by=admin, now=NOW)
    again = actions.decide(campaign=campaign, constraint_ids=ids, state="accepted", by=admin, now=NOW)
    assert (len(first), len(again)) == (2, 0)
    assert actions.dismiss(constraint=units, by=admin, now=NOW).state == "dismissed"
    assert actions.reopen(constraint=units, by=admin, now=NOW).state == "candidate"
    with pytest.raises(NotFound):
        actions.decide(campaign=factories.campaign("else"), constraint_ids=ids, state="accepted", by=admin, now=NOW)


def test_approve_freezes(campaign: Campaign, admin: User) -> None:
    dates, _ = grouped(campaign)
    with pytest.raises(actions.NothingAccepted):
        actions.approve(campaign=campaign, by=admin, now=NOW)
    actions.accept(constraint=dates, by=admin, now=NOW)
    made = actions.approve(campaign=campaign, by=admin, now=NOW)
    assert made.revision == 1
    entry = made.entries.get()
    assert (entry.statement, entry.violations.count()) == (dates.statement, 6)
    with pytest.raises(actions.Unchanged):
        actions.approve(campaign=campaign, by=admin, now=NOW)
    assert actions.renew(campaign=campaign, by=admin, now=NOW) == made
    later = reject(campaign, DATES[0])
    regroup(campaign)
    assert place(later[0]) == dates
    assert entry.violations.count() == 6
    assert actions.renew(campaign=campaign, by=admin, now=NOW).revision == 2


def test_diff_says_what_approval_would_change(campaign: Campaign, admin: User) -> None:
    dates, units = grouped(campaign)
    actions.accept(constraint=dates, by=admin, now=NOW)
    assert [each.constraint for each in revisions_queries.diff_now(campaign=campaign).added] == [dates.pk]
    actions.approve(campaign=campaign, by=admin, now=NOW)
    assert not revisions_queries.diff_now(campaign=campaign)
    actions.rename(constraint=dates, statement="No invented dates", by=admin, now=NOW)
    actions.accept(constraint=units, by=admin, now=NOW)
    reject(campaign, DATES[0])
    regroup(campaign)
    found = revisions_queries.diff_now(campaign=campaign)
    assert [each.constraint for each in found.added] == [units.pk]
    assert [each.after.statement for each in found.reworded] == ["No invented dates"]
    assert [(each.joined, each.left) for each in found.resized] == [(1, 0)]
    actions.dismiss(constraint=dates, by=admin, now=NOW)
    assert [each.constraint for each in revisions_queries.diff_now(campaign=campaign).retired] == [dates.pk]


@pytest.mark.parametrize("model", [ConstraintSet, SetEntry])
def test_approved_sets_never_change(campaign: Campaign, admin: User, model: Any) -> None:
    dates, _ = grouped(campaign)
    actions.accept(constraint=dates, by=admin, now=NOW)
    actions.approve(campaign=campaign, by=admin, now=NOW)
    field = {"revision": 9} if model is ConstraintSet else {"statement": "else"}
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        model.objects.update(**field)
