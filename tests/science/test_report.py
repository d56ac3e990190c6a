"""Which rate is chosen, and what the tables say of results worked out by hand."""

from typing import Any

from tests.bench.science import plans, report

WAY = plans.WAYS[0]


def result(label: str, seed: int, **figures: Any) -> dict[str, Any]:
    row = {
        "key": f"words/{seed}/{label}",
        "world": "words",
        "seed": seed,
        "label": label,
        "reason": "",
        "events": {"kept": None, "probe": []},
        "clean": 0.5,
        "greedy": 1.0,
        "entropy": 0.2,
        "tokens": 10.0,
        "kept": -0.1,
        "chosen": 0.5,
        "tags": {},
    }
    return {**row, **figures}


def results(*rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows}


def label(rate: float, **part: Any) -> str:
    return plans.cell("words", 1, WAY, rate=rate, **part).label


def test_the_rate_is_chosen_by_problems_that_no_table_has() -> None:
    tuned = [
        result(label(rate), 1, chosen=chosen, clean=1 - chosen)
        for rate, chosen in zip(plans.RATES, (0.6, 0.8, 0.1), strict=True)
    ]
    assert plans.chosen_rate(WAY, results(*tuned)) == plans.RATES[1]
    assert plans.chosen_rate(WAY, results(*tuned[:2])) is None


def test_a_rate_that_ended_as_not_a_number_is_not_chosen() -> None:
    tuned = [result(label(rate), 1, chosen=0.3) for rate in plans.RATES[:2]]
    failed = {**result(label(plans.RATES[2]), 1), "reason": "diverged"}
    del failed["chosen"]
    assert plans.chosen_rate(WAY, results(*tuned, failed)) == plans.RATES[0]


def test_changes_are_paired_by_seed() -> None:
    rows = [result("base", seed, clean=seed / 10) for seed in (1, 2, 3)]
    rows += [result("after", seed, clean=seed / 10 + 0.2) for seed in (1, 3, 4)]
    told = report.Told(results(*rows), "words", plans.SEEDS)
    assert [round(each, 9) for each in told.changes("after", lambda row: row["clean"])] == [0.2, 0.2]


def test_the_tables_say_what_the_rows_say() -> None:
    rate = plans.RATES[0]
    rows = [result("base", seed, clean=0.5 + seed / 100) for seed in plans.SEEDS]
    rows += [result(label(rate), seed, clean=0.6 + seed / 100) for seed in plans.SEEDS]
    rows += [result(label(other), 1, chosen=0.1) for other in plans.RATES[1:]]
    text = report.tables(results(*rows), "words")
    line = next(line for line in text.splitlines() if line.startswith(f"| {WAY.name} | 5e-5 |"))
    assert "| 0.63 (0.61-0.65) | +0.10 (+0.10 to +0.10) |" in line


def test_defaults_are_told_of_fresh_seeds_alone() -> None:
    label_ = plans.default_cell("words", 6, WAY).label
    every = (*plans.SEEDS, *plans.FRESH_SEEDS)
    events: dict[str, object] = {"probe": [], "kept": None}
    rows = [result("base", seed, clean=0.5, greedy=1.0) for seed in every]
    rows += [result(label_, seed, clean=0.4 if seed <= 5 else 0.6, greedy=1.0) | {"events": events} for seed in every]
    told = report.tables(results(*rows), "words").partition("words: defaults")[2]
    assert "| +0.10 (+0.10 to +0.10) | +0.10 |" in told
