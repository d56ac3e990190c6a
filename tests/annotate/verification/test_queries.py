"""What a round says: shares worked by hand, alpha, people apart from programs, where there is work."""

from __future__ import annotations

import pytest

from annotate.verification import actions, queries
from annotate.verification.models import Item, Round
from tests import factories
from tests.annotate.verification import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def answered() -> Round:
    """Two tagged outputs and two others by ada and ben: yes yes, yes no, no no, cannot-tell no."""
    campaign = rows.world(tagged=2, others=2)
    made = rows.start(campaign, tagged=2, random=2, overlap=3)
    said = {
        "ada": ["violated", "violated", "not_violated", "cannot_tell"],
        "ben": ["violated", "not_violated", "not_violated", "not_violated"],
        "script": ["not_violated"] * 4,
    }
    places = list(Item.objects.filter(round=made).order_by("-is_tagged", "place").values_list("pk", flat=True))
    for name, values in said.items():
        person = factories.member(campaign, user=factories.user(name, kind="script" if name == "script" else "person"))
        for turn in rows.take(campaign, person, wanted=4):
            rows.say(turn, values[places.index(turn.item_id)])
    return made


def test_results_are_the_shares_and_the_agreement_of_people() -> None:
    made = answered()
    result = queries.results(rounds=[made])[made.pk]
    assert (result.tagged.outputs, result.tagged.violated, result.tagged.not_violated) == (2, 3, 1)
    assert (result.random.outputs, result.random.violated, result.random.not_violated) == (2, 0, 3)
    assert (result.tagged.share, result.random.share, result.random.cannot_tell) == (0.75, 0.0, 1)
    # Units with two decided answers: (v, v), (v, n), (n, n): 4/9, as agreement.py works it out.
    assert result.compared == 3
    assert result.alpha == pytest.approx(4 / 9)
    assert result.answers == 8
    assert result.tagged.interval is not None


def test_results_of_programs_are_apart() -> None:
    made = answered()
    result = queries.results(rounds=[made], kinds=["script"])[made.pk]
    assert (result.tagged.not_violated, result.random.not_violated, result.alpha) == (2, 2, None)


def test_results_of_a_round_without_answers_are_undefined() -> None:
    made = rows.start(rows.world())
    result = queries.results(rounds=[made])[made.pk]
    assert (result.answers, result.alpha, result.tagged.share, result.tagged.interval) == (0, None, None, None)


def test_withdrawn_answers_count_nowhere() -> None:
    campaign = rows.world()
    made = rows.start(campaign)
    ada = factories.member(campaign)
    [turn] = rows.take(campaign, ada)
    rows.say(turn)
    assert queries.progress(rounds=[made]) == {made.pk: 1}
    actions.undo(token=turn.token, annotator=ada, now=NOW)
    assert queries.results(rounds=[made])[made.pk].answers == 0
    assert queries.progress(rounds=[made]) == {made.pk: 0}


def test_with_work_names_the_campaigns_with_a_question_for_me() -> None:
    campaign, other = rows.world(), rows.world("other")
    ada, ids = factories.member(campaign), [campaign.pk, other.pk]
    assert queries.with_work(campaign_ids=ids, annotator=ada) == set()
    rows.start(campaign, tagged=0, random=1)
    assert queries.with_work(campaign_ids=ids, annotator=ada) == {campaign.pk}
    assert queries.left(campaign=campaign, annotator=ada) == 1
    [turn] = rows.take(campaign, ada)
    assert queries.with_work(campaign_ids=ids, annotator=ada) == {campaign.pk}
    rows.say(turn)
    assert queries.with_work(campaign_ids=ids, annotator=ada) == set()
    assert queries.left(campaign=campaign, annotator=ada) == 0
