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
