from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign
from annotate.campaigns.tags import TagDraft
from annotate.intake.models import Output
from annotate.judgments.models import Judgment
from annotate.quality import agreement_queries, judges
from tests import factories

pytestmark = pytest.mark.django_db


def judge(output: Output, annotator: str, verdict: str = "rejected", *marks: dict[str, Any], **fields: Any) -> Judgment:
    user = User.objects.filter(username=annotator).first() or factories.user(annotator)
    return factories.judgment(output, verdict, annotator=user, violations=marks or ({"severity": "major"},), **fields)


def three_outputs() -> Campaign:
    """The example worked by hand in agreement.py: (a, a), (a, b), (b, b), and what must not count."""
    campaign = factories.campaign(overlap=5)
    first, second, third, single = (factories.output(campaign) for _ in range(4))
    judge(first, "ada", "rejected", {"severity": "major", "start": 0, "end": 6})
    judge(first, "ben", "rejected", {"severity": "minor", "start": 3, "end": 9})
    judge(second, "ada", "rejected", {"severity": "critical"})
    judge(second, "ben", "nothing_wrong")
    judge(second, "eve", "cannot_tell")
    judge(third, "ada", "nothing_wrong")
    judge(third, "ben", is_current=False, revision=1)
    judge(third, "ben", "nothing_wrong", revision=2)
    judge(single, "ada")
    return campaign


def test_agreement_of_counts_current_decided_judgments_of_shared_outputs() -> None:
    found = agreement_queries.agreement_of(campaign=three_outputs())
    assert (found.outputs, found.judgments, found.annotators, found.is_cut) == (3, 6, 2, False)
    assert found.overall.detection.value == pytest.approx(4 / 9)
    assert found.overall.major.value == pytest.approx(1 - 5 * 4 / (36 - 4 - 16))
    assert found.overall.f1.value == pytest.approx(2 * 3 / 12)
    assert found.overall.severity.labels == 2
    [(name, tag)] = found.tags
    assert (name, tag.applied) == ("Invented fact", 3)
    assert tag.presence.value == pytest.approx(4 / 9)
    [(one, other, pair)] = found.pairs
    assert (one.username, other.username, pair.agreement.detection.outputs) == ("ada", "ben", 3)
    assert pair.agreement == found.overall


def test_agreement_of_outputs_with_exactly_so_many_judgments() -> None:
    campaign = three_outputs()
    assert agreement_queries.agreement_of(campaign=campaign, judgments=3).outputs == 0
    assert agreement_queries.agreement_of(campaign=campaign, judgments=2).outputs == 3


def test_agreement_of_the_newest_outputs() -> None:
    campaign = three_outputs()
    found = agreement_queries.agreement_of(campaign=campaign, newest=2)
    assert (found.outputs, found.judgments, found.is_cut) == (2, 4, True)
    assert found.overall.detection.value == pytest.approx(0)
    assert not agreement_queries.agreement_of(campaign=campaign, newest=3).is_cut


def test_read_takes_two_statements_however_many_there_are(django_assert_num_queries: Any) -> None:
    campaign = three_outputs()
    judgments = agreement_queries.decided(campaign=campaign, kinds=judges.PEOPLE, with_gold=False)
    with django_assert_num_queries(2):
        found = agreement_queries.read(judgments=judgments)
    assert found.columns.output.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert found.columns.is_rejected.tolist() == [1, 1, 1, 0, 0, 0, 1]
    places = (found.columns.judgment.tolist(), found.columns.start.tolist(), found.columns.end.tolist())
    assert sorted(zip(*places, strict=True)) == [(0, 0, 6), (1, 3, 9), (2, 0, 0), (6, 0, 0)]
    assert found.tags == ["invented-fact"]


def test_agreement_of_a_tag_goes_by_what_it_is_through_versions_of_the_tag_set() -> None:
    campaign = factories.campaign(overlap=2)
    output = factories.output(campaign)
    judge(output, "ada")
    renamed = [TagDraft(name="Made-up fact", slug="invented-fact", key="1"), *factories.TAGS[1:]]
    campaign_actions.save_tag_set(campaign=campaign, by=factories.admin_of(campaign), tags=renamed, now=factories.NOW)
    judge(output, "ben")
    [(name, tag)] = agreement_queries.agreement_of(campaign=campaign).tags
    assert (name, tag.applied) == ("Made-up fact", 2)


def test_agreement_leaves_gold_out_unless_asked() -> None:
    campaign = three_outputs()
    [gold] = factories.outputs(campaign, "Bloom came out in 1918.", is_gold=True)
    factories.judgment(gold, annotator=factories.user("key", kind="external"))
    judge(gold, "ada")
    judge(gold, "ben")
    assert agreement_queries.agreement_of(campaign=campaign).outputs == 3
    assert agreement_queries.agreement_of(campaign=campaign, with_gold=True).judgments == 6 + 2


def test_agreement_does_not_mix_people_with_programs_unless_asked() -> None:
    campaign = three_outputs()
    output = factories.output(campaign)
    for name, kind in (("imported/x", "external"), ("checker", "script"), ("judge", "model")):
        factories.user(name, kind=kind)
        judge(output, name)
    judge(output, "ada")
    assert agreement_queries.agreement_of(campaign=campaign).judgments == 6 + 2
    assert agreement_queries.agreement_of(campaign=campaign, kinds=["script", "model"]).judgments == 2
    said = command(campaign, kinds=["script", "person"])
    assert (said["judgments"], said["kinds"]) == (6 + 2, ["person", "script"])


def test_agreement_never_counts_what_was_withdrawn() -> None:
    campaign = three_outputs()
    output = factories.output(campaign)
    judge(output, "ada", is_current=False, withdrawn_at=factories.NOW)
    judge(output, "ben")
    assert agreement_queries.agreement_of(campaign=campaign).outputs == 3


def command(campaign: Campaign, **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("agreement", campaign.slug, json=True, stdout=out, **options)
    return dict(json.loads(out.getvalue()))


def test_agreement_command(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = three_outputs()
    said = command(campaign)
    assert said["detection"] == {"value": 0.444, "low": None, "high": None, "outputs": 3, "labels": 6}
    assert said["by_tag"]["Invented fact"]["presence"]["value"] == 0.444
    assert said["by_pair"][0]["annotators"] == ["ada", "ben"]
    call_command("agreement", campaign.slug)
    assert "3 outputs, 6 judgments, 2 annotators" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no campaign nowhere"):
        call_command("agreement", "nowhere")


def test_agreement_command_without_judgments() -> None:
    said = command(factories.campaign())
    assert (said["detection"]["value"], said["outputs"], said["by_tag"], said["by_pair"]) == (None, 0, {}, [])
