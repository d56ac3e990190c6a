"""The whole path of every method on a random two-layer model, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from tests.training_bridge.trainer import toys
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import data, engine, job, reporting
from training_bridge.trainer.recipes import kto, unpaired

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]


def kto_rows(count: int = 12, *, accepted: bool = True) -> list[dict[str, Any]]:
    span = {"start": 0, "end": 1, "tag": "sum", "severity": "major", "constraint": 1}
    return [
        {**row, "label": accepted and number % 2 == 0, "spans": [span] if number % 4 == 1 else []}
        for number, row in enumerate(toys.sums(count))
    ]


def d2o_rows(count: int = 6) -> list[dict[str, Any]]:
    return [
        {"prompt": row["prompt"], "rejected": row["completion"], "spans": row["spans"]}
        for row in kto_rows(count, accepted=False)
    ]


def prompts(count: int = 3) -> list[dict[str, Any]]:
    return [{"id": f"p{number}", "prompt": row["prompt"]} for number, row in enumerate(toys.sums(count, seed=9))]


def events(place: rundir.RunDir, kind: str) -> list[dict[str, Any]]:
    return [event for event in place.read_events() if event["kind"] == kind]


def outputs(place: rundir.RunDir) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.outputs.read_text(encoding="utf-8").splitlines()]


def weights(folder: Path) -> dict[str, Any]:
    [file] = folder.glob("*.safetensors") if folder.is_dir() else [folder]
    return safetensors.torch.load_file(file)


def is_same(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)


def test_pretrain_learns_saves_and_samples(make: Make, launch: Launch, tmp_path: Path) -> None:
    place = make(
        method="pretrain",
        location=toys.bare_base(tmp_path / "bare"),
        rows=toys.sums(64),
        prompts=prompts(),
        sampling={"max_new_tokens": 6, "per_prompt": 2, "temperature": 0.7},
        max_steps=20,
        batch_size=16,
        learning_rate=1e-2,
    )
    assert launch(place).reason == ""
    steps = events(place, "step")
    assert [event["step"] for event in steps] == list(range(1, 21))
    assert steps[-1]["loss"] < steps[0]["loss"] / 2
    assert {"grad_norm", "learning_rate", "tokens_per_second", "memory_mib", "elapsed"} <= steps[0].keys()
    assert [event["phase"] for event in events(place, "phase")] == [
        "starting", "loading", "training", "saving", "sampling",
    ]  # fmt: skip
    facts = manifest.verify(place.checkpoint)
    assert (facts["method"], facts["kind"], facts["parent"]) == ("pretrain", "full", None)
    found = outputs(place)
    assert found
    assert {row["model"] for row in found} == {"run"}
    assert all(row["id"].startswith("run/") and row["output"].strip() for row in found)
    assert len(found) + events(place, "sampled")[0]["empty"] == 6
    assert found[0]["meta"]["prompt_id"] == "p0"


def test_sample_is_reproducible_and_trains_nothing(make: Make, launch: Launch) -> None:
    asked = {"method": "sample", "prompts": prompts(5), "sampling": {"max_new_tokens": 8, "batch_size": 2, "seed": 3}}
    one, other = make("one", **asked), make("other", **asked)
    assert launch(one).state == launch(other).state == "succeeded"
    assert [row["output"] for row in outputs(one)] == [row["output"] for row in outputs(other)]
    assert not one.checkpoint.exists()
    third = make("third", **{**asked, "sampling": {**asked["sampling"], "seed": 4}})  # type: ignore[dict-item]
    launch(third)
    assert [row["output"] for row in outputs(one)] != [row["output"] for row in outputs(third)]


def test_sample_goes_on_where_it_was_interrupted(make: Make, launch: Launch) -> None:
    asked = {"method": "sample", "prompts": prompts(6), "sampling": {"max_new_tokens": 8, "batch_size": 2}}
    whole, cut = make("whole", **asked), make("cut", **asked)
    launch(whole)
    launch(cut)
    cut.outputs.unlink()
    cut.outputs_unfinished.write_text('[{"n": 0, "sam')
    assert launch(cut).state == "succeeded"
    assert [row["output"] for row in outputs(cut)] == [row["output"] for row in outputs(whole)]
    assert not cut.outputs_unfinished.exists()


def test_kto_full_moves_rejected_below_accepted(make: Make, launch: Launch) -> None:
    place = make(
        method="kto", rows=kto_rows(), prompts=prompts(), sampling={"max_new_tokens": 4}, max_steps=15, batch_size=12
    )
    assert launch(place).reason == ""
    last = events(place, "step")[-1]
    assert last["reward_rejected"] < last["reward_accepted"]
    assert events(place, "labels")[0] == {
        **events(place, "labels")[0], "accepted": 6, "rejected": 6, "has_kl": True, "weight_ratio": 1.0,
    }  # fmt: skip
    assert events(place, "step")[0]["loss"] == pytest.approx(0.5, abs=1e-4)
    probes = events(place, "probe")
    assert probes[-1]["change"] == pytest.approx(probes[-1]["mean_logprob"] - probes[-1]["before"])
    facts = manifest.verify(place.checkpoint)
    assert (facts["kind"], facts["base"]["location"]) == ("full", place.read_spec().base.location)


def test_kto_on_rejected_rows_alone_has_no_second_pass(make: Make, launch: Launch) -> None:
    place = make(method="kto", rows=kto_rows(accepted=False), max_steps=3)
    assert launch(place).reason == ""
    assert events(place, "labels")[0]["has_kl"] is False
    assert events(place, "no_probe")
    assert all(event["kl"] == 0 for event in events(place, "step"))


def test_kto_span_mask_leaves_other_tokens_alone(make: Make, launch: Launch) -> None:
    """Masked and whole-answer training differ, and both are told apart only by span_mask."""
    masked = make("masked", method="kto", rows=kto_rows(), max_steps=3)
    whole = make("whole", method="kto", rows=kto_rows(), max_steps=3, span_mask=False)
    launch(masked)
    launch(whole)
    assert events(masked, "rows")[0]["masked_tokens"] > 0
    assert events(whole, "rows")[0]["masked_tokens"] == 0
    assert not is_same(masked.checkpoint, whole.checkpoint)


def test_kto_lora_saves_an_adapter_that_loads_again(make: Make, launch: Launch, base: Path) -> None:
    place = make(
        method="kto", rows=kto_rows(), prompts=prompts(), sampling={"max_new_tokens": 4, "temperature": 0.0},
        max_steps=4, lora_rank=4, gradient_accumulation=2, batch_size=4, retain_weight=0.5,
    )  # fmt: skip
    assert launch(place).reason == ""
    facts = manifest.verify(place.checkpoint)
    assert facts["kind"] == "adapter"
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= facts["files"].keys()
    again = make(
        "again", method="sample", adapter=str(place.checkpoint), prompts=prompts(),
        sampling={"max_new_tokens": 4, "temperature": 0.0},
    )  # fmt: skip
    assert launch(again).reason == ""
    assert [row["output"] for row in outputs(again)] == [row["output"] for row in outputs(place)]


def test_lora_over_an_adapter_is_saved_merged(make: Make, launch: Launch) -> None:
    first = make("first", method="kto", rows=kto_rows(), max_steps=2, lora_rank=2)
    launch(first)
    second = make("second", method="kto", rows=kto_rows(), max_steps=2, lora_rank=2, adapter=str(first.checkpoint))
    assert launch(second).reason == ""
    assert manifest.verify(second.checkpoint)["kind"] == "full"
    third = make(
        "third", method="sample", location=second.checkpoint, prompts=prompts(), sampling={"max_new_tokens": 2}
    )
    assert launch(third).reason == ""


def test_d2o_full_raises_anchors_over_rejected(make: Make, launch: Launch) -> None:
    place = make(
        method="d2o", rows=d2o_rows(), prompts=prompts(), sampling={"max_new_tokens": 4},
        max_steps=10, anchors=3, anchor_max_new_tokens=5, retain_weight=0.1,
    )  # fmt: skip
    assert launch(place).reason == ""
    first, last = events(place, "step")[0], events(place, "step")[-1]
    assert last["loss"] < first["loss"]
    assert last["reward_rejected"] < last["reward_anchors"]
    stored = [json.loads(line) for line in place.anchors.read_text().splitlines()]
    assert len(stored) == len({row["prompt"] for row in d2o_rows()})
    assert {len(row["anchors"]) for row in stored} == {3}


def test_d2o_samples_its_anchors_once(make: Make, launch: Launch) -> None:
    whole = make("whole", method="d2o", rows=d2o_rows(), max_steps=2, anchors=2, anchor_max_new_tokens=4)
    launch(whole)
    cut = make("cut", method="d2o", rows=d2o_rows(), max_steps=2, anchors=2, anchor_max_new_tokens=4)
    lines = whole.anchors.read_text().splitlines(keepends=True)
    cut.anchors.write_text("".join(lines[:2]) + lines[2][:10])
    assert launch(cut).reason == ""
    assert is_same(whole.checkpoint, cut.checkpoint)
    kept = cut.anchors.read_bytes()
    (cut.checkpoint / manifest.NAME).unlink()
    assert launch(cut).reason == ""
    assert cut.anchors.read_bytes() == kept


def test_d2o_greedy_anchor_that_equals_the_rejected_is_told(make: Make, launch: Launch) -> None:
    row = {"prompt": "1 + 1 = "}
    asked = {"method": "sample", "prompts": [row], "sampling": {"temperature": 0.0, "max_new_tokens": 4}}
    said = make("said", **asked)
    launch(said)
    [answer] = outputs(said)
    place = make(
        method="d2o", rows=[{**row, "rejected": answer["output"]}], max_steps=1,
        anchors=2, anchor_temperature=0.0, anchor_max_new_tokens=4,
    )  # fmt: skip
    assert launch(place).reason == ""
    assert events(place, "anchors")[0]["equal_to_rejected"] == 2


def test_a_finished_folder_launched_again_changes_nothing(make: Make, launch: Launch) -> None:
    place = make(method="kto", rows=kto_rows(), prompts=prompts(), sampling={"max_new_tokens": 4}, max_steps=2)
    launch(place)
    before = {path: path.read_bytes() for path in [*place.checkpoint.iterdir(), place.outputs]}
    assert launch(place).state == "succeeded"
    assert before == {path: path.read_bytes() for path in [*place.checkpoint.iterdir(), place.outputs]}
    assert len(events(place, "step")) == 2


def test_sampling_alone_is_done_again_when_the_checkpoint_is_whole(make: Make, launch: Launch) -> None:
    place = make(method="kto", rows=kto_rows(), prompts=prompts(), sampling={"max_new_tokens": 4}, max_steps=2)
    launch(place)
    before = [row["output"] for row in outputs(place)]
    place.outputs.unlink()
    assert launch(place).state == "succeeded"
    assert [row["output"] for row in outputs(place)] == before
    assert len(events(place, "step")) == 2


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_resume_ends_with_the_same_weights(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch, lora_rank: int
) -> None:
    asked = {"method": "kto", "rows": kto_rows(), "max_steps": 7, "save_every": 2, "lora_rank": lora_rank}
    whole, cut = make("whole", **asked), make("cut", **asked)
    launch(whole)
    step = engine.Engine.training_step
    fails_at(monkeypatch, 5)
    assert launch(cut).state == "failed"
    assert sorted(path.name for path in cut.steps.iterdir()) == ["step-000002", "step-000004"]
    monkeypatch.setattr(engine.Engine, "training_step", step)
    assert launch(cut).state == "succeeded"
    assert events(cut, "resumed")[0]["step"] == 4
    told = [event["loss"] for event in events(cut, "step")]
    assert (
        told
        == [event["loss"] for event in events(whole, "step")][:5]
        + [event["loss"] for event in events(whole, "step")][4:]
    )
    assert is_same(whole.checkpoint, cut.checkpoint)


def test_cancel_file_stops_between_steps_and_resume_goes_on(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(method="kto", rows=kto_rows(), max_steps=6, save_every=2)
    step = engine.Engine.training_step

    def cancel_at_three(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        if inputs["step"].number == 3:
            place.cancel.touch()
        return step(self, model, inputs, *rest)

    monkeypatch.setattr(engine.Engine, "training_step", cancel_at_three)
    status = launch(place)
    assert status.state == "cancelled"
    assert not place.checkpoint.exists()
    monkeypatch.setattr(engine.Engine, "training_step", step)
    assert launch(place).state == "cancelled"
    place.cancel.unlink()
    assert launch(place).state == "succeeded"
    assert events(place, "resumed")[-1]["step"] == 4


def test_a_half_written_checkpoint_is_never_left(make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(method="kto", rows=kto_rows(), max_steps=2)

    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest, "write", full)
    status = launch(place)
    assert status.state == "failed"
    assert status.reason.startswith("The disk is full (while saving)")
    assert not place.checkpoint.exists()
    assert not place.checkpoint_unfinished.exists()


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_kto_in_bfloat16_keeps_trained_weights_in_float32(make: Make, launch: Launch, lora_rank: int) -> None:
    place = make(method="kto", rows=kto_rows(), max_steps=2, dtype="bfloat16", lora_rank=lora_rank)
    assert launch(place).reason == ""
    assert {str(each.dtype) for each in weights(place.checkpoint).values()} == {"torch.float32"}
    assert events(place, "step")[0]["loss"] == pytest.approx(0.5, abs=1e-2)


@pytest.mark.parametrize("method", ["npo", "simnpo", "unlikelihood"])
def test_unpaired_methods_make_rejected_answers_rarer(make: Make, launch: Launch, method: str) -> None:
    place = make(
        method=method,
        rows=kto_rows(),
        max_steps=15,
        batch_size=12,
        span_mask=False,
        beta=2.5 if method == "simnpo" else 0.1,
    )
    assert launch(place).reason == ""
    first, *_, last = events(place, "step")
    assert last["nll_rejected"] > first["nll_rejected"] + 0.01
    assert manifest.verify(place.checkpoint)["method"] == method


@pytest.mark.parametrize("method", ["npo", "simnpo"])
def test_unpaired_methods_refuse_a_dataset_without_rejections(make: Make, launch: Launch, method: str) -> None:
    place = make(method=method, rows=[row for row in kto_rows() if row["label"]])
    assert "no row of this dataset is rejected" in launch(place).reason


def test_weights_of_tokens_and_rows_change_what_is_learned(make: Make, launch: Launch) -> None:
    plain = {"method": "npo", "rows": kto_rows(), "max_steps": 3, "batch_size": 12}
    asked: dict[str, dict[str, Any]] = {
        "plain": {},
        "severity": {"major_weight": 0.5},
        "mean": {"length_normalised": True},
        "rows": {"row_weights": "column", "rows": [{**row, "weight": 1 + row["label"] * 2} for row in kto_rows()]},
    }
    losses = {}
    for name, settings in asked.items():
        place = make(name, **{**plain, "retain_weight": 1.0, **settings})
        assert launch(place).reason == ""
        losses[name] = events(place, "step")[-1]["loss"]
    assert len(set(losses.values())) == len(asked)


def test_sft_learns_accepted_answers_and_needs_some(make: Make, launch: Launch) -> None:
    place = make("taught", method="sft", rows=kto_rows(), max_steps=15, batch_size=6)
    assert launch(place).reason == ""
    first, *_, last = events(place, "step")
    assert last["loss"] < first["loss"] - 0.01
    refused = make("refused", method="sft", rows=kto_rows(accepted=False))
    assert "no row of this dataset is accepted" in launch(refused).reason


def test_kto_refuses_batches_of_one_row_where_it_measures_a_baseline(make: Make, launch: Launch) -> None:
    alone = make("alone", method="kto", rows=kto_rows(4), batch_size=1, max_steps=1)
    assert "a step has one row" in launch(alone).reason
    rejected = make("rejected", method="kto", rows=kto_rows(4, accepted=False), batch_size=1, max_steps=1)
    assert launch(rejected).reason == ""


def fails_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Step `number` (from 0) is begun and never taken."""
    step = engine.Engine.training_step

    def failing(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        if inputs["step"].number == number:
            raise RuntimeError("the power went out")
        return step(self, model, inputs, *rest)

    monkeypatch.setattr(engine.Engine, "training_step", failing)


def falling(**settings: Any) -> dict[str, Any]:
    """Gradient ascent without guards, which pulls accepted answers down with it; looked at after every second step."""
    return {
        "method": "gradient_ascent", "rows": kto_rows(), "span_mask": False, "max_steps": 20, "batch_size": 12,
        "learning_rate": 1e-3, "mismatch_weight": 0.0, "divergence_weight": 0.0, **settings,
    }  # fmt: skip


def overfitting(**settings: Any) -> dict[str, Any]:
    """SFT on a few answers: those that are held out become likelier first, and then less likely again."""
    return {
        "method": "sft", "rows": kto_rows(24), "hold_out": 0.5, "max_steps": 20, "batch_size": 12,
        "learning_rate": 1e-2, "lr_schedule": "constant", **settings,
    }  # fmt: skip


def test_the_guard_stops_and_hands_back_the_best_look(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = make("free", **overfitting())
    launch(free)
    changes = {event["step"]: event["change"] for event in events(free, "probe")}
    best = max(changes, key=changes.__getitem__)
    worst = min((step for step in changes if step > best), key=changes.__getitem__)
    allowed = (changes[best] - changes[worst]) * 0.9
    assert allowed > 0.1
    place = make("guarded", **overfitting(stop_below=allowed))
    assert launch(place).state == "succeeded"
    [stopped] = events(place, "stopped")
    assert (stopped["kept"], stopped["kept_change"]) == (best, changes[best])
    assert best < stopped["step"] <= worst
    assert manifest.verify(place.checkpoint)["steps"] == best
    step = engine.Engine.training_step
    fails_at(monkeypatch, best)
    cut = make("cut", **overfitting(save_every=4, stop_below=allowed))
    launch(cut)
    monkeypatch.setattr(engine.Engine, "training_step", step)
    assert launch(cut).state == "succeeded"
    assert is_same(cut.checkpoint, place.checkpoint)


def test_the_guard_lets_a_run_pass_that_loses_nothing(make: Make, launch: Launch) -> None:
    place = make(method="kto", rows=kto_rows(), max_steps=10, batch_size=12, retain_weight=1.0, stop_below=0.5)
    launch(place)
    assert events(place, "stopped") == []
    assert manifest.verify(place.checkpoint)["steps"] == 10


def test_probes_tell_entropy(make: Make, launch: Launch) -> None:
    place = make(**falling())
    launch(place)
    first, *_, last = events(place, "probe")
    assert first["entropy_before"] > 0
    assert last["entropy"] != first["entropy"]


def test_the_guard_is_refused_where_nothing_can_be_watched(make: Make, launch: Launch) -> None:
    place = make(method="npo", rows=kto_rows(accepted=False), max_steps=1, stop_below=0.5)
    assert "stop_below watches accepted answers" in launch(place).reason


@pytest.mark.parametrize(("is_mean", "total"), [(True, 1.0), (False, None)])
def test_kto_means_are_compared_with_a_mean_baseline(make: Make, is_mean: bool, total: float | None) -> None:
    place = make(method="kto", rows=kto_rows(4), length_normalised=is_mean)
    asked = job.Job(folder=place, spec=place.read_spec(), reporter=reporting.Reporter(place))
    items = [data.Encoded(ids=[1, 2, 3, 4 + number], prompt_length=1) for number in range(3)]
    rows = [unpaired.Row(item=item, is_accepted=True, prompt_key=str(item.ids)) for item in items]
    masks = [pair.mask for pair in kto._mismatched(asked, rows) if pair is not None]
    assert [mask and pytest.approx(sum(mask)) for mask in masks] == [total] * 3
