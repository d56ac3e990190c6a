"""What regrouping may never do: undo a person's act, or group the same data otherwise the second time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.grouping import actions as grouping_actions
from annotate.constraints.models import Constraint, Member
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

COMPLAINTS = (
    "says a date the source does not give: ",
    "the unit should be apples, not ",
    "calls the customer by a wrong name ",
)


def reject(campaign: Campaign, complaint: str, count: int) -> None:
    for number in range(count):
        said = [{"critique": f"{complaint}{chr(97 + number % 26) * 4}"}]
        factories.judgment(factories.output(campaign), violations=said)


def regroup(campaign: Campaign) -> None:
    actions.regroup(campaign_id=campaign.pk, now=NOW)


def living(campaign: Campaign) -> list[Constraint]:
    return list(Constraint.objects.living().filter(campaign=campaign).order_by("id"))


def places(campaign: Campaign) -> set[tuple[int, int, float]]:
    rows = Member.objects.filter(constraint__campaign=campaign)
    return set(rows.values_list("constraint", "violation", "similarity"))


def settled(campaign: Campaign) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """What people did: their words, decisions and merges, and where they put which violation."""
    rows = Constraint.objects.filter(campaign=campaign)
    words = set(rows.exclude(named_by=None).values_list("id", "statement"))
    decided = set(rows.filter(state__in=("accepted", "dismissed")).values_list("id", "state"))
    merged = set(rows.exclude(merged_into=None).values_list("id", "merged_into"))
    pins = Member.objects.filter(constraint__campaign=campaign, is_pinned=True)
    return words | decided | merged, set(pins.values_list("violation", "constraint"))


def act(campaign: Campaign, verb: str, pick: int) -> None:
    """Do what a person may do to the constraint number `pick`, where it can be done."""
    ada, all_ = factories.admin_of(campaign), living(campaign)
    if not all_:
        return
    one, other = all_[pick % len(all_)], all_[(pick + 1) % len(all_)]
    some = list(one.members.order_by("violation").values_list("violation_id", flat=True))[: 1 + pick % 2]
    if verb == "rename":
        actions.rename(constraint=one, statement=f"Words {pick}", by=ada, now=NOW)
    elif verb in ("accepted", "dismissed"):
        actions.decide(campaign=campaign, constraint_ids=[one.pk], state=verb, by=ada, now=NOW)
    elif verb == "merge" and one != other:
        actions.merge(into=one, others=[other], by=ada, now=NOW)
    elif verb == "split" and len(some) < one.members.count():
        actions.split(constraint=one, violation_ids=some, statement="", by=ada, now=NOW)
    elif verb == "move" and one != other and len(some) < one.members.count():
        actions.move(constraint=one, violation_ids=some, into=other, by=ada, now=NOW)


ACTS = st.tuples(st.sampled_from(["rename", "accepted", "dismissed", "merge", "split", "move"]), st.integers(0, 5))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(ACTS, st.booleans(), st.sampled_from(COMPLAINTS)), min_size=2, max_size=4))
def test_regrouping_never_undoes_what_a_person_did(steps: list[tuple[tuple[str, int], bool, str]]) -> None:
    campaign = factories.campaign()
    reject(campaign, COMPLAINTS[0], 4)
    reject(campaign, COMPLAINTS[1], 4)
    regroup(campaign)
    for (verb, pick), is_anew, complaint in steps:
        act(campaign, verb, pick)
        before = settled(campaign)
        reject(campaign, complaint, 2)
        if is_anew:
            actions.request_grouping(campaign=campaign, now=NOW)
        regroup(campaign)
        assert settled(campaign) == before


def test_grouping_anew_gives_the_same_groups_to_the_bit() -> None:
    campaign = factories.campaign()
    reject(campaign, COMPLAINTS[0], 4)
    reject(campaign, COMPLAINTS[1], 4)
    regroup(campaign)
    before = places(campaign)
    actions.request_grouping(campaign=campaign, now=NOW)
    regroup(campaign)
    assert places(campaign) == before


def test_regrouping_in_portions_places_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping_actions, "PORTION", 16)  # four of each at least, however they are drawn
    campaign = factories.campaign()
    reject(campaign, COMPLAINTS[0], 12)
    reject(campaign, COMPLAINTS[1], 12)
    regroup(campaign)
    assert sum(each.member_count for each in living(campaign)) == 24
    assert [each.member_count for each in living(campaign) if not each.is_residual] == [12, 12]
