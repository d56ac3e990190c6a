"""Fills a run's folder: spec.json, data/train.jsonl, data/prompts.jsonl. Doing it again gives the same folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, F, Func, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import MD5, Concat

from annotate.constraints import queries as constraint_queries
from annotate.intake.models import ImportBatch, Output, Prompt
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest, rundir, spec
from training_bridge.runs import models, sampling

TRAIN_ROWS = "train.jsonl"


def of(run: models.Run) -> rundir.RunDir:
    return rundir.RunDir(path=Path(run.folder) if run.folder else Path(settings.RUNS) / str(run.pk))


def fill(run: models.Run) -> rundir.RunDir:
    """Write everything the trainer reads. Raises manifest.BrokenManifest or spec.BadSpec; the spec is written last."""
    folder = of(run)
    folder.data.mkdir(parents=True, exist_ok=True)
    if run.dataset is not None and not folder.train_rows.exists():
        _bring_rows(run.dataset, folder.train_rows)
    if run.method in spec.ON_POLICY and not folder.train_rows.exists():
        _write_prompts(prompts(campaign_id=run.campaign_id, choice=_to_train_on(run)), folder.train_rows)
    choice = sampling.parse(run.sampling)
    if choice.count and not folder.prompts.exists():
        _write_prompts(prompts(campaign_id=run.campaign_id, choice=choice), folder.prompts)
    spec_of(run).write(folder.spec)
    return folder


def spec_of(run: models.Run) -> spec.RunSpec:
    return spec.RunSpec(
        method=run.method,
        base=base_of(run.base),
        checkpoint_name=run.checkpoint_name,
        hyperparameters=spec.hyperparameters(run.hyperparameters),
        sampling=sampling.parse(run.sampling).to_spec(),
        constraints=constraints_of(run),
        checks=tuple(run.checks),
        run_id=run.pk,
    )


def constraints_of(run: models.Run) -> tuple[str, ...]:
    """What the base is told while it samples anchors: the statements of the data's constraint set, largest first."""
    if run.method != models.Method.D2O or run.dataset is None or not run.hyperparameters.get("anchor_constraints"):
        return ()
    entries = constraint_queries.entries(constraint_set=run.dataset.constraint_set)
    return tuple(entries.values_list("statement", flat=True))


def base_of(checkpoint: models.Checkpoint) -> spec.Base:
    """An adapter is named beside the full weights it belongs to."""
    if checkpoint.kind == models.Checkpoint.Kind.ADAPTER and checkpoint.parent is not None:
        return spec.Base(location=checkpoint.parent.location, adapter=checkpoint.location)
    return spec.Base(location=checkpoint.location)


def _to_train_on(run: models.Run) -> sampling.Choice:
    """The campaign's own prompts by the run's seed, as many as its steps can see."""
    settings = spec.hyperparameters(run.hyperparameters)
    count = settings.max_steps * settings.batch_size * settings.gradient_accumulation
    return sampling.Choice(count=count, seed=settings.seed)


def prompts(*, campaign_id: int, choice: sampling.Choice) -> QuerySet[Prompt]:
    """The first `count` prompts of the chosen batch in a shuffled order that depends on the seed alone."""
    sampled = Output.objects.filter(prompt=OuterRef("pk"))
    if choice.prompt_batch is not None:
        sampled = sampled.filter(batch_id=choice.prompt_batch)
    else:
        sampled = sampled.filter(batch__purpose=ImportBatch.Purpose.ANNOTATE)
    found = Prompt.objects.filter(Exists(sampled), campaign_id=campaign_id)
    shuffled = MD5(Concat(F("sha256"), Value(f"/{choice.seed}"), output_field=TextField()))
    # C collation: the same order on every server, whatever its language.
    order = Func(shuffled, function="", template='%(expressions)s COLLATE "C"')
    return found.annotate(shuffled=order).order_by("shuffled", "pk")[: choice.count]


def _bring_rows(dataset: DatasetVersion, target: Path) -> None:
    """Hard-link the rows, or copy them across file systems, after every file has matched its sha256."""
    source = Path(dataset.folder)
    manifest.verify(source)
    with contextlib.suppress(OSError):
        os.link(source / TRAIN_ROWS, target)
        return
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source / TRAIN_ROWS, temporary)
    temporary.replace(target)


def _write_prompts(found: QuerySet[Prompt], target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for line in _prompt_lines(found):
            file.write(line)
    temporary.replace(target)


def _prompt_lines(found: QuerySet[Prompt]) -> Iterator[str]:
    for prompt in found.iterator(chunk_size=500):
        row = {"id": str(prompt.pk), "prompt": prompt.messages or prompt.text}
        yield json.dumps(row, ensure_ascii=False) + "\n"
