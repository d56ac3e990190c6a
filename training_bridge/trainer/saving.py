"""The checkpoint: written beside its place, listed in a manifest, renamed when whole."""

from __future__ import annotations

import dataclasses
import shutil
from typing import Any

from training_bridge.formats import manifest
from training_bridge.trainer import job, models, steps

# Events whose last word belongs to the checkpoint: what became of the rows, and what the watched answers lost.
KEPT = ("rows", "chosen_rows", "anchor_rows", "displaced", "stopped")


def save(*, job: job.Job, policy: models.Policy, steps_taken: int) -> None:
    """Write checkpoint/ with weights (or the adapter), tokenizer and manifest; a failed write leaves nothing behind.

    An adapter trained over a base that already carried one is saved merged: `base + adapter` could not name both.
    """
    job.reporter.phase("saving")
    unfinished = job.folder.checkpoint_unfinished
    shutil.rmtree(unfinished, ignore_errors=True)
    model, is_adapter = policy.model, policy.is_adapter
    if is_adapter and job.spec.base.adapter:
        model, is_adapter = model.merge_and_unload(), False
    try:
        model.save_pretrained(str(unfinished))
        policy.tokenizer.save_pretrained(str(unfinished))
        facts = {
            "kind": "adapter" if is_adapter else "full",
            "method": job.spec.method,
            "name": job.spec.checkpoint_name,
            "base": dataclasses.asdict(job.spec.base),
            "parent": job.spec.base.location if job.spec.method != "pretrain" else None,
            "run_id": job.spec.run_id,
            "spec_sha256": steps.fingerprint_of(job.folder.spec),
            "steps": steps_taken,
            "steps_asked": job.settings.max_steps,
            **_told(job, steps_taken=steps_taken),
        }
        manifest.write(unfinished, facts)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(job.folder.checkpoint, ignore_errors=True)
    unfinished.rename(job.folder.checkpoint)
    # Nothing is left to resume, and a state is three times as large as the weights.
    shutil.rmtree(job.folder.steps, ignore_errors=True)
    job.reporter.event("checkpoint", files=len(list(job.folder.checkpoint.iterdir())))


def _told(job: job.Job, *, steps_taken: int) -> dict[str, dict[str, Any]]:
    """The last event of each kept kind, of an earlier launch, too; none that was after the checkpoint's step."""
    found: dict[str, dict[str, Any]] = {}
    for event in job.folder.read_events():
        kind = event.pop("kind", "")
        is_later = kind == "displaced" and event["step"] > steps_taken
        if kind in KEPT and not is_later:
            found[kind] = {name: value for name, value in event.items() if name not in ("at", "elapsed")}
    return found
