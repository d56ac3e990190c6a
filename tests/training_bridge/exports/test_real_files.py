from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint, Member
from annotate.intake import actions as intake_actions
from annotate.judgments import imports
from annotate.judgments.models import Violation
from tests import factories
from tests.factories import NOW
from training_bridge.exports import actions
from training_bridge.formats import rows

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here: real files are not part of a checkout"),
]


def test_fgrlhf_dev_from_import_to_both_datasets(settings: Any, tmp_path: Path) -> None:
    settings.DATASETS = tmp_path
    admin = factories.user()
    campaign = factories.campaign("fgrlhf", by=admin)
    batch = intake_actions.create_batch(
        campaign=campaign,
        source="file",
        name="fgrlhf_dev",
        path=str(DATA / "fgrlhf_dev.jsonl.gz"),
        by=admin,
        now=NOW,
        make_tags=True,
    )
    imports.run(batch_id=batch.pk, clock=lambda: NOW)
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    assert Member.objects.count() == Violation.objects.count() == 2215
    living = list(Constraint.objects.living().filter(campaign=campaign))
    assert 8 <= len(living) <= 80
    for each in living:
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    chosen = constraint_actions.approve(campaign=campaign, by=admin, now=NOW)
    for format, count in (("kto", 500), ("d2o", 494)):
        made = actions.request(campaign=campaign, constraint_set=chosen, format=format, by=admin, now=NOW)
        built = actions.build(dataset_id=made.pk, clock=lambda: NOW)
        assert (built.state, built.rows_done) == ("ready", count)
        written = list(rows.read_jsonl(Path(built.folder) / "train.jsonl"))
        assert pq.read_table(Path(built.folder) / "train.parquet").to_pylist() == written
        field = "completion" if format == "kto" else "rejected"
        assert all(0 <= span["start"] < span["end"] <= len(row[field]) for row in written for span in row["spans"])
        assert built.manifest["counts"]["rejected_with_spans"] == 464


def test_lamp_from_import_to_pairs(settings: Any, tmp_path: Path) -> None:
    """Every span has an edit, but those that only take words out say so by an empty one, which is none here."""
    settings.DATASETS = tmp_path
    admin = factories.user()
    campaign = factories.campaign("lamp", by=admin)
    batch = intake_actions.create_batch(
        campaign=campaign,
        source="file",
        name="lamp",
        path=str(DATA / "lamp.jsonl.gz"),
        by=admin,
        now=NOW,
        make_tags=True,
    )
    imports.run(batch_id=batch.pk, clock=lambda: NOW)
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    for each in Constraint.objects.living().filter(campaign=campaign):
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    chosen = constraint_actions.approve(campaign=campaign, by=admin, now=NOW)
    made = actions.request(campaign=campaign, constraint_set=chosen, format="pairs", by=admin, now=NOW)
    built = actions.build(dataset_id=made.pk, clock=lambda: NOW)
    counts = built.manifest["counts"]
    assert (counts["judged_outputs"], counts["rows"]) == (186, 61)
    assert (counts["left_out"]["corrected_in_part"], counts["left_out"]["corrections_contradict"]) == (120, 5)
    assert all(row["chosen"] != row["rejected"] for row in rows.read_jsonl(Path(built.folder) / "train.jsonl"))
