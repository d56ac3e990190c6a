"""Datasets and runs, asked for and followed as from their pages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from annotate.campaigns.models import Campaign
from annotate.constraints.models import ConstraintSet
from annotate.intake.models import ImportBatch
from training_bridge.demo import stage as stages
from training_bridge.demo.stage import DemoFailed, Stage
from training_bridge.exports import actions as export_actions
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs import actions as run_actions
from training_bridge.runs import states
from training_bridge.runs.models import Checkpoint, Run

# Where each phase of a run begins, as a share of the step, and how much of the step it takes.
_PHASES = {
    "anchors": (0.1, 0.3),
    "reference": (0.4, 0.0),
    "training": (0.4, 0.4),
    "saving": (0.8, 0.0),
    "sampling": (0.8, 0.15),
    "importing": (0.95, 0.0),
}


def dataset(*, stage: Stage, constraint_set: ConstraintSet, form: str) -> DatasetVersion:
    """Request and build the operator's dataset of this form, or return it. Raises DemoFailed."""
    found = DatasetVersion.objects.filter(
        constraint_set=constraint_set, format=form, requested_by=stage.operator
    ).exclude(state=DatasetVersion.State.FAILED)
    asked = found.order_by("version").first() or export_actions.request(
        campaign=constraint_set.campaign,
        constraint_set=constraint_set,
        format=form,
        by=stage.operator,
        now=stage.now(),
        options={"kinds": [stage.script.kind]},
    )

    def is_done() -> bool:
        built = export_actions.build(dataset_id=asked.pk, clock=stage.now)
        return built.state in (DatasetVersion.State.READY, DatasetVersion.State.FAILED)

    stages.wait(stage=stage, what=f"building the {asked.get_format_display()} dataset", is_done=is_done)
    asked.refresh_from_db()
    if asked.state == DatasetVersion.State.FAILED:
        raise DemoFailed(f"The {asked.get_format_display()} dataset could not be built: {asked.reason}")
    return asked


def trained(
    *,
    stage: Stage,
    base: Checkpoint,
    rows: DatasetVersion,
    hyperparameters: Mapping[str, Any],
    asked: ImportBatch,
) -> Checkpoint:
    """Train on a dataset, let the new checkpoint answer the prompts of `asked`, and return it. Raises DemoFailed."""
    run = _requested(stage, rows.campaign, base, rows, hyperparameters, asked)
    if run.state in states.RESUMABLE:
        run = run_actions.resume(run=run, by=stage.operator, now=stage.now())
    run = _ended(stage, run)
    checkpoint = Checkpoint.objects.filter(run=run).first()
    if run.state != states.SUCCEEDED or checkpoint is None:
        raise DemoFailed(f"Run {run.pk} ({run.method}) {run.state}. {run.reason}".strip())
    took = (run.ended_at - run.launched_at).total_seconds() if run.ended_at and run.launched_at else 0
    stage.book.note(f"run {run.pk}: {hyperparameters['max_steps']} steps, {took:.0f} s in all")
    return checkpoint


def _requested(
    stage: Stage,
    campaign: Campaign,
    base: Checkpoint,
    rows: DatasetVersion,
    hyperparameters: Mapping[str, Any],
    asked: ImportBatch,
) -> Run:
    return run_actions.request(
        campaign=campaign,
        method=rows.format,
        base=base,
        dataset=rows,
        hyperparameters={**hyperparameters, "seed": stage.run.seed, "device": "cpu"},
        sampling={
            "prompt_batch": asked.pk,
            "count": stage.size.held_out,
            "temperature": stage.size.temperature,
            "max_new_tokens": stage.size.max_new_tokens,
            "seed": stage.run.seed,
            "purpose": ImportBatch.Purpose.EVALUATE.value,
        },
        by=stage.operator,
        now=stage.now(),
        due_key=f"{stage.slug}/{rows.format}",
    )


def _ended(stage: Stage, run: Run) -> Run:
    """Advance the run until it has ended; a worker may be doing the same."""
    deadline = time.monotonic() + stages.WAIT_SECONDS
    while True:
        run = run_actions.advance(run_id=run.pk, clock=stage.now)
        if run.state in states.ENDED:
            return run
        if time.monotonic() > deadline:
            raise DemoFailed(f"Run {run.pk} has not ended after {stages.WAIT_SECONDS // 60} minutes; see its page.")
        at, share = _PHASES.get(run.phase, (0.0, 0.0))
        done = run.step / run.total_steps if run.total_steps else 0.0
        total = f", {run.step} of {run.total_steps}" if run.total_steps else ""
        stage.book.move(at + share * done, f"run {run.pk}: {run.phase or run.state}{total}")
        time.sleep(stages.POLL_SECONDS)
