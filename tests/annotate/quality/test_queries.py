from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from annotate.judgments.models import Judgment, Violation
from annotate.quality import queries
from tests import factories

pytestmark = pytest.mark.django_db


def judge(output: Output, annotator: str, verdict: str = "rejected", severity: str = "", **fields: object) -> Judgment:
    user = factories.User.objects.filter(username=annotator).first() or factories.user(annotator)
    tag = factories.tag(output.campaign)
    judgment = Judgment.objects.create(
        campaign=output.campaign,
        output=output,
        annotator=user,
        tag_set=tag.tag_set,
        verdict=verdict,
        created_at=factories.NOW,
        **fields,
    )
    if verdict == "rejected":
        Violation.objects.create(
            judgment=judgment, tag=tag, scope="whole", severity=severity, text_sha256=output.text_sha256
        )
    return judgment


def three_outputs() -> Campaign:
    """The example worked by hand in agreement.py: (a, a), (a, b), (b, b), and what must not count."""
    campaign = factories.campaign()
    first, second, third, single = (factories.output(campaign) for _ in range(4))
    judge(first, "ada", severity="major")
    judge(first, "ben", severity="minor")
    judge(second, "ada", severity="critical")
    judge(second, "ben", "nothing_wrong")
    judge(second, "eve", "cannot_tell")
    judge(third, "ada", "nothing_wrong")
    judge(third, "ben", is_current=False, revision=1)
    judge(third, "ben", "nothing_wrong", revision=2)
    judge(single, "ada")
    return campaign


def test_agreement_of_counts_current_decided_judgments_of_shared_outputs() -> None:
    found = queries.agreement_of(campaign=three_outputs())
    assert (found.outputs, found.judgments, found.annotators) == (3, 6, 2)
    assert found.any_violation == pytest.approx(4 / 9)
    assert found.any_major == pytest.approx(1 - 5 * 4 / (36 - 4 - 16))
    [(name, alpha, applied)] = found.tags
    assert (name, applied) == ("Invented fact", 3)
    assert alpha == pytest.approx(4 / 9)


def test_agreement_of_outputs_with_exactly_so_many_judgments() -> None:
    campaign = three_outputs()
    assert queries.agreement_of(campaign=campaign, judgments=3).outputs == 0
    assert queries.agreement_of(campaign=campaign, judgments=2).outputs == 3


def test_labels_by_output_takes_one_statement(django_assert_num_queries: object) -> None:
    campaign = three_outputs()
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert [len(votes) for votes in queries.labels_by_output(campaign=campaign)] == [2, 2, 2, 1]


def test_agreement_command() -> None:
    campaign = three_outputs()
    out = io.StringIO()
    call_command("agreement", campaign.slug, json=True, stdout=out)
    said = json.loads(out.getvalue())
    assert (said["any_violation"], said["outputs"]) == (0.444, 3)
    assert said["tags"] == {"Invented fact": {"alpha": 0.444, "applied": 3}}
    call_command("agreement", campaign.slug)
    with pytest.raises(CommandError, match="no campaign nowhere"):
        call_command("agreement", "nowhere")


def test_agreement_command_without_judgments() -> None:
    out = io.StringIO()
    call_command("agreement", factories.campaign().slug, json=True, stdout=out)
    assert json.loads(out.getvalue())["any_violation"] is None


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


def test_agreement_leaves_gold_out_unless_asked() -> None:
    campaign = three_outputs()
    gold = known(campaign, (0, 4))
    judge(gold, "ada")
    judge(gold, "ben")
    assert queries.agreement_of(campaign=campaign).outputs == 3
    assert queries.agreement_of(campaign=campaign, with_gold=True).judgments == 6 + 2


def test_agreement_does_not_mix_people_with_programs_unless_asked() -> None:
    campaign = three_outputs()
    output = factories.output(campaign)
    for name, kind in (("imported/x", "external"), ("checker", "script"), ("judge", "model")):
        factories.user(name, kind=kind)
        judge(output, name)
    judge(output, "ada")
    assert queries.agreement_of(campaign=campaign).judgments == 6 + 2
    assert queries.agreement_of(campaign=campaign, kinds=["script", "model"]).judgments == 2
    out = io.StringIO()
    call_command("agreement", campaign.slug, json=True, kinds=["script", "person"], stdout=out)
    said = json.loads(out.getvalue())
    assert (said["judgments"], said["kinds"]) == (6 + 2, ["person", "script"])


def test_agreement_never_counts_what_was_withdrawn() -> None:
    campaign = three_outputs()
    output = factories.output(campaign)
    judge(output, "ada", is_current=False, withdrawn_at=factories.NOW)
    judge(output, "ben")
    assert queries.agreement_of(campaign=campaign).outputs == 3
