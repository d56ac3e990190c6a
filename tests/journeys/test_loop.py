"""The whole path on a random two-layer model: import, judge, group, approve, export, train, sample, and back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.models import Constraint, ConstraintSet
from annotate.intake import actions as intake
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import actions as judgments
from annotate.judgments import imports
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue
from tests import factories
from tests.training_bridge.trainer import toys
from training_bridge.demo import model_files, sizes
from training_bridge.exports import actions as exports
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import rundir
from training_bridge.runs import actions as runs
from training_bridge.runs.models import Checkpoint, Run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

OUTPUTS = [{"prompt": f"{n} + {n} = ", "output": f"{n + n + n % 2}.", "model": "base"} for n in range(2, 14)]
BRIEF = {
    "learning_rate": 1e-3,
    "max_steps": 4,
    "batch_size": 4,
    "save_every": 2,
    "device": "cpu",
    "anchors": 2,
    "anchor_max_new_tokens": 8,
}


def _import(campaign: Campaign, admin: User, path: Path, **options: Any) -> ImportBatch:
    batch = intake.create_batch(
        campaign=campaign, source="file", name=path.name, path=str(path), by=admin, now=clock.now(), **options
    )
    return imports.run(batch_id=batch.pk, clock=clock.now)


def _judge(campaign: Campaign, annotator: User) -> None:
    """Reject every wrong sum at its number, as a person with a calculator would."""
    while (lease := queue.lease_next(campaign=campaign, annotator=annotator, now=clock.now())) is not None:
        left, right = lease.output.prompt.text.rstrip(" =").split(" + ")
        said = lease.output.text.rstrip(".")
        is_right = said == str(int(left) + int(right))
        mark = ViolationDraft(
            tag_slug="invented-fact", scope="span", severity="major", start=0, end=len(said), critique="wrong sum"
        )
        judgments.submit(
            token=lease.token,
            annotator=annotator,
            verdict="nothing_wrong" if is_right else "rejected",
            violations=[] if is_right else [mark],
            idempotency_key=uuid.uuid4(),
            now=clock.now(),
        )


def _approve(campaign: Campaign, admin: User) -> ConstraintSet:
    constraints.regroup(campaign_id=campaign.pk, now=clock.now())
    for constraint in Constraint.objects.filter(campaign=campaign, state="candidate"):
        constraints.accept(constraint=constraint, by=admin, now=clock.now())
    return constraints.approve(campaign=campaign, by=admin, now=clock.now())


def _dataset(campaign: Campaign, admin: User, approved: ConstraintSet, format: str) -> DatasetVersion:
    asked = exports.request(campaign=campaign, constraint_set=approved, format=format, by=admin, now=clock.now())
    return exports.build(dataset_id=asked.pk, clock=clock.now)


def _finish(run: Run, seconds: float = 250) -> Run:
    until = time.monotonic() + seconds
    while (run := runs.advance(run_id=run.pk, clock=clock.now)).state in ("requested", "launching", "running"):
        assert time.monotonic() < until, f"still {run.state}, {run.phase}"
        time.sleep(0.1)
    return run


def _train(campaign: Campaign, admin: User, base: Checkpoint, dataset: DatasetVersion, **more: Any) -> Run:
    asked = runs.request(
        campaign=campaign,
        method=dataset.format,
        base=base,
        dataset=dataset,
        hyperparameters={**BRIEF, **more},
        sampling={"count": 5, "max_new_tokens": 8},
        by=admin,
        now=clock.now(),
    )
    return _finish(asked)


def test_a_rejection_becomes_a_checkpoint_whose_outputs_come_back(tmp_path: Path) -> None:
    admin = factories.superuser("ada")
    campaign = factories.campaign("sums", by=admin)
    source = tmp_path / "outputs.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in OUTPUTS))
    assert _import(campaign, admin, source).new_count == len(OUTPUTS)

    _judge(campaign, factories.member(campaign))
    assert Judgment.objects.filter(verdict="rejected").count() == len(OUTPUTS) // 2

    approved = _approve(campaign, admin)
    base = runs.register_checkpoint(name="base", location=toys.base(tmp_path / "base"), by=admin, now=clock.now())
    for format, rows in (("kto", len(OUTPUTS)), ("d2o", len(OUTPUTS) // 2)):
        dataset = _dataset(campaign, admin, approved, format)
        assert (dataset.state, dataset.manifest["counts"]["rows"]) == ("ready", rows)

        run = _train(campaign, admin, base, dataset)
        assert run.state == "succeeded", run.reason
        assert (run.checkpoint.parent, run.checkpoint.campaign) == (base, campaign)
        batch = run.checkpoint.sample_batches.get().batch
        assert batch.new_count + batch.refused_count <= 5
        assert batch.outputs.filter(queue_item__taken_count=0).count() == batch.new_count > 0


def test_a_real_file_goes_the_whole_way(shared_data: Path, tmp_path: Path) -> None:
    """fgrlhf_dev: long prompts, 500 external judgments, missing information; 20 steps of each method."""
    admin = factories.superuser("ada")
    campaign = factories.campaign("questions", by=admin)
    batch = _import(campaign, admin, shared_data / "fgrlhf_dev.jsonl.gz", make_tags=True, namespace="fgrlhf_dev")
    assert (batch.new_count, batch.judgment_count, batch.refused_count) == (500, 500, 0)
    approved = _approve(campaign, admin)

    start = tmp_path / "start"
    model_files.write(folder=start, shape=sizes.MINI.shape)
    place = toys.run_folder(tmp_path / "pretrain", method="pretrain", location=start, rows=toys.sums(64), max_steps=5)
    _run_trainer(place.path)
    base = runs.register_checkpoint(name="small", location=place.checkpoint, by=admin, now=clock.now())

    before = Output.objects.filter(campaign=campaign).count()
    for format in ("kto", "d2o"):
        dataset = _dataset(campaign, admin, approved, format)
        run = _train(
            *(campaign, admin, base, dataset),
            max_steps=20, max_prompt_length=256, long_rows="truncate_left", save_every=0, stop_below=0.0,
        )  # fmt: skip
        assert run.state == "succeeded", run.reason
        steps = [
            event["step"] for event in rundir.RunDir(path=Path(run.folder)).read_events() if event["kind"] == "step"
        ]
        assert steps == list(range(1, 21))
    assert Output.objects.filter(campaign=campaign).count() > before


def _run_trainer(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "training_bridge.trainer", str(folder)], check=True, timeout=250)
