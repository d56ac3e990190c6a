"""Consensus models against crowd-kit's: `python -m tests.bench.consensus [FILE.jsonl.gz ...] [--labels 1000000]`.

Files are canonical JSONL: the largest difference of a posterior over "rejected" and every tag in it. Then generated
labels, five on each unit, by 1,000 raters: seconds and memory of each model in a process of its own, ours and
crowd-kit's in turn, for as many steps from the same start, and how far their posteriors are apart. Memory is the peak
beyond what the process held with the labels loaded. Last, how often the intervals of reliability hold.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from crowdkit.aggregation import MACE, DawidSkene
from scipy import stats

from annotate.quality import dawid_skene, mace, reliability
from annotate.quality.reliability_labels import Codes, Floats, Labels

MODELS = ("dawid_skene", "mace_vb", "mace_em")
RATERS, PER_UNIT, SEED = 1000, 5, 5
WORLDS = (
    (300, 10, 3, 0.5),
    (1000, 10, 3, 0.3),
    (1000, 30, 3, 0.3),
    (200, 5, 5, 0.3),
    (100, 3, 3, 0.4),
    (300, 10, 3, 0.1),
)
DRAWS = 40


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--alone", help="used by this program itself: one model, one process")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(alone(given.alone, given.steps, given.folder)))  # noqa: T201
        return
    for path in given.files:
        compare(path, given.steps)
    labels = generated(given.labels)
    for model in MODELS:
        race(model, labels, given.steps)
    for world in WORLDS:
        say(covered(*world))


def compare(path: Path, steps: int) -> None:
    """On every binary label of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [(record["id"], each) for record in map(json.loads, lines) for each in record["annotations"]]
    unit, rater = codes([unit for unit, _ in rows]), codes([each["annotator"] for _, each in rows])
    said = {"": [not each.get("ok") for _, each in rows]}
    for tag in sorted({mark["type"] for _, each in rows for mark in each["tags"]}):
        said[tag] = [any(mark["type"] == tag for mark in each["tags"]) for _, each in rows]
    every = [Labels(unit=unit, rater=rater, label=codes(label)) for label in said.values() if len(set(label)) == 2]
    for model in MODELS:
        apart = max(np.abs(ours(model, each, steps) - theirs(model, each, steps)).max() for each in every)
        say(f"{path.name}: {model}, {len(every)} kinds of label: at most {apart:.1e} apart")


