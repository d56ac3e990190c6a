"""Constraints that may be one: the evidence for it, what is proposed, and what a person says to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions, acts
from annotate.constraints.merging import actions as merging_actions
from annotate.constraints.merging import pairs as merging
from annotate.constraints.merging import queries as merging_queries
from annotate.constraints.merging.pairs import Candidate, Near, Shared
from annotate.constraints.models import Constraint, Member, MergeProposal
from annotate.errors import NotFound
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW

LATER = NOW + timedelta(minutes=1)


def test_phi_by_hand() -> None:
    assert merging.phi(Shared(both=3, left=4, right=5, judged=20)) == pytest.approx(40 / 69.28, abs=1e-3)
    assert merging.phi(Shared(both=4, left=4, right=4, judged=20)) == 1
    assert merging.phi(Shared(both=0, left=0, right=4, judged=20)) == 0
    assert merging.phi(Shared(both=0, left=10, right=10, judged=20)) == -1


def test_likeness_is_a_noisy_or_that_a_negative_phi_does_not_lower() -> None:
    none, never = Shared(0, 0, 0, 9), Shared(0, 5, 5, 10)
    assert merging.likeness(Near(1, 2, 0.5, 0.4), none) == pytest.approx(0.7)
    assert merging.likeness(Near(1, 2, 0.5, 0.4), never) == pytest.approx(0.7)
    assert merging.likeness(Near(1, 2, 0.5, 0.4), Shared(4, 4, 4, 9)) == 1


def test_near_finds_pairs_of_alike_members_or_statements() -> None:
    found = merging.near(
        candidates=[
            Candidate(1, "no invented dates", ["says a date that the source does not give: 1990"]),
            Candidate(7, "years out of thin air", ["says a date the source does not give: 2001"]),
            Candidate(3, "never calls a customer names", ["calls the customer an idiot"]),
            Candidate(4, "never call a customer names", ["swears"]),
            Candidate(5, "", [""]),
            Candidate(6, ""),
        ]
    )
    assert [(each.left, each.right) for each in found] == [(1, 7), (3, 4)] or [
        (each.left, each.right) for each in found
    ] == [(3, 4), (1, 7)]
    by_pair = {(each.left, each.right): each for each in found}
    assert by_pair[1, 7].members > 0.6
    assert by_pair[1, 7].statements < merging.STATED
    assert by_pair[3, 4].statements > merging.STATED


def test_near_is_the_same_in_any_order_and_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [
        Candidate(n, f"statement about {['apples', 'pears', 'plums'][n % 3]}", [f"critique {n // 5}"])
        for n in range(40)
    ]
    whole = merging.near(candidates=some, most=30)
    monkeypatch.setattr(merging, "BLOCK", 7)
    assert merging.near(candidates=some[::-1], most=30) == whole
    assert len(whole) == 30


def test_near_tells_the_cosines_of_pairs_asked_for() -> None:
    some = [Candidate(1, "a thing", ["x"]), Candidate(2, "another matter", ["y"])]
    assert merging.near(candidates=some) == []
    assert [(each.left, each.right) for each in merging.near(candidates=some, also=[(2, 1), (1, 99)])] == [(1, 2)]


@pytest.fixture
def ada(db: None) -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(ada: User) -> Campaign:
    return factories.campaign("helpdesk", by=ada)


def compare(campaign: Campaign) -> list[tuple[int, int]]:
    merging_actions.compare(campaign_id=campaign.pk, now=LATER)
    found = merging_queries.proposals(campaign=campaign)
    return list(found.values_list("left_id", "right_id"))


@pytest.fixture
def twins(campaign: Campaign) -> tuple[Constraint, Constraint]:
    one = rows.constraint(campaign, "says a date that the source does not give", members=3, state="candidate")
    two = rows.constraint(
        campaign, "gives a date the source does not say", members=5, state="candidate", tag="ignores-instruction"
    )
    rows.constraint(campaign, "rude to the customer", members=4)
    return one, two


def test_near_synonyms_across_tags_are_proposed_with_evidence(
    campaign: Campaign, twins: tuple[Constraint, Constraint]
) -> None:
    actions.request_grouping(campaign=campaign, now=NOW)
    assert merging_queries.waiting_campaign_ids(now=LATER) == [campaign.pk]
    assert compare(campaign) == [(twins[0].pk, twins[1].pk)]
    assert merging_queries.waiting_campaign_ids(now=LATER) == []
    found = MergeProposal.objects.get()
    assert found.evidence.keys() == {"members", "statements", "phi", "both", "left", "right", "judged"}
    assert (found.evidence["both"], found.evidence["left"], found.evidence["right"]) == (0, 3, 5)
    assert found.evidence["judged"] == 12
    assert compare(campaign) == [(twins[0].pk, twins[1].pk)]
    assert MergeProposal.objects.get().pk == found.pk


def test_a_large_campaign_rests_before_it_is_compared_again(
    campaign: Campaign, twins: tuple[Constraint, Constraint], monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(campaign)
    monkeypatch.setattr(merging_queries, "REST", timedelta(minutes=1))
    Constraint.objects.filter(pk=twins[0].pk).update(updated_at=LATER + timedelta(seconds=1))
    for minutes, waits in ((2, []), (3, [campaign.pk])):
        assert merging_queries.waiting_campaign_ids(now=LATER + timedelta(minutes=minutes)) == waits


def test_of_many_constraints_fewer_members_are_compared() -> None:
    assert [merging.told(count) for count in (0, 1, 2000, 4000, 5000, 50_000)] == [8, 8, 8, 4, 3, 1]


def test_candidates_are_told_by_their_most_typical_members_in_words(campaign: Campaign) -> None:
    made = rows.constraint(campaign, "says a date", members=10)
    for number, member in enumerate(made.members.select_related("violation").order_by("id")):
        Member.objects.filter(pk=member.pk).update(similarity=number / 10)
        type(member.violation).objects.filter(pk=member.violation_id).update(
            critique='{"sentence": 8}' if number == 9 else f"critique {number}", quote=f"quote {number}"
        )
    [candidate] = merging_queries.candidates(campaign=campaign)
    assert list(candidate.members) == ["quote 9", *(f"critique {number}" for number in (8, 7, 6, 5, 4, 3, 2))]


def test_pairs_are_found_by_all_that_their_members_say() -> None:
    """The most typical members have no word in common; the others do."""
    found = merging.near(
        candidates=[
            Candidate(1, "a", ["swears", "says a date that nobody gave", "gives a date from nowhere"]),
            Candidate(2, "b", ["hm", "says a date that nobody gave", "gives a date from nowhere"]),
        ]
    )
    assert [each.members > merging.ALIKE for each in found] == [True]


def test_constraints_on_the_same_outputs_are_proposed_whatever_their_words(campaign: Campaign) -> None:
    one = rows.constraint(campaign, "swears", members=4)
    two = rows.constraint(campaign, "contempt for customers", members=1, tag="ignores-instruction")
    for member in one.members.select_related("violation__judgment__output"):
        judged = factories.judgment(
            member.violation.judgment.output, violations=[{"tag": "ignores-instruction", "critique": "rude"}]
        )
        Member.objects.create(constraint=two, violation=judged.violations.get())
    for _ in range(5):
        factories.judgment(factories.output(campaign), "nothing_wrong")
    assert compare(campaign) == [(one.pk, two.pk)]
    evidence = MergeProposal.objects.get().evidence
    assert (evidence["both"], evidence["left"], evidence["right"], evidence["judged"]) == (4, 4, 5, 10)
    assert evidence["phi"] == pytest.approx((10 * 4 - 4 * 5) / (4 * 6 * 5 * 5) ** 0.5, abs=1e-3)


def test_what_is_not_the_same_is_never_proposed_again_not_even_after_a_merge(
    campaign: Campaign, ada: User, twins: tuple[Constraint, Constraint]
) -> None:
    compare(campaign)
    found = MergeProposal.objects.get()
    for _ in range(2):
        merging_actions.refuse(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW)
    assert compare(campaign) == []
    heir = rows.constraint(campaign, "says a date that the source does not give!", members=9)
    actions.merge(into=heir, others=[twins[0]], by=ada, now=NOW)
    assert compare(campaign) == []
    merging_actions.ask_again(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW)
    assert compare(campaign) == [(twins[1].pk, heir.pk)]


def test_accept_merges_into_the_one_further_along_unless_told(
    campaign: Campaign, ada: User, twins: tuple[Constraint, Constraint]
) -> None:
    compare(campaign)
    found = MergeProposal.objects.get()
    kept = merging_actions.accept(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW)
    assert (kept, kept.member_count) == (twins[1], 8)
    assert not merging_queries.proposals(campaign=campaign)
    with pytest.raises(actions.Retired):
        merging_actions.accept(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW)
    acts.undo(campaign=campaign, by=ada, now=NOW)
    assert merging_queries.proposals(campaign=campaign).get() == found
    assert merging_actions.accept(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW, keep="left") == twins[0]


def test_proposals_go_when_nothing_speaks_for_them_any_more(
    campaign: Campaign, ada: User, twins: tuple[Constraint, Constraint]
) -> None:
    compare(campaign)
    found = MergeProposal.objects.get()
    Member.objects.filter(constraint=twins[0]).delete()
    Constraint.objects.filter(pk=twins[0].pk).update(statement="entirely different", medoid=None)
    assert compare(campaign) == []
    with pytest.raises(NotFound):
        merging_actions.accept(campaign=campaign, proposal_id=found.pk, by=ada, now=NOW)


def test_another_campaigns_proposal_is_not_there(
    campaign: Campaign, ada: User, twins: tuple[Constraint, Constraint]
) -> None:
    compare(campaign)
    with pytest.raises(NotFound):
        merging_actions.refuse(
            campaign=factories.campaign("other", by=ada), proposal_id=MergeProposal.objects.get().pk, by=ada, now=NOW
        )


def test_examples_are_the_members_nearest_to_each_medoid(
    campaign: Campaign, twins: tuple[Constraint, Constraint]
) -> None:
    for number, member in enumerate(twins[1].members.order_by("-id")):
        Member.objects.filter(pk=member.pk).update(similarity=0.9 - number / 10)
    found = merging_queries.examples(members=Member.objects.all(), constraint_ids=[each.pk for each in twins])
    assert [len(found[each.pk]) for each in twins] == [3, 3]
    assert [round(each.similarity, 1) for each in found[twins[1].pk]] == [0.9, 0.8, 0.7]
