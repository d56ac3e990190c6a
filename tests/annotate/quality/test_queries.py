from __future__ import annotations

import pytest

from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from annotate.quality import queries
from tests import factories

pytestmark = pytest.mark.django_db


def known(campaign: Campaign, *spans: tuple[int, int], text: str = "Bloom came out in 1918.") -> Output:
    """A gold output; without spans, nothing is wrong with it."""
    batch = campaign.batches.filter(purpose="gold").first() or factories.batch(campaign, purpose="gold")
    output = factories.output(campaign, f"{text} {campaign.outputs.count()}", batch=batch)
    marks = [{"start": start, "end": end} for start, end in spans]
    key = factories.User.objects.filter(username="gold/key").first() or factories.user("gold/key", kind="external")
    factories.judgment(output, "rejected" if spans else "nothing_wrong", annotator=key, violations=marks)
    return output


def test_gold_scores_count_current_judgments_of_annotators() -> None:
    campaign = factories.campaign(overlap=5)
    wrong, fine = known(campaign, (18, 22)), known(campaign)
    ada, ben, script = factories.user("ada"), factories.user("ben"), factories.user("checker", kind="script")
    factories.judgment(wrong, annotator=ada, violations=[{"start": 18, "end": 20, "tag": "ignores-instruction"}])
    factories.judgment(fine, "nothing_wrong", annotator=ada, is_surplus=True)
    factories.judgment(wrong, annotator=ben, is_current=False, withdrawn_at=factories.NOW)
    factories.judgment(fine, annotator=ben)
    factories.judgment(wrong, "cannot_tell", annotator=script)
    factories.judgment(factories.output(campaign, batch=factories.batch(campaign)), annotator=ben)
    ids = queries.gold_ids(campaign=campaign, at_most=10)
    assert ids == [fine.pk, wrong.pk]
    assert set(queries.measured(output_ids=ids)) == {ada, ben, script}
    scores = queries.gold_scores(output_ids=ids, annotator_ids=[ada.pk, ben.pk, script.pk])
    assert (scores[ada.pk].found.share, scores[ada.pk].alarms.share, scores[ada.pk].judged) == (1, 0, 2)
    assert (scores[ada.pk].tags.share, scores[ada.pk].recall.share, scores[ada.pk].precision.share) == (0, 0.5, 1)
    assert (scores[ben.pk].found.share, scores[ben.pk].alarms.share, scores[ben.pk].judged) == (None, 1, 1)
    assert (scores[script.pk].judged, scores[script.pk].cannot_tell) == (0, 1)


def test_gold_scores_take_one_statement(django_assert_num_queries: object) -> None:
    campaign = factories.campaign(overlap=5)
    ada = factories.user("ada")
    ids = [known(campaign, (0, 4)).pk for _ in range(4)]
    for output in campaign.outputs.all():
        factories.judgment(output, annotator=ada)
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert queries.gold_scores(output_ids=ids, annotator_ids=[ada.pk])[ada.pk].judged == 4
