"""Gradient ascent and its guards, from a run folder to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import data, job, logprobs, loop, models
from training_bridge.trainer.losses import gradient_ascent as losses
from training_bridge.trainer.recipes import gradient_ascent as recipe
from training_bridge.trainer.recipes import unpaired

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], job.Job]

PLAIN: dict[str, Any] = {"mismatch_weight": 0.0, "divergence_weight": 0.0}
HARD: dict[str, Any] = {"max_steps": 30, "batch_size": 12, "learning_rate": 1e-2, "span_mask": False}


def test_the_guards_hold_what_falls_without_them(make: Make, launch: Launch) -> None:
    last = {}
    for name, asked in {"guarded": {}, "plain": PLAIN}.items():
        place = make(name, method="gradient_ascent", rows=test_recipes.kto_rows(), **HARD, **asked)
        assert launch(place).reason == ""
        first, *_, last[name] = test_recipes.events(place, "step")
        assert last[name]["nll_rejected"] > first["nll_rejected"] + 0.5
        assert manifest.verify(place.checkpoint)["method"] == "gradient_ascent"
    assert first["nll_accepted"] + 3 < last["plain"]["nll_accepted"]
    assert last["guarded"]["nll_accepted"] < last["plain"]["nll_accepted"] - 2
    assert {"divergence", "nll_unrelated"} <= last["guarded"].keys()
    assert not {"divergence", "nll_unrelated"} & last["plain"].keys()


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_the_divergence_starts_at_zero_and_tells_what_it_keeps(make: Make, launch: Launch, lora_rank: int) -> None:
    rows = test_recipes.kto_rows()
    place = make(
        method="gradient_ascent", rows=rows, max_steps=2, batch_size=12, learning_rate=1e-2, lora_rank=lora_rank
    )
    assert launch(place).reason == ""
    first, second = test_recipes.events(place, "step")
    assert first["divergence"] == pytest.approx(0, abs=1e-6)
    assert second["divergence"] > 1e-6
    tokens = sum(len(row["completion"]) + 1 for row in test_recipes.kto_rows() if row["label"])
    [event] = test_recipes.events(place, "divergence")
    assert (event["rows"], event["mib"]) == (6, pytest.approx(tokens * 32 * 4 / 2**20, abs=0.05))
    [event] = test_recipes.events(place, "mismatches")
    assert (event["per_row"], event["answers"]) == (5, 6)


def test_the_loss_of_three_rows_is_the_loss_files_on_tensors_collected_by_hand(make: Make, job_of: JobOf) -> None:
    """The first and the third are accepted, the second is rejected for its first character."""
    asked = job_of(make(method="gradient_ascent", rows=test_recipes.kto_rows(3), retain_weight=0.5, mismatches=1))
    policy, starting = _policy(asked, seed=1), models.load(asked=asked.spec)
    rows, guards = recipe.guarded(job=asked, policy=starting, rows=_rows(asked, starting))
    found = recipe.loss(asked.settings, policy, rows, loop.Step(number=0, rows=rows, own=rows), guards=guards)
    assert guards.unrelated is not None
    [drawn] = guards.unrelated.draw(rows[1], step=0)
    rejected = _logits(policy, rows[1].item).log_softmax(1)
    ascent = rejected[0, rows[1].item.ids[rows[1].item.prompt_length]]
    kept, apart = [], []
    for row in (rows[0], rows[2]):
        ours, theirs = (_logits(each, row.item) for each in (policy, starting))
        apart.append(losses.divergence(logits=ours, references=theirs).mean())
        kept.append(_nll(policy, row.item))
    wanted = ascent + 2 * _nll(policy, drawn) + 2 * sum(apart) / 2 + 0.5 * sum(kept) / 2
    assert found.value.item() == pytest.approx(wanted.item(), abs=1e-5)


def test_unrelated_answers_belong_to_other_prompts_and_are_drawn_anew(make: Make, job_of: JobOf) -> None:
    asked = job_of(make(method="gradient_ascent", rows=test_recipes.kto_rows(24), mismatches=3))
    rows = _rows(asked, models.load(asked=asked.spec))
    accepted = [row for row in rows if row.is_accepted]
    unrelated = recipe.Unrelated(accepted, settings=asked.settings, longest=None)
    for row in rows:
        drawn = unrelated.draw(row, step=3)
        assert [each.ids for each in drawn] == [each.ids for each in unrelated.draw(row, step=3)]
        assert len(drawn) == 3
        for each in drawn:
            assert each.ids[: each.prompt_length] == row.item.ids[: row.item.prompt_length]
            others = [other for other in accepted if _tail(other.item) == _tail(each)]
            assert any(other.prompt_key != row.prompt_key for other in others)
    steps = {tuple(tuple(each.ids) for each in unrelated.draw(rows[0], step=step)) for step in range(6)}
    assert len(steps) > 1


def test_guards_without_accepted_answers_are_refused(make: Make, launch: Launch) -> None:
    rejected = test_recipes.kto_rows(accepted=False)
    place = make("guarded", method="gradient_ascent", rows=rejected, max_steps=1)
    assert "The guards of gradient_ascent are accepted answers" in launch(place).reason
    place = make("plain", method="gradient_ascent", rows=rejected, max_steps=1, **PLAIN)
    assert launch(place).reason == ""
    twin = [{**row, "prompt": "1 + 1 = "} for row in test_recipes.kto_rows(4)]
    place = make("twin", method="gradient_ascent", rows=twin, max_steps=1)
    assert "all accepted rows answer one prompt" in launch(place).reason


def _rows(asked: job.Job, policy: models.Policy) -> list[recipe.Row]:
    return recipe.numbered(unpaired.read(job=asked, policy=policy))


def _policy(asked: job.Job, *, seed: int) -> models.Policy:
    """The base with a little noise in its weights."""
    policy = models.load(asked=asked.spec)
    torch.manual_seed(seed)
    with torch.no_grad():
        for each in policy.trainable().values():
            each.add_(0.05 * torch.randn_like(each))
    return policy


def _tail(item: data.Encoded) -> list[int]:
    return item.ids[item.prompt_length :]


def _logits(policy: models.Policy, item: data.Encoded) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1]
    return found


def _nll(policy: models.Policy, item: data.Encoded) -> torch.Tensor:
    return -logprobs.of_tokens(policy, logprobs.collate([item], device=policy.device)).mean()
