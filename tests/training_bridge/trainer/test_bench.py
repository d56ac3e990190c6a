"""The trainer's benchmarks: their arithmetic, that both sides would get the same rows, and that the GPU cases run."""

from __future__ import annotations

import doctest
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.trainer import cuda, cuda_ours, cuda_rows, d2o, figures, kto, kto_ours, process, rows, stopwatch
from training_bridge.formats import spec

TINY = figures.Shape(hidden=4, layers=1, intermediate=8, heads_width=4, keys=4, vocabulary=10)


@pytest.mark.parametrize("module", [figures, kto_ours])
def test_examples_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_ratio_compares_each_round_with_itself() -> None:
    """A machine that is twice as busy in the second round changes no ratio."""
    assert figures.ratio(ours=[30, 15], theirs=[10, 5]) == figures.Ratio(median=3, least=3, most=3)
    with pytest.raises(ValueError, match="argument"):
        figures.ratio(ours=[30], theirs=[10, 5])


def test_largest_difference_is_found_wherever_it_is() -> None:
    assert figures.largest_difference([0.5, 0.3, 0.2], [0.5, 0.25, 0.2]) == pytest.approx(0.2)
    assert figures.largest_difference([0.5, math.nan], [0.5, 0.4]) == math.inf
    assert figures.largest_difference([], []) == math.inf
    with pytest.raises(ValueError, match="argument"):
        figures.largest_difference([0.5], [0.5, 0.4])


def test_a_shared_prompt_is_counted_once() -> None:
    """Of K answers the prompt's matrices and attention are counted once, and all else K times."""
    alone = figures.forward_flops(TINY, figures.Prompted(prompt=5, answers=(3,)))
    prompt = figures.forward_flops(TINY, figures.Prompted(prompt=5, answers=()))
    shared = figures.forward_flops(TINY, figures.Prompted(prompt=5, answers=(3, 3, 3)))
    assert shared == pytest.approx(prompt + 3 * (alone - prompt))


def test_training_costs_three_forwards_and_an_adapter_two() -> None:
    row = figures.Prompted(prompt=5, answers=(3,))
    forward = figures.forward_flops(TINY, row)
    assert figures.step_flops(TINY, trained=[row], scored=[row], is_lora=False) == 4 * forward
    assert figures.step_flops(TINY, trained=[row], scored=[], is_lora=True) == 2 * forward


@pytest.mark.parametrize(("name", "billions"), [("0.5B", 0.494), ("7B-LoRA", 7.616)])
def test_shapes_have_the_parameters_of_their_name(name: str, billions: float) -> None:
    """Qwen2's own counts; norms and biases, which the shape leaves out, are under a thousandth."""
    model = cuda_rows.MODELS[name]
    tables = model.vocabulary * model.hidden * (1 if model.is_tied else 2)
    assert (model.shape.body + tables) / 1e9 == pytest.approx(billions, rel=2e-3)


def test_neighbours_are_trl_s_pairs() -> None:
    """In each step's rows the answer of the one before; no step's pairs reach into another."""
    settings = spec.hyperparameters({"batch_size": 2, "gradient_accumulation": 2, "seed": 3})
    taken, found = kto_ours.in_order(8, settings), kto_ours.neighbours(8, settings)
    assert sorted(taken) == list(range(8))
    for step in (taken[:4], taken[4:]):
        assert [found[row] for row in step] == [step[3], step[0], step[1], step[2]]


def test_marks_tell_rows_order_pairs_and_labels_apart() -> None:
    step = [([1, 2], [1, 3], True), ([4], [5], False)]
    others = [
        step[::-1],
        [([1, 2], [1, 4], True), step[1]],
        [([1, 2], [1, 3], False), step[1]],
        [([1, 9], [1, 3], True), step[1]],
    ]
    assert stopwatch.mark_of(step) == stopwatch.mark_of(list(step))
    assert len({stopwatch.mark_of(each) for each in (step, *others)}) == 5


def test_seconds_of_a_name_add_up() -> None:
    watch = stopwatch.Stopwatch()
    work = watch.timed("work", lambda number: number + 1)
    assert work(1) == 2
    once = watch.wall["work"]
    work(1)
    assert watch.wall["work"] > once
    assert watch.facts() == {"wall": watch.wall, "cpu": watch.cpu}


def test_rows_are_made_up_where_the_data_is_absent(tmp_path: Path) -> None:
    """In the same shares and about the same lengths, always the same, and it is said."""
    found, said = rows.load(folder=tmp_path, count=200)
    assert "made up" in said
    assert rows.load(folder=tmp_path, count=200)[0] == found
    assert len(found) == 200
    assert 100 <= sum(row["label"] for row in found) <= 140
    assert 100 < sum(len(row["prompt"].split()) for row in found) / 200 < 160
    assert all(row["prompt"].endswith("Answer:") and row["completion"].startswith(" ") for row in found)


