"""What a set keeps of its constraints' checks, and how revisions differ in them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks import checking
from annotate.constraints.models import ConstraintSet, SetEntry
from annotate.constraints.revisions import changes as revisions
from annotate.constraints.revisions import queries as revisions_queries
from annotate.constraints.revisions.changes import Entry, Rechecked
from tests import factories
from tests.annotate.constraints import rows
from tests.annotate.constraints.checks import checks
from tests.factories import NOW


def entry(key: int, check: int | None) -> Entry:
    return Entry(key, f"statement {key}", "invented-fact", "factual", 1, check)


def test_diff_tells_checks_added_changed_and_removed() -> None:
    found = revisions.diff(
        before=[entry(1, None), entry(2, 1), entry(3, 4), entry(4, 2), entry(5, 1)],
        after=[entry(1, 1), entry(2, 2), entry(3, None), entry(4, 2), entry(6, 1)],
        merges={},
        shared={(key, key): 1 for key in range(1, 5)},
    )
    assert [(each.kind, each.entry.constraint, each.before) for each in found.rechecked] == [
        ("check added", 1, None),
        ("check changed", 2, 1),
        ("check removed", 3, 4),
    ]
    assert [(each.constraint, each.check) for each in found.added] == [(6, 1)]
    assert [each.constraint for each in found.retired] == [5]


@pytest.fixture
def campaign(db: None) -> Campaign:
    return factories.campaign("helpdesk")


def approve(campaign: Campaign) -> ConstraintSet:
    return actions.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)


def frozen(found: ConstraintSet) -> list[int | None]:
    return list(found.entries.order_by("constraint_id").values_list("check_version__number", flat=True))


def test_a_set_keeps_the_version_that_stood_when_it_was_approved(campaign: Campaign) -> None:
    one, _ = (rows.constraint(campaign, f"statement {n}", members=2) for n in range(2))
    first = approve(campaign)
    checks.saved_for(one, checks.TEXT)
    planned = revisions_queries.diff_now(campaign=campaign)
    second = approve(campaign)
    checks.saved_for(one, "check: length\nmost: 9\n")
    third = approve(campaign)
    assert [frozen(each) for each in (first, second, third)] == [[None, None], [1, None], [2, None]]
    assert len({each.sha256 for each in (first, second, third)}) == 3
    found = revisions_queries.diff(before=first, after=second)
    assert found == planned
    assert found.rechecked == [Rechecked(found.rechecked[0].entry, None)]
    assert found.rechecked[0].entry.check == 1
    assert [each.kind for each in revisions_queries.diff(before=second, after=third).rechecked] == ["check changed"]
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        SetEntry.objects.filter(constraint_set=second).update(check_version=None)


def test_a_retired_check_is_in_no_later_set_and_a_step_of_its_life_changes_none(campaign: Campaign) -> None:
    one = rows.constraint(campaign, "one", members=2)
    life = checks.saved_for(one, checks.TEXT)
    approve(campaign)
    life = checks.step(life, checking.SHADOW)
    with pytest.raises(actions.Unchanged, match="members and checks"):
        approve(campaign)
    checks.step(life, checking.RETIRED)
    last = approve(campaign)
    assert frozen(last) == [None]
    earlier = ConstraintSet.objects.get(campaign=campaign, revision=1)
    assert [each.kind for each in revisions_queries.diff(before=earlier, after=last).rechecked] == ["check removed"]
