"""Training on one GPU, ours against TRL's KTO: `python -m tests.bench.trainer.cuda [--dry-run] [--cases 0.5B kto]`.

Runs by itself and without a network: models are built from a config with random weights, rows are random tokens. Qwen2
shapes, bfloat16: 0.5B with all weights trained (float32 under autocast), 7B with LoRA of rank 16 on every linear layer
(frozen weights in bfloat16). Ours: KTO, NPO, and D2O with K = 11. TRL's KTO on KTO's rows, once with its defaults
(recomputes activations, scores the reference in each step, 8 rows at a time) and once with those of its ordinary
settings that are quicker where memory allows (no recomputation, reference scored before).

Each case is a process of its own with a time limit; one that fails or runs out of memory is told and the next begins.
The first steps of a case, which compile and fill caches, are not counted. Tokens are those of prompts and answers, a
prompt once however many answers follow it. MFU is the FLOPs of `figures.step_flops` (matrices, causal attention, head
at answer tokens; backward twice the forward, once under LoRA) over time and the GPU's dense bfloat16 peak.

The figures go to --out, or cuda.json in the folder that OUT names, after each case. `--dry-run` is the same with tiny
shapes and few rows: on a CPU it takes a minute or two and measures nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.trainer import cuda_rows, process

ANCHORS = 11
STEP, STEPS, WARM = 32, 10, 4
TINY_STEP, TINY_STEPS, TINY_WARM = 8, 2, 1
BEST = {"gradient_checkpointing": False, "precompute_ref_log_probs": True}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One process: a model, a method and who trains it. `micro` rows of a step go through at once, where it is ours."""

    model: str
    method: str
    side: str
    micro: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.model} {self.method} {self.side}"

    def asked(self, *, is_tiny: bool) -> dict[str, Any]:
        step, steps, warm = (TINY_STEP, TINY_STEPS, TINY_WARM) if is_tiny else (STEP, STEPS, WARM)
        model = (cuda_rows.TINY if is_tiny else cuda_rows.MODELS)[self.model]
        lengths = cuda_rows.TINY_LENGTHS if is_tiny else cuda_rows.LENGTHS
        return {
            "method": self.method,
            "model": dataclasses.asdict(model),
            "lengths": dataclasses.asdict(lengths),
            "answers": 1 + ANCHORS if self.method == "d2o" else 1,
            "step": step,
            "micro": min(self.micro, step),
            "rows": step * steps,
            "warm": warm,
            "settings": self.settings,
        }


CASES = (
    Case(model="0.5B", method="kto", side="ours", micro=32),
    Case(model="0.5B", method="kto", side="trl-defaults"),
    Case(model="0.5B", method="kto", side="trl-best", settings=BEST),
    Case(model="0.5B", method="npo", side="ours", micro=32),
    Case(model="0.5B", method="d2o", side="ours", micro=8),
    Case(model="7B-LoRA", method="kto", side="ours", micro=8),
    Case(model="7B-LoRA", method="kto", side="trl-defaults"),
    Case(model="7B-LoRA", method="kto", side="trl-best", settings=BEST),
    Case(model="7B-LoRA", method="npo", side="ours", micro=8),
    Case(model="7B-LoRA", method="d2o", side="ours", micro=2),
)


def main() -> None:
    options = arguments()
    out = options.out or Path(os.environ.get("OUT", ".")) / "cuda.json"
    wanted = [case for case in CASES if all(word.lower() in case.name.lower() for word in options.cases)]
    lengths = cuda_rows.TINY_LENGTHS if options.dry_run else cuda_rows.LENGTHS
    found: dict[str, Any] = {"machine": process.machine(), "device": device_name(), "rows": str(lengths)}
    found |= {"is_dry_run": options.dry_run, "cases": {}}
    say(f"{found['machine']}; {found['device']}\nrows: {lengths}")
    with tempfile.TemporaryDirectory(prefix="negativa-bench-") as folder:
        for number, case in enumerate(wanted):
            found["cases"][case.name] = measure(case, Path(folder) / str(number), options)
            say(line(case.name, found["cases"][case.name]))
            out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    say(f"\n{table(found['cases'])}\n\n{out}")


def measure(case: Case, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What the case found, or its problem, and the seconds that its process took."""
    module = "tests.bench.trainer.cuda_ours" if case.side == "ours" else "tests.bench.trainer.cuda_trl"
    began = time.perf_counter()
    ended = process.run(
        module=module,
        asked=case.asked(is_tiny=options.dry_run),
        folder=folder,
        threads=options.threads,
        seconds=options.seconds,
    )
    told = {"problem": ended.problem} if ended.problem else ended.answer
    return {**told, "process_seconds": round(time.perf_counter() - began, 1)}


def table(cases: dict[str, dict[str, Any]]) -> str:
    """All cases; where there is TRL with its defaults on the same model, how many times its speed in KTO."""
    lines = [f"{'case':26} {'tokens/s':>10} {'MFU':>7} {'peak MiB':>9} {'x TRL':>6}"]
    for name, told in cases.items():
        model, method, _ = name.split()
        theirs = cases.get(f"{model} kto trl-defaults", {}).get("tokens_per_second")
        lines.append(line(name, told, theirs=theirs if method == "kto" else None))
    return "\n".join(lines)


def line(name: str, told: dict[str, Any], *, theirs: float | None = None) -> str:
    if "problem" in told:
        return f"{name:26} {told['problem']}"
    share = "" if told["mfu"] is None else f"{told['mfu']:.1%}"
    times = "" if theirs is None else f"{told['tokens_per_second'] / theirs:.2f}"
    return f"{name:26} {told['tokens_per_second']:10.0f} {share:>7} {told['peak_mib']:9.0f} {times:>6}"


def device_name() -> str:
    import torch  # in this process for its name only

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=[], help="only those whose name has all these words")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=240, help="time limit of a case")
    parser.add_argument("--threads", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes: shows that everything runs")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
