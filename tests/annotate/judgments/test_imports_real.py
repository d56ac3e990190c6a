"""Public annotation files, whole: the counts are those of their README, and every span marks the text it should."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Substr

from annotate.campaigns.models import Campaign
from annotate.intake import actions
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import imports
from annotate.judgments.models import Judgment, Violation
from annotate.quality import agreement_queries
from tests import factories

pytestmark = pytest.mark.django_db

FILES = {
    # outputs, judgments, violations, with a span
    "scarecrow50": (50, 50, 154, 154),
    "fgrlhf_dev": (500, 500, 2215, 1373),
    "lspan_mt": (2397, 3240, 2210, 2210),
    "wmt_sxs23-ende": (1040, 3120, 9977, 9244),
    "lspan_d2t": (1296, 2576, 7395, 7395),
}


def run(shared_data: Path, name: str) -> ImportBatch:
    path = shared_data / f"{name}.jsonl.gz"
    campaign = factories.campaign()
    for expected_new in (FILES[name][0], 0):
        batch = actions.create_batch(
            campaign=campaign, source="file", name=path.name, path=path, by=None, now=factories.NOW, make_tags=True
        )
        batch = imports.run(batch_id=batch.pk, clock=lambda: factories.NOW)
        assert (batch.state, batch.new_count, batch.refused_count) == ("done", expected_new, 0)
        assert batch.refused_annotation_count == 0
        with connection.cursor() as cursor:
            # Rows of an open transaction are unknown to the planner until somebody counts them.
            cursor.execute("ANALYZE")
    return batch


@pytest.mark.parametrize("name", [name for name in FILES if name != "lspan_d2t"])
def test_run_imports_a_public_file_completely_and_once(shared_data: Path, name: str) -> None:
    batch = run(shared_data, name)
    campaign = batch.campaign
    violations = Violation.objects.filter(judgment__campaign=campaign)
    assert (
        Output.objects.filter(campaign=campaign).count(),
        Judgment.objects.filter(campaign=campaign).count(),
        violations.count(),
        violations.filter(scope="span").count(),
    ) == FILES[name]
    marked = violations.filter(scope="span").annotate(
        marked=Substr("judgment__output__text", F("start") + 1, F("end") - F("start"))
    )
    assert not marked.exclude(quote=F("marked")).exists()
    assert not violations.exclude(text_sha256=F("judgment__output__text_sha256")).exists()
    _check_against_the_file(shared_data / f"{name}.jsonl.gz", campaign)


def _check_against_the_file(path: Path, campaign: Campaign) -> None:
    stored: dict[str, list[str]] = {}
    spans = Violation.objects.filter(judgment__campaign=campaign, scope="span")
    for external_id, quote in spans.values_list("judgment__output__external_id", "quote"):
        stored.setdefault(external_id, []).append(quote)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            tags = [tag for annotation in record["annotations"] for tag in annotation["tags"]]
            marked = [record["output"][tag["start"] : tag["end"]] for tag in tags if tag["start"] is not None]
            assert sorted(stored.get(record["id"], [])) == sorted(marked)


def test_agreement_of_three_raters_is_the_published_one(shared_data: Path) -> None:
    found = agreement_queries.agreement_of(campaign=run(shared_data, "wmt_sxs23-ende").campaign)
    assert (found.outputs, found.judgments, found.annotators) == (1040, 3120, 10)
    tags = {name: each.presence for name, each in found.tags}
    figures = [found.overall.detection, found.overall.major, tags["Fluency/Punctuation"]]
    figures.append(tags["Accuracy/Mistranslation"])
    assert [f"{figure.value:.3f}" for figure in figures] == ["0.457", "0.431", "0.606", "0.250"]


def test_agreement_of_pairs_is_the_published_one(shared_data: Path) -> None:
    campaign = run(shared_data, "lspan_d2t").campaign
    found = agreement_queries.agreement_of(campaign=campaign, judgments=2)
    tags = {name: each.presence for name, each in found.tags}
    assert found.outputs == 475
    figures = [found.overall.detection, tags["Contradictory"], found.overall.f1]
    assert [f"{figure.value:.3f}" for figure in figures] == ["0.148", "0.439", "0.373"]
