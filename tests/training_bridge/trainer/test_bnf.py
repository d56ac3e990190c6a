"""BNF, from a run folder to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import job, logprobs, loop, models
from training_bridge.trainer.losses import bnf
from training_bridge.trainer.recipes import bnf as recipe
from training_bridge.trainer.recipes import unpaired

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], job.Job]


def test_rejected_answers_become_rarer_and_accepted_ones_likelier(make: Make, launch: Launch) -> None:
    place = make(method="bnf", rows=test_recipes.kto_rows(), max_steps=15, batch_size=12, span_mask=False)
    assert launch(place).reason == ""
    first, *_, last = test_recipes.events(place, "step")
    assert last["nll_rejected"] > first["nll_rejected"] + 0.01
    assert last["nll_accepted"] < first["nll_accepted"]
    assert manifest.verify(place.checkpoint)["method"] == "bnf"
    assert test_recipes.events(place, "reference")[0]["rows"] > 0


def test_the_loss_of_two_rows_is_the_loss_files_on_tensors_collected_by_hand(make: Make, job_of: JobOf) -> None:
    """The first is accepted and counts 2, the second is rejected for its first character."""
    asked = job_of(make(method="bnf", rows=weighed(), retain_weight=0.5, row_weights="column"))
    policy = models.load(asked=asked.spec)
    rows = unpaired.read(job=asked, policy=policy)
    for row in rows:
        row.item.reference = torch.full((row.item.length,), -3.0)
    found = recipe.loss(asked.settings, policy, rows, loop.Step(number=0, rows=rows, own=rows))
    wanted = []
    for row, label, mask in zip(rows, (1.0, -1.0), ((1.0, 1.0, 1.0, 1.0), (1.0, 0.0, 0.0, 0.0)), strict=True):
        batch = logprobs.collate([row.item], device=policy.device)
        said, entropies = logprobs.with_entropy(policy, batch)
        tokens = bnf.of_tokens(logprobs=said, entropies=entropies, references=torch.full_like(said, -3.0))
        asked_mask = torch.tensor([mask])[:, : row.item.length]
        wanted.append(bnf.loss(tokens=tokens, labels=torch.tensor([label]), mask=asked_mask, real=batch.real).item())
        if label > 0:
            kept = -said.mean().item()
    assert found.value.item() == pytest.approx((2 * wanted[0] + wanted[1]) / 2 + 0.5 * 2 * kept, abs=1e-5)


def weighed() -> list[dict[str, Any]]:
    """An accepted row of weight 2, and a rejected one with a span."""
    accepted, rejected = test_recipes.kto_rows(2)
    return [{**accepted, "weight": 2}, rejected]


def test_a_mean_of_means_is_refused(make: Make, launch: Launch) -> None:
    for method in ("bnf", "cut", "unlikelihood"):
        place = make(method, method=method, rows=test_recipes.kto_rows(), length_normalised=True)
        assert f"{method} divides every answer's loss by its length as it is" in launch(place).reason


def test_a_dataset_without_rejections_is_refused(make: Make, launch: Launch) -> None:
    place = make(method="bnf", rows=[row for row in test_recipes.kto_rows() if row["label"]])
    assert "no row of this dataset is rejected" in launch(place).reason
