"""Which judgments become labels, and the consensus on outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from annotate.quality import reliability, reliability_queries
from annotate.quality.reliability_queries import Said
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk", overlap=5)


def triples(said: Said) -> set[tuple[int, int, int]]:
    """(output, annotator, yes) of each label."""
    if said.labels is None:
        return set()
    outputs, annotators = said.output_ids[said.labels.unit], said.annotator_ids[said.labels.rater]
    return set(zip(outputs.tolist(), annotators.tolist(), said.labels.label.tolist(), strict=True))


def judged(output: Output, *verdicts: str, tag: str = "invented-fact") -> list[int]:
    """By people who are called 0, 1, 2 ..."""
    annotators = []
    for number, verdict in enumerate(verdicts):
        name = f"judge{number}"
        annotator = factories.User.objects.filter(username=name).first() or factories.user(name)
        factories.judgment(output, verdict, annotator=annotator, violations=[{"tag": tag}, {"tag": tag}])
        annotators.append(annotator.pk)
    return annotators


def test_said_is_who_rejected_what(campaign: Campaign) -> None:
    one, other = factories.outputs(campaign, "One.", "Other.")
    ada, ben = judged(one, "rejected", "nothing_wrong")
    judged(other, "cannot_tell", "rejected")
    said = reliability_queries.said(campaign=campaign)
    assert triples(said) == {(one.pk, ada, 1), (one.pk, ben, 0), (other.pk, ben, 1)}
    assert not said.is_cut


def test_said_is_who_applied_a_tag(campaign: Campaign) -> None:
    one, other = factories.outputs(campaign, "One.", "Other.")
    ada, ben = judged(one, "rejected", "nothing_wrong")
    judged(other, "rejected", tag="contradicts-itself")
    said = reliability_queries.said(campaign=campaign, tag_slug="invented-fact")
    assert triples(said) == {(one.pk, ada, 1), (one.pk, ben, 0), (other.pk, ada, 0)}


def test_said_leaves_out_programs_gold_replaced_and_other_campaigns(campaign: Campaign) -> None:
    [output], [gold] = factories.outputs(campaign, "One."), factories.outputs(campaign, "Two.", is_gold=True)
    elsewhere = factories.output(factories.campaign())
    [ada] = judged(output, "rejected")
    for unwanted in (gold, elsewhere):
        judged(unwanted, "rejected")
    factories.judgment(output, annotator=factories.user("robot", kind="script"))
    factories.judgment(output, annotator=factories.user("old"), is_current=False)
    key = factories.user("key", kind="external")
    factories.judgment(gold, annotator=key)
    imported = factories.judgment(output, "nothing_wrong", annotator=factories.user("paper", kind="external"))
    plain = {(output.pk, ada, 1), (output.pk, imported.annotator_id, 0)}
    assert triples(reliability_queries.said(campaign=campaign)) == plain
    with_gold = reliability_queries.said(campaign=campaign, with_gold=True)
    assert triples(with_gold) == plain | {(gold.pk, ada, 1)}
    assert len(triples(reliability_queries.said(campaign=campaign, kinds=("script",)))) == 1


def test_said_takes_the_newest(campaign: Campaign) -> None:
    outputs = factories.outputs(campaign, *"abcde")
    for output in outputs:
        judged(output, "rejected")
    cut, whole = (reliability_queries.said(campaign=campaign, at_most=count) for count in (3, 5))
    assert cut.output_ids.tolist() == [output.pk for output in outputs[2:]]
    assert (cut.is_cut, whole.is_cut) == (True, False)


def test_said_of_nothing_is_no_labels(campaign: Campaign) -> None:
    assert reliability_queries.said(campaign=campaign).labels is None


def test_said_is_one_statement(campaign: Campaign, django_assert_num_queries: Any) -> None:
    for output in factories.outputs(campaign, *"abc"):
        judged(output, "rejected", "nothing_wrong")
    with django_assert_num_queries(1):
        reliability_queries.said(campaign=campaign, tag_slug="invented-fact")


def test_opinions_are_votes_beside_the_models(campaign: Campaign) -> None:
    """Three who are nearly always right outvoted by nobody; two who always say yes are, though they are as many."""
    outputs = factories.outputs(campaign, *(f"Output {number}." for number in range(24)))
    for number, output in enumerate(outputs):
        right = "rejected" if number % 2 else "nothing_wrong"
        judged(output, right, right, "rejected", "rejected")
    said = reliability_queries.said(campaign=campaign)
    found = reliability.estimate(labels=said.labels)
    places = reliability.differing(found=found, at_most=5)
    opinions = reliability_queries.opinions(said=said, found=found, places=places.tolist())
    assert [each.output_id for each in opinions] == [output.pk for output in outputs[::2]][:5]
    assert {(each.labels, each.yes) for each in opinions} == {(4, 2)}
    assert max(each.dawid_skene for each in opinions) < 0.2
    assert len(reliability.differing(found=found, at_most=100)) == 12
    assert np.all(found.dawid_skene[1::2] > 0.5)