def test_speed_is_tokens_over_reference_and_training() -> None:
    run: dict[str, Any] = {
        "tokens": 600,
        "wall": {"reference": 1.0, "training": 2.0, "loading": 9.0},
        "cpu": {"training": 3.0},
    }
    assert kto.speed(run) == 200
    assert kto.speed(run, parts=("training",)) == 300
    assert kto.speed(run, clock="cpu") == 200
    run["wall"]["looks"] = 1.0  # inside training
    assert kto.speed(run, without=("looks",)) == 300


def test_trl_is_asked_for_the_same_step_however_it_is_divided() -> None:
    for setting in kto.CANDIDATES:
        asked = kto.trl_settings(setting)
        assert asked["per_device_train_batch_size"] * asked["gradient_accumulation_steps"] == kto.STEP


def test_d2o_prompts_have_one_length_and_answers_many() -> None:
    options = d2o.Options(threads=1, prompts=5, prompt_tokens=20, answer_tokens=8, vocabulary=50)
    found = d2o.drawn(options)
    assert [len(row["prompt"]) for row in found] == [20] * 5
    assert all(len(row["answers"]) == 9 for row in found)
    assert {4, 12} <= {len(answer) for row in found for answer in row["answers"]} <= set(range(4, 13))


def test_a_process_that_fails_says_how(tmp_path: Path) -> None:
    ended = process.run(module="tests.bench.trainer.nothing_of_this_name", asked={}, folder=tmp_path, threads=1)
    assert "nothing_of_this_name" in ended.problem
    assert ended.answer == {}


def test_a_process_is_stopped_at_its_limit(tmp_path: Path) -> None:
    ended = process.run(module="tests.bench.trainer.cuda_ours", asked={}, folder=tmp_path, threads=1, seconds=0.05)
    assert ended.problem.startswith("not done after")


@pytest.mark.parametrize("name", [case.name for case in cuda.CASES if case.side == "ours"])
def test_gpu_cases_of_ours_run_on_a_cpu(name: str) -> None:
    """Tiny shapes, the same code: packed, in bfloat16, with a figure for all that is told."""
    case = next(case for case in cuda.CASES if case.name == name)
    found = cuda_ours.measured(case.asked(is_tiny=True))
    assert found["tokens_per_second"] > 0 and found["mfu"] is None
    assert found["packing"] == {"way": "blocks", "problem": ""}
    assert len(found["step_seconds"]) == cuda.TINY_STEPS - 1
    assert found["wall"].keys() == {"reference", "training"}
    json.dumps(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["0.5B kto trl-defaults", "7B-LoRA kto trl-best"])
def test_gpu_cases_of_trl_run_on_a_cpu(name: str) -> None:
    pytest.importorskip("trl")
    from tests.bench.trainer import cuda_trl  # TRL takes seconds to import

    case = next(case for case in cuda.CASES if case.name == name)
    found = cuda_trl.measured(case.asked(is_tiny=True))
    assert found["tokens_per_second"] > 0
    assert len(found["step_seconds"]) == cuda.TINY_STEPS - 1


def test_a_case_that_does_not_fit_is_told_and_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script goes on, and its figures say which case failed and how."""
    answers = iter(
        [process.Ended(problem="out of memory"), *[process.Ended(answer=_answer(100.0 * n)) for n in range(2, 11)]]
    )
    monkeypatch.setattr(process, "run", lambda **_: next(answers))
    monkeypatch.setattr(sys, "argv", ["cuda", "--dry-run", "--out", str(tmp_path / "out.json")])
    cuda.main()
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["is_dry_run"]
    assert list(told["cases"]) == [case.name for case in cuda.CASES]
    assert told["cases"]["0.5B kto ours"]["problem"] == "out of memory"
    assert "out of memory" in capsys.readouterr().out


def test_the_table_compares_kto_with_trl_s_defaults() -> None:
    table = cuda.table(
        {"7B kto ours": _answer(300.0), "7B npo ours": _answer(500.0), "7B kto trl-defaults": _answer(100.0)}
    )
    _, ours, other, theirs = table.splitlines()
    assert ours.split()[-1] == "3.00" and theirs.split()[-1] == "1.00"
    assert other.split()[-2:] == ["50.0%", "1000"]


def _answer(speed: float) -> dict[str, Any]:
    return {"tokens_per_second": speed, "mfu": 0.5, "peak_mib": 1000.0}
