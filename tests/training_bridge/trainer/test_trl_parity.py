"""Our KTO loss on the same model, reference and rows equals what TRL's KTOTrainer computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.training_bridge.trainer import test_recipes, toys
from training_bridge.trainer import data, logprobs, models
from training_bridge.trainer.losses import kto

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

BETA, GOOD, BAD = 0.5, 1.3, 0.7


def load(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


def items_of(batch: dict[str, torch.Tensor], prefix: str) -> list[data.Encoded]:
    """What TRL collated, as our rows."""
    found = []
    for row, ids in enumerate(batch[f"{prefix}input_ids"]):
        real = batch[f"{prefix}attention_mask"][row].bool()
        is_completion = batch[f"{prefix}completion_mask"][row][real]
        found.append(data.Encoded(ids=ids[real].tolist(), prompt_length=int((is_completion == 0).sum())))
    return found


@pytest.mark.slow
def test_kto_loss_equals_trl(base: Path, tmp_path: Path) -> None:
    other = toys.base(tmp_path / "policy", seed=7)
    rows = [{name: row[name] for name in ("prompt", "completion", "label")} for row in test_recipes.kto_rows(8)]
    work = trl.KTOTrainer(
        model=load(other),
        ref_model=load(base),
        args=trl.KTOConfig(
            output_dir=str(tmp_path / "trl"),
            per_device_train_batch_size=8,
            beta=BETA,
            desirable_weight=GOOD,
            undesirable_weight=BAD,
            report_to=[],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
        ),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=toys.character_tokenizer(),
    )
    batch = next(iter(work.get_train_dataloader()))
    theirs = work.compute_loss(work.model, dict(batch))

    policy = models.Policy(model=load(other).eval(), tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)
    reference = models.Policy(model=load(base).eval(), tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)
    ratios, mismatched = (score(policy, reference, items_of(batch, prefix)) for prefix in ("", "KL_"))
    ours = kto.loss(
        ratios=ratios,
        is_desirable=torch.as_tensor(batch["label"], dtype=torch.bool),
        baseline=kto.baseline(mismatched=mismatched),
        beta=BETA,
        desirable_weight=GOOD,
        undesirable_weight=BAD,
    ).mean()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def score(policy: models.Policy, reference: models.Policy, items: list[data.Encoded]) -> torch.Tensor:
    with torch.no_grad():
        batch = logprobs.collate(items, device=reference.device)
        for item, row in zip(items, logprobs.of_tokens(reference, batch), strict=True):
            item.reference = row[: item.length]
        return logprobs.ratios(policy, items)[0]
