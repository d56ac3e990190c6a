"""NSR and W-REINFORCE on a random two-layer model: what they draw, what is right, and what they do to the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.training_bridge.trainer import toys
from tests.training_bridge.trainer.test_recipes import events, is_same
from training_bridge.formats import manifest, rundir, spec
from training_bridge.formats.checks import python_function
from training_bridge.trainer import job, models, rewards, rollouts
from training_bridge.trainer.losses import nsr

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], job.Job]

NO_LETTERS = {"check": "pattern", "pattern": "[a-z]", "most": 0, "name": "no small letters"}


def questions(count: int = 12) -> list[dict[str, Any]]:
    return [{"prompt": row["prompt"]} for row in toys.sums(count)]


@pytest.fixture
def asked(make: Make) -> Callable[..., rundir.RunDir]:
    """A run of one of the two methods whose answers must have no small letter."""

    def folder(name: str = "run", *, checks: Any = (NO_LETTERS,), **more: Any) -> rundir.RunDir:
        given: dict[str, Any] = {
            "method": "nsr", "rows": questions(), "batch_size": 4, "rollouts": 4, "rollout_max_new_tokens": 6,
            **more,
        }  # fmt: skip
        place = make(name, **given)
        held = place.read_spec()
        spec.RunSpec(
            method=held.method,
            base=held.base,
            checkpoint_name=held.checkpoint_name,
            hyperparameters=held.hyperparameters,
            sampling=held.sampling,
            checks=tuple(checks),
        ).write(place.spec)
        return place

    return folder


@pytest.mark.parametrize("method", ["nsr", "w_reinforce"])
def test_violations_become_rarer(asked: Make, launch: Launch, method: str) -> None:
    place = asked(
        method=method, max_steps=30, batch_size=12, rollouts=8, learning_rate=1e-2, lr_schedule="constant", save_every=0
    )
    assert launch(place).reason == ""
    right = [event["right"] for event in events(place, "step")]
    assert right[0] < 0.3
    assert sum(right[-5:]) / 5 > 0.6
    assert manifest.verify(place.checkpoint)["method"] == method
    assert events(place, "step")[-1]["entropy"] > (2 if method == "nsr" else 1)  # right answers made likelier cost some
    first = events(place, "rollouts")[0]
    assert first["answers"] == 96
    assert first["right"] == events(place, "step")[0]["right"]
    assert set(first["violations"]) <= {"no small letters", rewards.EMPTY}
    assert sum(first["violations"].values()) == round(96 * (1 - first["right"]))
    assert 1 <= first["mean_length"] <= 6


def test_the_loss_is_wrong_tokens_less_lambda_right_ones(asked: Make, launch: Launch) -> None:
    """On fresh draws every ratio is 1, so the value only counts tokens: all right, it is 0 and minus lambda."""
    never = [{"check": "length", "of": "characters", "most": 100}]
    for method, wanted in (("nsr", 0.0), ("w_reinforce", -0.3)):
        place = asked(method, method=method, checks=never, max_steps=1, right_weight=0.3)
        launch(place)
        [step] = events(place, "step")
        right = step["right"]
        assert right > 0.9
        if right == 1:
            assert step["loss"] == pytest.approx(wanted, abs=1e-6)
    place = asked("wrong", checks=[{"check": "pattern", "pattern": "impossible", "least": 1}], max_steps=1)
    launch(place)
    assert events(place, "step")[0]["loss"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_resume_draws_the_same_answers_and_ends_with_the_same_weights(
    asked: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch, lora_rank: int
) -> None:
    settings = {"max_steps": 6, "save_every": 2, "learning_rate": 1e-2, "lora_rank": lora_rank}
    whole, cut = asked("whole", **settings), asked("cut", **settings)
    assert launch(whole).reason == ""
    draw = rollouts.draw

    def fail_at_five(**given: Any) -> Any:
        if given["seed"] == "rollouts/0/4":
            raise RuntimeError("the power went out")
        return draw(**given)

    monkeypatch.setattr(rollouts, "draw", fail_at_five)
    assert launch(cut).state == "failed"
    monkeypatch.setattr(rollouts, "draw", draw)
    assert launch(cut).state == "succeeded"
    assert events(cut, "resumed")[0]["step"] == 4
    assert is_same(whole.checkpoint, cut.checkpoint)
    assert [event["right"] for event in events(cut, "rollouts")] == [
        event["right"] for event in events(whole, "rollouts")
    ]


@pytest.mark.parametrize("stored", [{"completion": "5."}, {"rejected": "5."}, {"label": False}, {"chosen": "x"}])
def test_stored_answers_are_refused(asked: Make, launch: Launch, stored: dict[str, Any]) -> None:
    place = asked(rows=[*questions(2), {"prompt": "1 + 1 = ", **stored}])
    reason = launch(place).reason
    assert f"line 3, has a stored one ({next(iter(stored))})" in reason
    assert "probability ratio is not 1" in reason
    assert "kto, npo or d2o" in reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"checks": []}, "nsr judges its own answers by executable checks, and this run names none"),
        ({"rows": None}, "has no data/train.jsonl with prompts"),
        ({"rows": []}, "has no prompts"),
        ({"rows": [{"prompt": ""}]}, "line 1: prompt must be a text"),
        ({"rollout_max_new_tokens": 600}, "12 of 12 prompts with an answer of 600 tokens (rollout_max_new_tokens)"),
        ({"rollout_max_new_tokens": 600, "long_rows": "drop"}, "None of the 12 prompts leaves room for an answer"),
        (
            {"checks": [{"check": "pattern", "pattern": "impossible", "least": 1}], "stop_below": 0.1},
            "none of 12 that were drawn is right",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    asked: Make, launch: Launch, changes: dict[str, Any], says: str
) -> None:
    assert says in launch(asked(**changes)).reason


def test_a_spec_may_name_known_checks_and_allowed_functions_only(
    asked: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "check 1 is 'max_size'; it may be" in launch(asked("size", checks=[{"check": "max_size"}])).reason
    unlisted = [{"check": "python", "function": "os.system"}]
    assert "os.system is not among the functions" in launch(asked("unlisted", checks=unlisted)).reason
    monkeypatch.setenv(python_function.ALLOWED, "no_such_module.function")
    missing = [{"check": "python", "function": "no_such_module.function"}]
    assert "no_such_module.function cannot be imported here" in launch(asked("missing", checks=missing)).reason


def test_the_base_is_watched_by_its_own_right_answers(asked: Make, launch: Launch) -> None:
    place = asked(max_steps=10, learning_rate=1e-2, stop_below=50.0)
    assert launch(place).reason == ""
    [base] = events(place, "base")
    assert base["answers"] == 12
    probes = events(place, "probe")
    assert len(probes) == 10
    assert probes[0]["entropy_before"] > 1
    none = asked("none", checks=[{"check": "pattern", "pattern": "impossible", "least": 1}], max_steps=1)
    assert launch(none).reason == ""
    assert events(none, "no_probe")


def test_draws_are_of_the_policy_and_of_their_seed(asked: Make, job_of: JobOf, base: Any) -> None:
    place = asked()
    run = job_of(place)
    policy = models.for_training(asked=run.spec)
    prompts = rollouts.prompts(job=run, policy=policy)
    assert [each.number for each in prompts] == list(range(12))
    assert prompts[0].text == questions()[0]["prompt"]

    def drawn(seed: str, order: list[rollouts.Prompt]) -> dict[int, list[list[int]]]:
        found = rollouts.draw(job=run, policy=policy, prompts=order, count=3, seed=seed)
        return {number: [each.item.ids for each in answers] for number, answers in found.items()}

    policy.model.train()
    one = drawn("a", prompts)
    assert policy.model.training
    assert one == drawn("a", prompts[::-1] + prompts[:2])
    assert one != drawn("b", prompts)
    found = rollouts.draw(job=run, policy=policy, prompts=prompts, count=3, seed="a")
    for prompt in prompts:
        assert len(found[prompt.number]) == 3
        for each in found[prompt.number]:
            assert each.item.ids[: each.item.prompt_length] == prompt.ids
            assert each.ended == (each.item.ids[-1] == policy.tokenizer.eos_token_id)
            assert 1 <= each.item.length <= 6


def test_an_answer_without_text_is_wrong_under_every_check() -> None:
    assert rewards.violated(checks=[], prompt="1", output=" \n") == [rewards.EMPTY]
    assert rewards.violated(checks=[], prompt="1", output="1") == []


def test_a_step_that_diverges_leaves_its_answers(asked: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    place = asked(max_steps=3)
    right = nsr.loss
    monkeypatch.setattr(nsr, "loss", lambda **given: right(**given) * float("nan"))
    assert "The loss is not a number at step 1" in launch(place).reason
    lines = [json.loads(line) for line in (place.failed_batch / "rows.jsonl").read_text().splitlines()]
    assert len(lines) == 16
    assert {line["text"] for line in lines} <= {row["prompt"] for row in questions()}
    assert all(line["prompt"] == line["text"] and line["completion"] for line in lines)
