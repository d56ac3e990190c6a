"""DPO, ORPO and SFT on pairs, on a random two-layer model, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes, toys
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import data, job, loop, models
from training_bridge.trainer.recipes import paired

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], job.Job]

events = test_recipes.events


def pairs(count: int = 12) -> list[dict[str, Any]]:
    """Wrong sums and their corrections; every second one has a span."""
    span = {"start": 0, "end": 1, "tag": "sum", "severity": "major", "constraint": 1}
    return [
        {
            "prompt": row["prompt"],
            "chosen": row["completion"],
            "rejected": "1" + row["completion"],
            "spans": [span] if number % 2 else [],
            "corrected": [{"start": 0, "end": 1}],
            "constraints": [number // 9],
            "severity": "major",
        }
        for number, row in enumerate(toys.sums(count))
    ]


@pytest.mark.parametrize("method", ["dpo", "orpo"])
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_chosen_answers_rise_over_rejected_ones(make: Make, launch: Launch, method: str, lora_rank: int) -> None:
    place = make(
        method=method,
        rows=pairs(),
        prompts=test_recipes.prompts(),
        sampling={"max_new_tokens": 4},
        max_steps=15,
        batch_size=12,
        learning_rate=1e-2,
        lora_rank=lora_rank,
    )
    assert launch(place).reason == ""
    first, *_, last = events(place, "step")
    gap = [event["nll_rejected"] - event["nll_accepted"] for event in (first, last)]
    assert gap[1] > gap[0] + 0.02
    assert last["loss"] < first["loss"]
    assert events(place, "probe")[-1]["mean_logprob"] == pytest.approx(-last["nll_accepted"], rel=0.2)
    facts = manifest.verify(place.checkpoint)
    assert (facts["method"], facts["kind"]) == (method, "adapter" if lora_rank else "full")
    assert place.outputs.exists()


def test_dpo_begins_at_log_2_and_tells_rewards(make: Make, launch: Launch) -> None:
    place = make(method="dpo", rows=pairs(), max_steps=6, batch_size=12, learning_rate=1e-2)
    assert launch(place).reason == ""
    first, *_, last = events(place, "step")
    assert first["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert last["reward_accepted"] > last["reward_rejected"]
    assert events(place, "reference")[0]["rows"] == len({(row["prompt"], row["rejected"]) for row in pairs()}) * 2
    assert events(place, "pairs")[0] == {**events(place, "pairs")[0], "read": 12, "kept": 12}


def test_orpo_needs_no_reference(make: Make, launch: Launch) -> None:
    place = make(method="orpo", rows=pairs(), max_steps=1)
    assert launch(place).reason == ""
    assert events(place, "reference") == []


def test_sft_learns_the_chosen_answers_of_pairs(make: Make, launch: Launch) -> None:
    place = make("taught", method="sft", rows=pairs(), max_steps=15, batch_size=6, learning_rate=1e-2)
    assert launch(place).reason == ""
    first, *_, last = events(place, "step")
    assert last["loss"] < first["loss"] * 0.7
    accepted = [{"prompt": row["prompt"], "completion": row["chosen"], "label": True} for row in pairs()]
    same = make("same", method="sft", rows=accepted, max_steps=15, batch_size=6, learning_rate=1e-2)
    launch(same)
    assert test_recipes.is_same(place.checkpoint, same.checkpoint)


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_what_weighs_changes_what_is_learned(make: Make, launch: Launch, method: str) -> None:
    """Of a mean, weights within an answer count against each other only: one severity a row changes nothing in ORPO."""
    mixed = pairs()
    for row in mixed[1::2]:
        row["spans"] = [*row["spans"], {**row["spans"][0], "start": 1, "end": 2, "severity": "minor"}]
    asked: dict[str, dict[str, Any]] = {
        "plain": {},
        "whole": {"span_mask": False},
        "corrected": {"chosen_mask": True},
        "severity": {"minor_weight": 0.25},
        "rows": {"row_weights": "column", "rows": [{**row, "weight": 1 + at % 3} for at, row in enumerate(mixed)]},
        "constraints": {"row_weights": "constraints"},
        "retain": {"retain_weight": 0.5},
        **({"mean": {"length_normalised": True}} if method == "dpo" else {}),
    }
    losses = {}
    for name, settings in asked.items():
        given = {"rows": mixed, "max_steps": 3, "batch_size": 5, "gradient_accumulation": 2, "learning_rate": 1e-2}
        place = make(name, method=method, **{**given, **settings})
        assert launch(place).reason == ""
        losses[name] = events(place, "step")[-1]["loss"]
    assert len(set(losses.values())) == len(asked), losses


def test_the_mask_is_the_rejected_answers_alone(make: Make, job_of: JobOf) -> None:
    place = make(method="dpo", rows=pairs(2), minor_weight=0.5)
    whole, masked = paired.read(job=job_of(place), policy=policy())
    assert (whole.rejected.mask, whole.chosen.mask, masked.chosen.mask) == (None, None, None)
    assert masked.rejected.mask == [1.0] + [0.0] * (masked.rejected.length - 1)


def test_the_chosen_mask_is_what_was_corrected(make: Make, job_of: JobOf) -> None:
    rows = pairs(2)
    rows[1]["corrected"] = []  # written anew: the whole answer counts
    place = make(method="dpo", rows=rows, chosen_mask=True, span_mask=False)
    marked, anew = paired.read(job=job_of(place), policy=policy())
    assert marked.chosen.mask == [1.0] + [0.0] * (marked.chosen.length - 1)
    assert (anew.chosen.mask, marked.rejected.mask) == (None, None)


def test_both_answers_follow_the_same_prompt_however_much_fits(make: Make, job_of: JobOf) -> None:
    """A corrected answer longer than the rejected one leaves less room for the prompt."""
    row = {"prompt": "0123456789", "chosen": "abcdefgh", "rejected": "ab"}
    place = make(method="dpo", rows=[row], max_length=14, long_rows="truncate_left")
    [found] = paired.read(job=job_of(place), policy=policy())
    assert found.chosen.ids[: found.chosen.prompt_length] == found.rejected.ids[: found.rejected.prompt_length]
    assert policy().tokenizer.decode(found.rejected.ids) == "56789ab</s>"
    assert len(found.chosen.ids) == 14


def test_a_pair_that_lost_an_answer_is_left_out(make: Make, job_of: JobOf) -> None:
    long = {"prompt": "1 + 1 = ", "chosen": "2" * 40, "rejected": "3"}
    place = make(method="dpo", rows=[long, *pairs(3)], max_length=30, long_rows="drop")
    assert len(paired.read(job=job_of(place), policy=policy())) == 3
    [told] = events(place, "pairs")
    assert (told["read"], told["kept"]) == (4, 3)
    alone = make("alone", method="dpo", rows=[long, {**long, "chosen": "3", "rejected": "2" * 40}], max_length=30,
                 long_rows="drop")  # fmt: skip
    with pytest.raises(Exception, match="of every pair one answer had to be left out"):
        paired.read(job=job_of(alone), policy=policy())


@pytest.mark.parametrize("method", ["dpo", "orpo", "sft"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chosen": "9.", "rejected": "9."}, "line 2: chosen and rejected are the same"),
        ({"chosen": None}, "line 2: chosen must be a text"),
        ({"rejected": 4}, "line 2: rejected must be a text"),
        ({"spans": [{"start": 0, "end": 99}]}, "does not lie inside"),
        ({"corrected": [{"start": 0, "end": 99}]}, "characters of chosen"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(
    make: Make, launch: Launch, method: str, change: dict[str, Any], says: str
) -> None:
    first, second = pairs(2)
    assert says in launch(make(method=method, rows=[first, {**second, **change}], max_steps=1)).reason


@pytest.mark.parametrize("method", ["dpo", "orpo"])
@pytest.mark.parametrize("rows", [test_recipes.kto_rows(4), test_recipes.d2o_rows(4)])
def test_another_format_is_refused(make: Make, launch: Launch, method: str, rows: list[dict[str, Any]]) -> None:
    reason = launch(make(method=method, rows=rows, max_steps=1)).reason
    assert reason.startswith(f"{method} trains on pairs")
    assert "Use a dataset in the format pairs." in reason


def test_the_guard_watches_the_chosen_answers(make: Make, launch: Launch) -> None:
    place = make(
        method="dpo", rows=pairs(), max_steps=20, batch_size=12, learning_rate=3e-2, beta=5.0, stop_below=0.001,
        span_mask=False, probe_every=1,
    )  # fmt: skip
    assert launch(place).state == "succeeded"
    [stopped] = events(place, "stopped")
    assert stopped["change"] < -0.001


def test_a_resumed_run_ends_with_the_same_weights(make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"method": "dpo", "rows": pairs(), "max_steps": 6, "save_every": 2, "batch_size": 4}
    whole, cut = make("whole", **asked), make("cut", **asked)
    launch(whole)
    after = loop.Watch.after

    def fail_at_three(self: loop.Watch, step: int, *rest: Any) -> bool:
        if step == 3:
            raise RuntimeError("the power went out")
        return after(self, step, *rest)

    monkeypatch.setattr(loop.Watch, "after", fail_at_three)
    assert launch(cut).state == "failed"
    monkeypatch.setattr(loop.Watch, "after", after)
    assert launch(cut).state == "succeeded"
    assert test_recipes.is_same(whole.checkpoint, cut.checkpoint)


def policy() -> models.Policy:
    """Only its tokenizer is asked for."""
    model = torch.nn.Linear(1, 1)
    return models.Policy(
        model=model, tokenizer=toys.character_tokenizer(), device=torch.device("cpu"), dtype=torch.float32
    )


def test_answers_are_chosen_first() -> None:
    rows = [
        paired.Row(
            chosen=data.Encoded(ids=[1, number], prompt_length=1),
            rejected=data.Encoded(ids=[2, number], prompt_length=1),
        )
        for number in (5, 6)
    ]
    assert [item.ids for item in paired.answers(rows)] == [[1, 5], [1, 6], [2, 5], [2, 6]]
