"""Revisions compared and mapped: first as plain values, then as they are stored."""

from __future__ import annotations

import random

import pytest

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions, acts, queries
from annotate.constraints.models import Constraint, ConstraintSet, SetEntry
from annotate.constraints.revisions import changes as revisions
from annotate.constraints.revisions import queries as revisions_queries
from annotate.constraints.revisions.changes import Entry
from annotate.judgments.models import Judgment, Violation
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW


def entry(key: int, members: int = 1, statement: str = "") -> Entry:
    return Entry(key, statement or f"statement {key}", "invented-fact", "factual", members)


def test_diff_tells_added_reworded_retired_and_resized() -> None:
    found = revisions.diff(
        before=[entry(1, 5), entry(2, 3), entry(3, 2)],
        after=[entry(1, 6), entry(2, 3, "in other words"), entry(4, 4)],
        merges={},
        shared={(1, 1): 4, (2, 2): 3},
    )
    assert found == revisions.Diff(
        added=[entry(4, 4)],
        reworded=[revisions.Reworded(entry(2, 3), entry(2, 3, "in other words"))],
        retired=[entry(3, 2)],
        resized=[revisions.Resized(entry(1, 6), joined=2, left=1)],
    )


def test_diff_tells_what_was_merged_into_what_through_constraints_that_no_set_has() -> None:
    found = revisions.diff(
        before=[entry(1, 5), entry(2, 3)], after=[entry(9, 8)], merges={1: 7, 2: 7, 7: 9}, shared={(1, 9): 5, (2, 9): 3}
    )
    assert found == revisions.Diff(merged=[revisions.Merged(entry(9, 8), [entry(1, 5), entry(2, 3)])])


def test_diff_tells_what_was_split_from_what() -> None:
    """Seven members of 3: four that 1 had, one that 2 had, two that are new. Most of the five known were in 1."""
    found = revisions.diff(
        before=[entry(1, 9), entry(2, 5)],
        after=[entry(1, 5), entry(2, 4), entry(3, 7)],
        merges={},
        shared={(1, 1): 5, (2, 2): 4, (1, 3): 4, (2, 3): 1},
    )
    assert found.split == [revisions.Split(entry(3, 7), entry(1, 9))]
    assert found.added == []
    assert [(each.entry.constraint, each.joined, each.left) for each in found.resized] == [(1, 0, 4), (2, 0, 1)]


def test_diff_of_equal_revisions_is_nothing() -> None:
    assert not revisions.diff(before=[entry(1, 2)], after=[entry(1, 2)], merges={}, shared={(1, 1): 2})


def test_merges_that_run_in_a_circle_end() -> None:
    assert revisions.successors(of=[1], present={9}, merges={1: 2, 2: 1}) == {1: None}


def test_maps_compose_over_any_chain_of_merges() -> None:
    """Twenty constraints merged at random over six revisions: each map is the composition of those between."""
    for seed in range(40):
        dice = random.Random(seed)
        alive, merges, sets = list(range(20)), {}, [set(range(20))]
        for _ in range(5):
            for _ in range(dice.randint(0, 4)):
                source, into = dice.sample(alive, 2)
                alive.remove(source)
                merges[source] = into
            alive.append(100 * len(sets))
            sets.append(set(alive))
        frozen = [dict(revisions.closed(of=range(1000), present=each, merges=merges)) for each in sets]

        def mapped(n: int, m: int, frozen: list[dict[int, int]] = frozen) -> dict[int, int | None]:
            return revisions.successors(of=sets[n], present=sets[m], merges=frozen[m])  # noqa: B023 - called in here

        assert mapped(0, 5) == revisions.composed(mapped(0, 2), mapped(2, 5))
        assert mapped(1, 4) == revisions.composed(revisions.composed(mapped(1, 2), mapped(2, 3)), mapped(3, 4))
        assert None not in mapped(0, 5).values()


@pytest.fixture
def admin(db: None) -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return factories.campaign("helpdesk", by=admin)


def approve(campaign: Campaign) -> ConstraintSet:
    return actions.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)


def entry_of(constraint_set: ConstraintSet, constraint: Constraint) -> SetEntry:
    return constraint_set.entries.get(constraint=constraint)


