"""Agreement, measured: `python -m tests.bench.agreement [--labels 1000000] [--campaigns 400]`.

First the alphas of so many labels over columns, against the one that goes unit by unit, in the same minute. Then all
figures of a generated campaign with so many judgments, intervals included. Then how often the 95 % intervals hold the
truth, over that many small campaigns of the same making. Prints seconds and the peak of resident memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from annotate.quality import agreement, agreement_campaign, agreement_labels, bootstrap
from annotate.quality.agreement_columns import Columns

RATERS = 4
TAGS = 25
LENGTH = 400
SIZES = (30, 100, 300)
FIGURES = ("detection", "tags", "severity", "f1", "unitised")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--campaigns", type=int, default=400)
    given = parser.parse_args()
    of_labels(given.labels)
    of_campaign(given.labels)
    of_intervals(given.campaigns)


def of_labels(count: int) -> None:
    chance = np.random.default_rng(0)
    units, raters = np.repeat(np.arange(count // RATERS), RATERS), np.tile(np.arange(RATERS), count // RATERS)
    truth = chance.integers(0, 3, size=count // RATERS)
    said = np.where(chance.random(units.size) < 0.7, truth[units], chance.integers(0, 3, size=units.size))
    labels = np.where(chance.random(units.size) < 0.1, -1, said)
    columns: dict[str, Any] = {"units": units, "raters": raters, "labels": labels, "categories": 3}
    fast = timed(f"nominal alpha, {units.size:,} labels", lambda: agreement_labels.nominal(**columns))
    timed(f"ordinal alpha, {units.size:,} labels", lambda: agreement_labels.ordinal(**columns))
    rows = labels.reshape(-1, RATERS).tolist()
    slow = timed(
        "nominal alpha, unit by unit", lambda: agreement.alpha([label for label in u if label >= 0] for u in rows)
    )
    print(f"by columns {slow / fast:.1f} x as fast")  # noqa: T201


def of_campaign(judgments: int) -> None:
    frame = generated(np.random.default_rng(1), outputs=judgments // RATERS).frame()
    print(f"{frame.outputs:,} outputs, {frame.judgments:,} judgments, {frame.tag.size:,} violations, {TAGS} tags")  # noqa: T201
    draws = agreement_campaign.draws_for(frame)
    timed("overall, six figures with intervals", lambda: agreement_campaign.overall(frame, draws=draws))
    timed("tags, four figures each", lambda: agreement_campaign.by_tag(frame, draws=draws))
    timed("pairs, six figures each", lambda: agreement_campaign.by_pair(frame, draws=draws))


def of_intervals(campaigns: int) -> None:
    chance = np.random.default_rng(2)
    large = generated(chance, outputs=200_000).frame()
    truth = agreement_campaign.overall(large, draws=agreement_campaign.draws_for(large, resamples=2))
    for size in SIZES:
        held = {name: [0, 0] for name in FIGURES}
        for _ in range(campaigns):
            frame = generated(chance, outputs=size).frame()
            found = agreement_campaign.overall(frame, draws=agreement_campaign.draws_for(frame))
            for name, counts in held.items():
                figure, right = getattr(found, name), getattr(truth, name).value
                if figure.low is not None:
                    counts[0] += figure.low <= right <= figure.high
                    counts[1] += 1
        shares = ", ".join(f"{name} {100 * yes / of:.1f} % of {of}" for name, (yes, of) in held.items())
        print(f"{size} outputs: the interval holds the truth: {shares}")  # noqa: T201


def generated(chance: np.random.Generator, *, outputs: int) -> Columns:
    """Four annotators judge every output; 40 % have a fault, of Zipf-distributed tags, found four times in five."""
    has_fault = chance.random(outputs) < 0.4
    at, fault_tag = chance.integers(0, LENGTH - 60, size=outputs), np.minimum(chance.zipf(1.5, size=outputs), TAGS) - 1
    fault_severity = chance.integers(0, 3, size=outputs)
    output = np.repeat(np.arange(outputs), RATERS)
    is_rejected = chance.random(output.size) < np.where(has_fault[output], 0.8, 0.1)
    row = np.flatnonzero(is_rejected)
    of = output[row]
    is_found = has_fault[of] & (chance.random(row.size) < 0.9)
    start = np.where(
        is_found, at[of] + chance.integers(0, 15, size=row.size), chance.integers(0, LENGTH - 60, row.size)
    )
    return Columns(
        output=output,
        annotator=np.tile(np.arange(RATERS), outputs),
        is_rejected=is_rejected.astype(np.int64),
        length=np.full(outputs, LENGTH),
        block=bootstrap.block_of(np.arange(outputs)),
        judgment=row,
        tag=np.where(is_found & (chance.random(row.size) < 0.8), fault_tag[of], chance.integers(0, TAGS, row.size)),
        severity=np.where(chance.random(row.size) < 0.6, fault_severity[of], chance.integers(0, 3, size=row.size)),
        start=start,
        end=start + chance.integers(5, 40, size=row.size),
    )


def timed(what: str, work: Callable[[], Any]) -> float:
    started, worked = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {seconds:.2f} s ({cpu:.2f} s CPU), peak {peak:.0f} MiB", flush=True)  # noqa: T201
    return cpu


if __name__ == "__main__":
    main()
