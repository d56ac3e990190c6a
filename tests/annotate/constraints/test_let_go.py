"""What has no place in a constraint: planted errors, and violations of judgments that are withdrawn or replaced."""

from __future__ import annotations

import pytest

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.grouping import queries as grouping_queries
from annotate.constraints.models import Constraint, Member
from annotate.judgments.models import Judgment
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk")


def regroup(campaign: Campaign) -> actions.Regrouped:
    return actions.regroup(campaign_id=campaign.pk, now=NOW)


def withdraw(judgment: Judgment) -> None:
    Judgment.objects.filter(pk=judgment.pk).update(is_current=False, withdrawn_at=NOW)


def test_violations_on_gold_are_never_grouped(campaign: Campaign) -> None:
    gold = factories.output(campaign, batch=factories.batch(campaign, purpose="gold"))
    factories.judgment(gold, annotator=factories.user("gold/key", kind="external"))
    factories.judgment(gold)
    assert regroup(campaign) == actions.Regrouped()
    assert not Constraint.objects.exists()
    assert grouping_queries.waiting_campaign_ids() == []
    factories.judgment(factories.output(campaign, batch=factories.batch(campaign)))
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    assert regroup(campaign).assigned == 1
    assert Member.objects.get().violation.judgment.output.batch.purpose == "annotate"
    assert grouping_queries.waiting_campaign_ids() == []


def test_request_grouping_leaves_gold_out_too(campaign: Campaign) -> None:
    factories.judgment(factories.output(campaign, batch=factories.batch(campaign, purpose="gold")))
    actions.request_grouping(campaign=campaign, now=NOW)
    assert regroup(campaign).assigned == 0


def test_a_withdrawn_judgment_is_let_go_by_the_next_sweep(campaign: Campaign) -> None:
    kept, taken = (factories.judgment(factories.output(campaign)) for _ in range(2))
    regroup(campaign)
    [constraint] = Constraint.objects.all()
    assert constraint.member_count == 2
    withdraw(taken)
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    regroup(campaign)
    assert grouping_queries.waiting_campaign_ids() == []
    constraint.refresh_from_db()
    assert (constraint.member_count, Member.objects.get().violation.judgment) == (1, kept)


def test_a_constraint_of_withdrawn_judgments_only_is_retired(campaign: Campaign) -> None:
    judgment = factories.judgment(factories.output(campaign))
    regroup(campaign)
    withdraw(judgment)
    regroup(campaign)
    assert [each.state for each in Constraint.objects.all()] == ["retired"]


def test_a_withdrawn_revision_gives_its_place_back(campaign: Campaign) -> None:
    """The violation of the revision before it is grouped again once that one is current again."""
    first = factories.judgment(factories.output(campaign))
    regroup(campaign)
    Judgment.objects.filter(pk=first.pk).update(is_current=False)
    second = factories.judgment(first.output, "nothing_wrong", annotator=first.annotator, revision=2)
    regroup(campaign)
    assert not Member.objects.exists()
    withdraw(second)
    Judgment.objects.filter(pk=first.pk).update(is_current=True)
    assert grouping_queries.waiting_campaign_ids() == [campaign.pk]
    regroup(campaign)
    assert Member.objects.get().violation.judgment == first


def test_approving_before_the_sweep_freezes_nothing_withdrawn(campaign: Campaign) -> None:
    kept, taken = (factories.judgment(factories.output(campaign)) for _ in range(2))
    regroup(campaign)
    [constraint] = Constraint.objects.all()
    admin = factories.admin_of(campaign)
    actions.accept(constraint=constraint, by=admin, now=NOW)
    withdraw(taken)
    [entry] = actions.approve(campaign=campaign, by=admin, now=NOW).entries.all()
    assert [violation.judgment for violation in entry.violations.all()] == [kept]
