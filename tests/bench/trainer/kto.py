"""KTO, ours against TRL's KTOTrainer: tokens a second, peak memory, and whether the loss curves are the same.

1. TRL's settings are tried on a few rows; the quickest is what ours is compared with.
2. In rounds, turn by turn: ours with nothing in its cache of reference log-probs, TRL, ours again with all in it.
3. The curve, on the rows of one round: TRL with a whole step in one batch, as only then its z is the step's, not the
   mean of the z of its micro-batches.
4. Once, ours and TRL on all rows.

Tokens are those of prompts and completions of the rows that were trained on, without padding and without mismatched
pairs, which both compute. Seconds are those of scoring the reference and of training; those of training alone are told
beside them. Processor seconds say the same where other work is on the machine. Our run looks at watched answers eleven
times, which TRL does not; that is part of its training, weighs most where steps are few, and is told.
"""

from __future__ import annotations

import itertools
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.trainer import base, figures, kto_ours, process, rows
from training_bridge.formats import spec

STEP = 16  # rows
RATE = 5e-5
LONGEST = 1536  # tokens; no row is cut
SWEEP_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much is measured: `rows` once and `round_rows` in each of `rounds`, both whole steps.

    Prompts and answers are cut to `words`, unless that is 0.
    """

    data: Path | None
    threads: int
    rows: int = 2000
    rounds: int = 3
    round_rows: int = 320
    vocabulary: int = base.VOCABULARY
    words: int = 0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How TRL is asked to train a step of STEP rows."""

    micro: int
    is_precomputed: bool = True

    def __str__(self) -> str:
        way = "reference precomputed" if self.is_precomputed else "reference in each step"
        return f"{self.micro} rows x {STEP // self.micro}, {way}"


CANDIDATES = tuple(Setting(micro=micro) for micro in (16, 8, 4, 2))
WHOLE = Setting(micro=STEP)


@dataclass(kw_only=True)
class Bench:
    """A folder with the base and the rows, and what was measured in it."""

    folder: Path
    options: Options
    found: dict[str, Any] = field(default_factory=dict)
    _number: Any = field(default_factory=itertools.count)

    def prepare(self) -> None:
        read, said = rows.load(folder=self.options.data, count=self.options.rows, words=self.options.words)
        texts = (row["prompt"] + row["completion"] for row in read)
        size = base.build(folder=self.folder / "base", texts=texts, vocabulary=self.options.vocabulary)
        (self.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in read), encoding="utf-8")
        self.found |= {"rows": said, "parameters": size, "threads": self.options.threads}
        self.found["accepted"] = sum(row["label"] for row in read)

    def ours(self, count: int, *, beside: str = "") -> dict[str, Any]:
        """Our trainer on the first `count` rows. `beside` names an earlier run, whose cache it then finds."""
        name = f"ours-{next(self._number)}"
        asked = {
            "run": str(self.folder / (beside or name) / name),
            "rows": str(self._first(count)),
            "base": str(self.folder / "base"),
            "hyperparameters": _settings(count),
        }
        return {**self._run("tests.bench.trainer.kto_ours", asked, name), "name": name}

    def trl(self, count: int, setting: Setting) -> dict[str, Any]:
        """TRL on the same rows in the same order."""
        name = f"trl-{next(self._number)}"
        asked = {
            "base": str(self.folder / "base"),
            "rows": str(self._first(count)),
            "order": kto_ours.in_order(count, spec.hyperparameters(_settings(count))),
            "output": str(self.folder / name),
            "settings": trl_settings(setting),
        }
        return self._run("tests.bench.trainer.kto_trl", asked, name)

    def _first(self, count: int) -> Path:
        path = self.folder / f"rows-{count}.jsonl"
        lines = (self.folder / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:count]), encoding="utf-8")
        return path

    def _run(self, module: str, asked: dict[str, Any], name: str) -> dict[str, Any]:
        ended = process.run(
            module=module, asked=asked, folder=self.folder / "work" / name, threads=self.options.threads
        )
        if ended.problem:
            raise SystemExit(f"{name}: {ended.problem}")
        return ended.answer


