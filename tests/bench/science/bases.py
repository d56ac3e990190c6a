"""A seed's base model and what is judged of it: trained once, kept in the work folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.science import policies, worlds
from training_bridge.demo import truth, world
from training_bridge.exports import corrections
from training_bridge.formats import manifest, rundir, spec
from training_bridge.trainer import boundary, models

LESSONS, HELD_IN, HELD_OUT = 52_000, 300, 250
MENDED_AT_MOST = 3  # a correction may show what is wrong elsewhere
MINI_LESSONS, MINI_HELD_IN, MINI_HELD_OUT = 400, 40, 12


@dataclass(frozen=True, kw_only=True)
class Base:
    """`rows` are judged answers to held-in prompts, KTO rows; `clean` the base's own right answers to held-out ones."""

    place: worlds.World
    seed: int
    checkpoint: Path
    rows: Path
    clean: Path

    @property
    def held_out(self) -> list[world.Problem]:
        count = MINI_HELD_OUT if self.place.name == "mini" else HELD_OUT
        return worlds.problems(self.place, world.HELD_OUT, seed=self.seed, count=count)

    @property
    def held_in(self) -> list[world.Problem]:
        count = MINI_HELD_IN if self.place.name == "mini" else HELD_IN
        return worlds.problems(self.place, world.HELD_IN, seed=self.seed, count=count)


def prepare(place: worlds.World, *, seed: int, work: Path) -> Base:
    """Train the base and judge its answers, or find them in `work`."""
    folder = work / "bases" / f"{place.name}-{seed}"
    base = Base(
        place=place,
        seed=seed,
        checkpoint=folder / "run" / "checkpoint",
        rows=folder / "rows.jsonl",
        clean=folder / "clean.jsonl",
    )
    run = rundir.RunDir(path=folder / "run")
    if not run.is_checkpoint_complete():
        _train(base, run)
    if not base.clean.exists():
        policy = policies.load(base.checkpoint)
        write_rows(base.rows, judged(base, policy, base.held_in, seed=f"held-in/{seed}"))
        answers = judged(base, policy, base.held_out, seed=f"clean/{seed}")
        write_rows(base.clean, (row for row in answers if row["label"]))
    return base


def _train(base: Base, run: rundir.RunDir) -> None:
    run.data.mkdir(parents=True, exist_ok=True)
    start = run.path.parent / "start"
    worlds.write_start(base.place, start)
    count = MINI_LESSONS if base.place.name == "mini" else LESSONS
    write_rows(run.train_rows, worlds.lessons(base.place, seed=base.seed, count=count))
    spec.RunSpec(
        method="pretrain",
        base=spec.Base(location=str(start)),
        checkpoint_name=f"base-{base.place.name}-{base.seed}",
        hyperparameters=spec.hyperparameters({**base.place.pretrain, "seed": base.seed, "device": "cpu"}),
    ).write(run.spec)
    launch(run)


def launch(run: rundir.RunDir) -> None:
    """Run the folder in this process. Raises RuntimeError with the trainer's own word where it failed."""
    if boundary.run(folder=run.path):
        status = run.read_status()
        raise RuntimeError(f"{run.path.name}: {status.reason if status else 'no status'}")
    shutil.rmtree(run.steps, ignore_errors=True)


def judged(base: Base, policy: models.Policy, asked: Sequence[world.Problem], *, seed: str) -> Iterable[dict[str, Any]]:
    """Rows of one sampled answer to each problem: rejected with its findings' spans, or accepted."""
    drawn = policies.sample(policy, [each.prompt for each in asked], at_most=base.place.max_new_tokens, seed=seed)
    for number, (problem, (answer,)) in enumerate(zip(asked, drawn, strict=True)):
        findings = truth.judge(problem=problem, text=answer.text)
        if answer.text.strip():
            yield row(problem, answer.text, findings, name=f"{number}")


def row(problem: world.Problem, text: str, findings: Sequence[truth.Finding], *, name: str) -> dict[str, Any]:
    """A KTO row. What was left out has no span; an answer with such findings alone is penalised whole."""
    order = ("minor", "major", "critical")
    return {
        "id": name,
        "prompt": problem.prompt,
        "completion": text,
        "label": not findings,
        "spans": [
            {"start": each.start, "end": each.end, "tag": each.tag, "severity": each.severity, "constraint": None}
            for each in findings
            if each.start is not None and each.end is not None and each.start < each.end
        ],
        "constraints": [],
        "severity": max((each.severity for each in findings), key=order.index, default=""),
    }


def criticised(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what is to be said against its answer, as annotators' critiques."""
    return {**row, "critiques": [] if row["label"] else [each.critique for each in _findings(row, row["completion"])]}


def corrected(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row of pairs: a rejected answer, and what is left of it when everything wrong in it is corrected or taken out.

    None for what cannot be mended in place: where something is missing, the right answer is not made up.
    """
    text = row["completion"]
    for _ in range(MENDED_AT_MOST):
        text = " ".join(corrections.apply(text, _edits(_findings(row, text))).split())
    if not text or _findings(row, text):
        return None
    kept = {name: row[name] for name in ("id", "prompt", "spans", "constraints", "severity")}
    return {**kept, "chosen": text, "rejected": row["completion"], "corrected": []}


def _findings(row: dict[str, Any], text: str) -> list[truth.Finding]:
    problem = world.parse(row["prompt"])
    return truth.judge(problem=problem, text=text) if problem else []


def _edits(findings: Iterable[truth.Finding]) -> Iterator[corrections.Edit]:
    """Those that do not overlap an earlier one, in order."""
    end = 0
    placed = [each for each in findings if each.start is not None and each.end is not None]
    for each in sorted(placed, key=lambda each: (each.start, each.end)):
        if each.start is not None and each.start >= end:
            end = each.end or 0
            yield corrections.Edit(start=each.start, end=end, text=each.correction, severity=0, made=0)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_atomically(path, "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows))