def race(model: str, labels: Labels, steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/labels.npy", np.stack([labels.unit, labels.rater, labels.label]))
        took = {}
        for whose in ("ours", "theirs"):
            command = ["-m", "tests.bench.consensus", "--steps", str(steps)]
            command += ["--alone", f"{whose} {model}", "--folder", folder]
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
            took[whose] = json.loads(done.stdout)
        apart = np.abs(np.load(f"{folder}/ours.npy") - np.load(f"{folder}/theirs.npy")).max()
    one, other = took["ours"], took["theirs"]
    say(
        f"{model}: {labels.count} labels, {steps} steps: {one['cpu']:.2f} s CPU and {one['peak']:.0f} MiB; crowd-kit "
        f"{other['cpu']:.2f} s and {other['peak']:.0f} MiB: {other['cpu'] / one['cpu']:.1f} x as fast "
        f"({other['seconds'] / one['seconds']:.1f} x by the clock), at most {apart:.1e} apart"
    )


def alone(name: str, steps: int, folder: Path) -> dict[str, float]:
    whose, model = name.split()
    unit, rater, label = np.load(folder / "labels.npy")
    labels = Labels(unit=unit, rater=rater, label=label)
    before = peak_memory()
    started, worked = time.perf_counter(), time.process_time()
    found = (ours if whose == "ours" else theirs)(model, labels, steps)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    np.save(folder / f"{whose}.npy", found)
    return {"seconds": seconds, "cpu": cpu, "peak": peak_memory() - before}


def peak_memory() -> float:
    """In MiB, of this program alone: getrusage would count the process it was started from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def ours(model: str, labels: Labels, steps: int) -> Floats:
    if model == "dawid_skene":
        return dawid_skene.fit(labels=labels, iterations=steps, tolerance=0).posteriors
    method: mace.Method = "em" if model == "mace_em" else "vb"
    return mace.fit(labels=labels, starts=[start(labels)], method=method, iterations=steps, tolerance=0).posteriors


def theirs(model: str, labels: Labels, steps: int) -> Floats:
    frame = pd.DataFrame({"task": labels.unit, "worker": labels.rater, "label": labels.label})
    fitted: Any = (
        DawidSkene(steps, tol=-np.inf)
        if model == "dawid_skene"
        else MACE(n_restarts=1, n_iter=steps, method=model[-2:], random_state=SEED)
    )
    return np.asarray(fitted.fit_predict_proba(frame).loc[range(labels.units), range(labels.classes)])


def start(labels: Labels) -> mace.Parameters:
    """Where crowd-kit begins with SEED."""
    weights = (
        stats.uniform(1, 1.5).rvs(size=(labels.raters, columns), random_state=SEED) for columns in (2, labels.classes)
    )
    knowing, strategies = (each / each.sum(axis=1, keepdims=True) for each in weights)
    return mace.Parameters(knowing=knowing, strategies=strategies)


def generated(count: int) -> Labels:
    """PER_UNIT labels on every unit, by raters who are right in 55 to 95 of 100."""
    random = np.random.default_rng(0)
    truth = random.random(count // PER_UNIT) < 0.3
    unit = np.repeat(np.arange(truth.size), PER_UNIT)
    rater = random.integers(RATERS, size=unit.size)
    is_right = random.random(unit.size) < random.uniform(0.55, 0.95, RATERS)[rater]
    return Labels(unit=codes(unit), rater=codes(rater), label=codes(np.where(is_right, truth[unit], ~truth[unit])))


def codes(values: Any) -> Codes:
    """By first appearance: crowd-kit's MACE takes the parameters of one rater for another's otherwise."""
    return np.asarray(pd.factorize(np.asarray(values))[0], dtype=np.int64)


def covered(units: int, raters: int, per_unit: int, share: float) -> str:
    """How often the intervals hold the true figure: raters right in 60 to 98 of 100, `share` of the units positive."""
    held: dict[str, list[bool]] = {"sensitivity": [], "specificity": [], "competence": []}
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        unit = np.repeat(np.arange(units), per_unit)
        rater = random.permuted(np.tile(np.arange(raters), (units, 1)), axis=1)[:, :per_unit].ravel()
        truly = random.uniform(0.6, 0.98, (2, raters))
        truth = (random.random(units) < share)[unit]
        label = np.where(random.random(unit.size) < truly[truth.astype(int), rater], truth, ~truth)
        found = reliability.estimate(labels=Labels(unit=unit, rater=rater, label=label.astype(np.int64)))
        hold(held["specificity"], [each.specificity for each in found.annotators], truly[0])
        hold(held["sensitivity"], [each.sensitivity for each in found.annotators], truly[1])
        knows, yes = random.uniform(0.2, 0.95, raters), random.uniform(0.2, 0.8, raters)
        truth = (random.random(units) < 0.5)[unit]
        label = np.where(random.random(unit.size) < knows[rater], truth, random.random(unit.size) < yes[rater])
        found = reliability.estimate(labels=Labels(unit=unit, rater=rater, label=label.astype(np.int64)))
        hold(held["competence"], [each.competence for each in found.annotators], knows)
    told = ", ".join(f"{name} {np.mean(each):.3f}" for name, each in held.items())
    return f"95 % intervals, {units} units, {per_unit} of {raters} raters each, {share:.0%} positive: {told}"


def hold(held: list[bool], shares: list[reliability.Share | None], truly: Floats) -> None:
    for share, value in zip(shares, truly.tolist(), strict=True):
        if share is not None and share.low is not None and share.high is not None:
            held.append(share.low <= value <= share.high)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