def trl_settings(setting: Setting) -> dict[str, Any]:
    """TRL's arguments: our optimizer and schedule, float32, no recomputation (it fits), nothing written to disk."""
    return {
        "per_device_train_batch_size": setting.micro,
        "gradient_accumulation_steps": STEP // setting.micro,
        "precompute_ref_log_probs": setting.is_precomputed,
        "learning_rate": RATE,
        "num_train_epochs": 1,
        "max_length": LONGEST,
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def _settings(count: int) -> dict[str, Any]:
    return {
        "batch_size": STEP,
        "max_steps": count // STEP,
        "learning_rate": RATE,
        "max_length": LONGEST,
        "device": "cpu",
    }


def measure(*, folder: Path, options: Options) -> dict[str, Any]:
    """All four parts; prints as it goes and returns what it found."""
    bench = Bench(folder=folder, options=options)
    bench.prepare()
    found = bench.found
    say(f"{found['rows']}, {found['accepted']} of them accepted; {found['parameters'] / 1e6:.1f} million parameters")
    say(f"{options.threads} threads, {STEP} rows a step")
    best = quickest(bench, min(SWEEP_STEPS * STEP, options.rows))
    found["setting"] = str(best)
    found["rounds"] = rounds(bench, best)
    found["curve"] = curve(bench, found["rounds"][0]["ours"])
    found["whole"] = whole(bench, best)
    return found


def quickest(bench: Bench, count: int) -> Setting:
    """TRL's quickest division of a step with the reference computed first; then the same one without that."""
    speeds = {setting: speed(bench.trl(count, setting)) for setting in CANDIDATES}
    best = max(speeds, key=speeds.__getitem__)
    live = Setting(micro=best.micro, is_precomputed=False)
    speeds[live] = speed(bench.trl(count, live))
    for setting, found in speeds.items():
        say(f"  TRL, {setting}: {found:.0f} tokens/s")
    bench.found["sweep"] = {str(setting): found for setting, found in speeds.items()}
    return max(speeds, key=speeds.__getitem__)


def rounds(bench: Bench, best: Setting) -> list[dict[str, Any]]:
    found = []
    for _ in range(bench.options.rounds):
        cold = bench.ours(bench.options.round_rows)
        other = bench.trl(bench.options.round_rows, best)
        warm = bench.ours(bench.options.round_rows, beside=cold["name"])
        found.append({"ours": cold, "trl": other, "warm": warm})
    mine, others, known = ([each[name] for each in found] for name in ("ours", "trl", "warm"))
    say(f"{bench.options.rounds} rounds of {bench.options.round_rows} rows, TRL with {best}:")
    say(f"  {compared(mine, others)}")
    say(f"  with our cache filled: {compared(known, others)}")
    say(f"  ours {told(mine[0])}\n  TRL  {told(others[0])}")
    return found


def whole(bench: Bench, best: Setting) -> dict[str, Any]:
    count = bench.options.rows
    mine, other = bench.ours(count), bench.trl(count, best)
    say(f"all {count} rows: {compared([mine], [other])}")
    say(f"  ours {told(mine)}\n  TRL  {told(other)}")
    return {"ours": mine, "trl": other}


def curve(bench: Bench, ours: dict[str, Any]) -> dict[str, Any]:
    """How far our losses are from TRL's on the same rows, order and pairs. Raises SystemExit where those differ."""
    other = bench.trl(bench.options.round_rows, WHOLE)
    if ours["marks"] != other["marks"]:
        raise SystemExit("TRL was not given the rows, the order or the pairs that ours had: the curves say nothing")
    largest = figures.largest_difference(ours["losses"], other["losses"])
    first, last = other["losses"][0], other["losses"][-1]
    say(f"loss curve: {len(other['losses'])} steps, {first:.4f} to {last:.4f}, largest difference {largest:.2e}")
    return {"ours": ours["losses"], "trl": other["losses"], "largest_difference": largest}


def speed(
    run: dict[str, Any],
    *,
    clock: str = "wall",
    parts: tuple[str, ...] = ("reference", "training"),
    without: tuple[str, ...] = (),
) -> float:
    """Tokens a second; where TRL's reference is part of each step it has no time of its own.

    `without` are parts of those parts: their seconds are taken off.
    """
    seconds: float = sum(run[clock].get(part, 0.0) for part in parts)
    seconds -= sum(run[clock].get(part, 0.0) for part in without)
    return int(run["tokens"]) / seconds


def compared(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    def ratio(**how: Any) -> figures.Ratio:
        return figures.ratio(ours=[speed(each, **how) for each in ours], theirs=[speed(each, **how) for each in theirs])

    memory = [statistics.median(each["peak_mib"] for each in side) for side in (ours, theirs)]
    return (
        f"{ratio()} tokens/s, training alone {ratio(parts=('training',))}, by processor seconds {ratio(clock='cpu')}, "
        f"without our looks at watched answers {ratio(without=('looks',))}; "
        f"peak memory {memory[0]:.0f} against {memory[1]:.0f} MiB"
    )


def told(run: dict[str, Any]) -> str:
    above = run["peak_mib"] - run["loaded_mib"]
    seconds = ", ".join(f"{name} {taken:.1f} s" for name, taken in run["wall"].items())
    return f"{speed(run):.0f} tokens/s ({seconds}), {run['peak_mib']:.0f} MiB, {above:.0f} above the loaded model"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
