"""Brings home what a finished trainer left: the checkpoint with its lineage, and its outputs into the queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from django.db import transaction

from annotate import errors
from annotate.intake import actions as intake_actions
from annotate.intake.models import ImportBatch
from annotate.judgments import imports
from training_bridge.formats import manifest, rows, rundir
from training_bridge.runs import checkpoint_folder, models, outcome, sampling, states

Clock = Callable[[], datetime]


class End(Protocol):
    def __call__(self, run: models.Run, to: str, *, now: datetime, reason: str = "") -> None: ...


def harvest(*, run: models.Run, place: rundir.RunDir, clock: Clock, end: End) -> None:
    """Register the checkpoint once, import its outputs once, then end the run. Goes on where it was cut off."""
    models.Run.objects.filter(pk=run.pk).update(phase="importing")
    try:
        checkpoint = _checkpoint(run, place, now=clock())
    except (manifest.BrokenManifest, checkpoint_folder.BadFolder) as error:
        end(run, states.FAILED, now=clock(), reason=f"The checkpoint cannot be used: {error}")
        return
    choice = sampling.parse(run.sampling)
    if not choice.count:
        end(run, states.SUCCEEDED, now=clock(), reason=_remark(place))
    elif not place.outputs.exists():
        end(run, states.FAILED, now=clock(), reason="The trainer said it had finished but wrote no outputs.jsonl.")
    else:
        _bring_outputs(run, checkpoint, place, clock, end)


def _bring_outputs(
    run: models.Run, checkpoint: models.Checkpoint, place: rundir.RunDir, clock: Clock, end: End
) -> None:
    try:
        batch_id = _batch(run=run, checkpoint=checkpoint, path=_with_own_ids(run, place), now=clock())
    except (errors.RuleError, ValueError) as error:
        end(run, states.FAILED, now=clock(), reason=f"The outputs could not be imported: {error}")
        return
    imports.run(batch_id=batch_id, clock=clock)
    batch = ImportBatch.objects.get(pk=batch_id)
    if batch.state == ImportBatch.State.DONE:
        end(run, states.SUCCEEDED, now=clock(), reason=_remark(place))
    elif batch.state == ImportBatch.State.FAILED:
        end(run, states.FAILED, now=clock(), reason=f"The outputs could not be imported: {batch.reason}")
    # Else somebody else is importing it just now, or was killed doing so: the next advance looks again.


def _remark(place: rundir.RunDir) -> str:
    return outcome.remark(manifest.read(place.checkpoint) or {})


def _checkpoint(run: models.Run, place: rundir.RunDir, *, now: datetime) -> models.Checkpoint:
    """Return the run's checkpoint, registering it the first time. Raises BrokenManifest or BadFolder."""
    if run.method == models.Method.SAMPLE:
        return run.base
    known = models.Checkpoint.objects.filter(run=run).first()
    if known is not None:
        return known
    manifest.verify(place.checkpoint)
    is_adapter = (place.checkpoint / checkpoint_folder.ADAPTER_CONFIG).exists()
    kind = models.Checkpoint.Kind.ADAPTER if is_adapter else models.Checkpoint.Kind.FULL
    checkpoint_folder.check(folder=place.checkpoint, kind=kind)
    return _register(run=run, place=place, kind=kind, now=now)


@transaction.atomic
def _register(*, run: models.Run, place: rundir.RunDir, kind: str, now: datetime) -> models.Checkpoint:
    models.Run.objects.select_for_update().get(pk=run.pk)
    is_taken = models.Checkpoint.objects.filter(name=run.checkpoint_name).exclude(run=run).exists()
    checkpoint, _ = models.Checkpoint.objects.get_or_create(
        run=run,
        defaults={
            "name": f"{run.checkpoint_name} (run {run.pk})" if is_taken else run.checkpoint_name,
            "kind": kind,
            "location": str(place.checkpoint),
            "campaign": run.campaign,
            "parent": run.base,
            "manifest_sha256": manifest.sha256_of(place.checkpoint / manifest.NAME),
            "created_at": now,
        },
    )
    return checkpoint


def _with_own_ids(run: models.Run, place: rundir.RunDir) -> Path:
    """Write the outputs again with the run in their ids, so that sampling a checkpoint twice gives different outputs.

    Raises ValueError naming the line that is not an object.
    """
    target = place.path / "import.jsonl"
    if not target.exists():
        temporary = target.with_name(".import.jsonl.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            for number, row in enumerate(rows.read_jsonl(place.outputs), start=1):
                own = {**row, "id": f"run {run.pk}: {row.get('id', number)}"}
                file.write(json.dumps(own, ensure_ascii=False) + "\n")
        temporary.replace(target)
    return target


@transaction.atomic
def _batch(*, run: models.Run, checkpoint: models.Checkpoint, path: Path, now: datetime) -> int:
    """Return the id of the batch for the run's outputs, made the first time; the locked row keeps it one."""
    models.Run.objects.select_for_update().get(pk=run.pk)
    known = models.SampleBatch.objects.filter(run=run).first()
    if known is not None:
        return known.batch_id
    batch = intake_actions.create_batch(
        campaign=run.campaign,
        source=ImportBatch.Source.CHECKPOINT,
        name=f"{checkpoint.name}, run {run.pk}.jsonl",
        path=path,
        by=run.requested_by,
        now=now,
        purpose=sampling.parse(run.sampling).purpose,
    )
    models.SampleBatch.objects.create(checkpoint=checkpoint, batch=batch, run=run)
    return batch.pk