def test_a_chain_of_merges_and_splits_is_followed(campaign: Campaign, admin: User) -> None:
    """Three constraints; the second goes into the first; one member is split off; the first goes into the third."""
    one, two, three = (rows.constraint(campaign, f"statement {n}", members=4) for n in range(3))
    first = approve(campaign)
    assert revisions_queries.diff(before=None, after=first).added
    actions.merge(into=one, others=[two], by=admin, now=NOW)
    planned = revisions_queries.diff_now(campaign=campaign)
    second = approve(campaign)
    assert revisions_queries.diff(before=first, after=second) == planned
    assert [(each.into.constraint, [s.constraint for s in each.sources]) for each in planned.merged] == [
        (one.pk, [two.pk])
    ]
    apart = rows.violations(one)[0]
    made = actions.split(constraint=one, violation_ids=[apart], statement="apart", by=admin, now=NOW)
    actions.accept(constraint=made, by=admin, now=NOW)
    third = approve(campaign)
    assert [each.source.constraint for each in revisions_queries.diff(before=second, after=third).split] == [one.pk]
    actions.merge(into=three, others=[one], by=admin, now=NOW)
    fourth = approve(campaign)

    went = {
        each.entry.constraint_id: each.later and each.later.constraint_id
        for each in revisions_queries.mapping(before=first, after=fourth)
    }
    assert went == {one.pk: three.pk, two.pk: three.pk, three.pk: three.pk}
    frozen = list(revisions_queries.frozen_violations(constraint_set=first).values_list("pk", flat=True))
    projected = revisions_queries.project(before=first, after=fourth, violation_ids=frozen)
    assert len(projected) == 12
    assert projected[apart] == entry_of(fourth, made)
    assert {each for key, each in projected.items() if key != apart} == {entry_of(fourth, three)}


def test_a_violation_given_anew_goes_where_its_entry_went(campaign: Campaign, admin: User) -> None:
    one, two = (rows.constraint(campaign, f"statement {n}", members=2) for n in range(2))
    first = approve(campaign)
    gone = rows.violations(two)[0]
    Judgment.objects.filter(violations=gone).update(is_current=False)
    actions.merge(into=one, others=[two], by=admin, now=NOW)
    second = approve(campaign)
    assert not second.entries.filter(violations=gone).exists()
    assert revisions_queries.project(before=first, after=second, violation_ids=[gone]) == {gone: entry_of(second, one)}


def test_what_was_dismissed_since_maps_to_nothing(campaign: Campaign, admin: User) -> None:
    one, _ = (rows.constraint(campaign, f"statement {n}", members=2) for n in range(2))
    first = approve(campaign)
    actions.dismiss(constraint=one, by=admin, now=NOW)
    second = approve(campaign)
    ids = rows.violations(one)
    assert revisions_queries.project(before=first, after=second, violation_ids=ids) == dict.fromkeys(ids)
    assert [each.constraint for each in revisions_queries.diff(before=first, after=second).retired] == [one.pk]


def test_the_map_is_as_it_was_at_approval_though_a_merge_is_undone_later(campaign: Campaign, admin: User) -> None:
    one, two = (rows.constraint(campaign, f"statement {n}", members=2) for n in range(2))
    first = approve(campaign)
    actions.merge(into=one, others=[two], by=admin, now=NOW)
    second = approve(campaign)
    acts.undo(campaign=campaign, by=admin, now=NOW)
    third = approve(campaign)
    assert second.merges == {str(two.pk): one.pk}
    later = {each.entry.constraint_id: each.later for each in revisions_queries.mapping(before=first, after=second)}
    assert later[two.pk] == entry_of(second, one)
    later = {each.entry.constraint_id: each.later for each in revisions_queries.mapping(before=first, after=third)}
    assert later[two.pk] == entry_of(third, two)
    ids = rows.violations(two)
    back = revisions_queries.project(before=second, after=third, violation_ids=ids)
    assert back == dict.fromkeys(ids, entry_of(third, two))


def test_maps_lead_to_later_sets_only(campaign: Campaign, admin: User) -> None:
    one = rows.constraint(campaign, "one", members=2)
    first = approve(campaign)
    actions.rename(constraint=one, statement="other words", by=admin, now=NOW)
    second = approve(campaign)
    with pytest.raises(revisions_queries.NotLater, match="1 is older than 2"):
        revisions_queries.mapping(before=second, after=first)


def test_withdrawn_judgments_are_not_counted_before_approving(campaign: Campaign) -> None:
    one = rows.constraint(campaign, "one", members=3)
    approve(campaign)
    Judgment.objects.filter(violations=rows.violations(one)[0]).update(is_current=False)
    planned = revisions_queries.diff_now(campaign=campaign)
    assert [(each.joined, each.left) for each in planned.resized] == [(0, 1)]
    assert planned == revisions_queries.diff(
        before=queries.constraint_set(campaign=campaign, revision=1), after=approve(campaign)
    )
    assert Violation.objects.count() == 3
