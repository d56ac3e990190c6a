"""What is measured of people is measured of their blind work: assisted judgments are in none of these figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from annotate.campaigns.models import Campaign
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.convergence import queries as convergence_queries
from annotate.judgments.models import Judgment
from annotate.quality import agreement_queries, reliability_queries
from annotate.quality import queries as quality_queries
from annotate.quality.judges import PEOPLE
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def shared(campaign: Campaign) -> int:
    return agreement_queries.agreement_of(campaign=campaign).outputs


def reliable(campaign: Campaign) -> int:
    return len(reliability_queries.said(campaign=campaign, kinds=PEOPLE).output_ids)


def reviewed(campaign: Campaign) -> int:
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)
    found = convergence_queries.report(campaign=campaign)
    return found.judgments if found else 0


@pytest.mark.parametrize("count", [shared, reliable, reviewed])
def test_assisted_judgments_are_left_out(count: Callable[[Campaign], int]) -> None:
    campaign = factories.campaign()
    people = [factories.user("ada"), factories.user("ben")]
    outputs = [factories.output(campaign) for _ in range(3)]
    for output in outputs:
        for person in people:
            factories.judgment(output, annotator=person)
    Judgment.objects.filter(output=outputs[0]).update(is_assisted=True)
    assert count(campaign) == (4 if count is reviewed else 2)


def test_gold_is_found_by_who_judged_it_blind() -> None:
    campaign = factories.campaign()
    output = factories.output(campaign, batch=factories.batch(campaign, purpose="gold"))
    factories.judgment(output, annotator=factories.user(kind="external"))
    ada, ben = factories.user("ada"), factories.user("ben")
    for person in (ada, ben):
        factories.judgment(output, annotator=person)
    Judgment.objects.filter(annotator=ben).update(is_assisted=True)
    assert list(quality_queries.measured(output_ids=[output.pk])) == [ada]
    scores = quality_queries.gold_scores(output_ids=[output.pk], annotator_ids=[ada.pk, ben.pk])
    assert [scores[each.pk].judged for each in (ada, ben)] == [1, 0]
