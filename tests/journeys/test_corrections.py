"""From corrections typed while judging to checkpoints that learned them: judge, approve, export pairs, train."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments import actions as judgments
from annotate.judgments.drafts import ViolationDraft
from annotate.queue import actions as queue
from tests import factories
from tests.journeys import test_loop
from tests.training_bridge.trainer import toys
from training_bridge.formats import rows, rundir
from training_bridge.runs import actions as runs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]


def judge(campaign: Campaign, annotator: User) -> None:
    """Reject every wrong sum at its number and write the right one, as a person with a calculator would."""
    while (lease := queue.lease_next(campaign=campaign, annotator=annotator, now=clock.now())) is not None:
        left, right = lease.output.prompt.text.rstrip(" =").split(" + ")
        said, should = lease.output.text.rstrip("."), str(int(left) + int(right))
        mark = ViolationDraft(
            tag_slug="invented-fact",
            scope="span",
            severity="major",
            start=0,
            end=len(said),
            critique="wrong sum",
            correction=should,
        )
        judgments.submit(
            token=lease.token,
            annotator=annotator,
            verdict="nothing_wrong" if said == should else "rejected",
            violations=[] if said == should else [mark],
            idempotency_key=uuid.uuid4(),
            now=clock.now(),
        )


def test_a_correction_becomes_a_checkpoint_whose_outputs_come_back(tmp_path: Path) -> None:
    admin = factories.superuser("ada")
    campaign = factories.campaign("sums", by=admin)
    source = tmp_path / "outputs.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in test_loop.OUTPUTS))
    test_loop._import(campaign, admin, source)
    judge(campaign, factories.member(campaign))

    dataset = test_loop._dataset(campaign, admin, test_loop._approve(campaign, admin), "pairs")
    counts = dataset.manifest["counts"]
    assert (counts["rows"], counts["left_out"]["nothing_wrong"]) == (6, 6)
    for row in rows.read_jsonl(Path(dataset.folder) / "train.jsonl"):
        left, right = str(row["prompt"]).rstrip(" =").split(" + ")
        assert row["chosen"] == f"{int(left) + int(right)}."
        assert row["rejected"] == f"{int(left) + int(right) + 1}."

    base = runs.register_checkpoint(name="base", location=toys.base(tmp_path / "base"), by=admin, now=clock.now())
    for method in ("dpo", "orpo", "sft"):
        asked = runs.request(
            campaign=campaign,
            method=method,
            base=base,
            dataset=dataset,
            hyperparameters={**test_loop.BRIEF, "max_steps": 2},
            sampling={"count": 3, "max_new_tokens": 8},
            by=admin,
            now=clock.now(),
        )
        run = test_loop._finish(asked)
        assert run.state == "succeeded", run.reason
        assert run.checkpoint.name == f"sums-{method}-{run.pk}"
        kinds = {event["kind"] for event in rundir.RunDir(path=Path(run.folder)).read_events()}
        assert "probe" in kinds
        assert run.checkpoint.sample_batches.get().batch.new_count > 0
