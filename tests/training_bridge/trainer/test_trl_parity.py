"""On the same weights and rows our losses, and their gradients by every parameter, are those of TRL's trainers.

Rows are taken from TRL's own collated batches; the reference is scored by both sides. Float32, relative to 1e-5.
Every comparison is also made with settings that are a little off, and must then find the difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from tests.training_bridge.trainer import test_recipes, toys
from training_bridge.formats import rundir, spec
from training_bridge.trainer import data, job, logprobs, loop, models, reference
from training_bridge.trainer.recipes import dpo, kto, orpo, paired

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.slow

BETA = 0.5
KTO = {"beta": BETA, "desirable_weight": 1.3, "undesirable_weight": 0.7}
KTO_OFF = [{"beta": BETA * 1.01}, {"undesirable_weight": 1.0}, {"desirable_weight": 1.0}]

JobOf = Callable[..., job.Job]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A loss and its gradient by each parameter."""

    loss: float
    gradients: dict[str, Tensor]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The policy's weights, where `base` has the reference's."""
    return toys.base(tmp_path / "policy", seed=7)


@pytest.fixture
def asked(make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job]) -> JobOf:
    """Make a KTO job with these hyperparameters."""
    made: list[job.Job] = []

    def ask(**settings: Any) -> job.Job:
        made.append(job_of(make(f"run{len(made)}", method="kto", **settings)))
        return made[-1]

    return ask


def test_kto_equals_trl(base: Path, other: Path, tmp_path: Path, asked: JobOf) -> None:
    """Both labels, both class weights, z above 0."""
    work = kto_trainer(tmp_path, model=load(other), ref_model=load(base))
    batch = first_batch(work)
    theirs = found_by(work, batch)
    rows = kto_rows_of(batch)
    score(asked(), policy_of(base), rows)
    policy = policy_of(other)
    ours = found(policy, kto.loss(asked(**KTO), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value)
    assert_same(ours, theirs)
    assert_z_counts(kto.loss(asked(**KTO), policy, rows, loop.Step(number=0, rows=rows, own=rows)))
    for off in KTO_OFF:
        assert_differs(
            found(
                policy, kto.loss(asked(**{**KTO, **off}), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value
            ),
            theirs,
        )


def test_kto_with_lora_equals_trl(base: Path, tmp_path: Path, asked: JobOf) -> None:
    """A LoRA adapter that has moved, z above 0; the reference is the same weights with the adapter off."""
    import peft  # tests without LoRA need not wait for it

    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    work = kto_trainer(tmp_path, model=load(base), peft_config=config)
    policy = models.with_lora(policy_of(base), settings=asked(lora_rank=4, lora_alpha=16).settings)
    batch = first_batch(work)
    rows = kto_rows_of(batch)
    score(asked(), policy, rows)  # before the adapter moves, as a run does
    move(policy, work.model)
    theirs = found_by(work, batch)
    ours = found(policy, kto.loss(asked(**KTO), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value)
    assert all("lora_" in name for name in ours.gradients)
    assert_z_counts(kto.loss(asked(**KTO), policy, rows, loop.Step(number=0, rows=rows, own=rows)))
    assert_same(ours, theirs)
    assert_differs(
        found(
            policy,
            kto.loss(asked(**{**KTO, **KTO_OFF[0]}), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value,
        ),
        theirs,
    )
    for row in rows:  # the policy as it is now for a reference: then every log-ratio is 0
        row.item.reference = logprobs.of_tokens(policy, logprobs.collate([row.item], device=policy.device))[0].detach()
    assert_differs(
        found(policy, kto.loss(asked(**KTO), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value), theirs
    )


def test_sums_of_log_probs_equal_trl(base: Path, other: Path, tmp_path: Path) -> None:
    """Row by row: the sum over completion tokens, matched and mismatched."""
    work = kto_trainer(tmp_path, model=load(other), ref_model=load(base))
    batch = first_batch(work)
    policy = policy_of(other)
    for prefix, theirs in zip(("", "KL_"), work.compute_ref_log_probs(work.model, batch), strict=True):
        rows = items_of(batch, prefix)
        ours = sums(policy, rows)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
        one_less = [data.Encoded(ids=row.ids, prompt_length=row.prompt_length + 1) for row in rows]
        with pytest.raises(AssertionError):
            torch.testing.assert_close(sums(policy, one_less), theirs, rtol=1e-5, atol=0)


def test_dpo_equals_trl(base: Path, other: Path, tmp_path: Path, asked: JobOf) -> None:
    work = trl.DPOTrainer(
        model=load(other),
        ref_model=load(base),
        args=trl.DPOConfig(**settings(tmp_path), beta=BETA),
        train_dataset=datasets.Dataset.from_list(pairs(6)),
        processing_class=toys.character_tokenizer(),
    )
    batch = first_batch(work)
    theirs = found_by(work, batch)
    items = items_of(batch)
    rows = pair_rows(items[: len(items) // 2], items[len(items) // 2 :])
    assert ids_of(rows) == ids_of(paired.read(job=asked(rows=pairs(6)), policy=policy_of(base)))
    reference.attach(job=asked(), policy=policy_of(base), items=items)
    policy = policy_of(other)

    def ours(rows: list[paired.Row], beta: float) -> Found:
        given = spec.Hyperparameters(beta=beta)
        made = paired.loss(
            given, policy, rows, loop.Step(number=0, rows=rows, own=rows), preference=dpo.preference, has_reference=True
        )
        return found(policy, made.value)

    assert_same(ours(rows, BETA), theirs)
    assert_differs(ours(rows, BETA * 1.01), theirs)
    assert_differs(ours([paired.Row(chosen=row.rejected, rejected=row.chosen) for row in rows], BETA), theirs)


@pytest.mark.filterwarnings("ignore:.*trl.experimental")
def test_orpo_equals_trl(base: Path, other: Path, tmp_path: Path, asked: JobOf) -> None:
    """TRL's NLL is one mean over all tokens of the batch, prompts too, where the recipe's is each answer's own mean.

    So the recipe's whole loss is compared after its NLL was taken off and TRL's put in its place.
    """
    from trl.experimental import orpo as experimental

    work = experimental.ORPOTrainer(
        model=load(other),
        args=experimental.ORPOConfig(**settings(tmp_path), beta=BETA),
        train_dataset=datasets.Dataset.from_list(pairs(6)),
        processing_class=toys.character_tokenizer(),
    )
    batch = first_batch(work)
    theirs = found_by(work, batch)
    said, refused = orpo_items_of(batch, "chosen"), orpo_items_of(batch, "rejected")
    rows = pair_rows(said, refused)
    assert ids_of(rows) == ids_of(paired.read(job=asked(rows=pairs(6)), policy=policy_of(base)))
    whole = [data.Encoded(ids=item.ids, prompt_length=1) for item in said]
    policy = policy_of(other)

    def ours(rows: list[paired.Row], beta: float) -> Found:
        given = spec.Hyperparameters(beta=beta)
        made = paired.loss(
            given,
            policy,
            rows,
            loop.Step(number=0, rows=rows, own=rows),
            preference=orpo.preference,
            has_reference=False,
        )
        nll = -sums(policy, whole).sum() / sum(item.length for item in whole)
        return found(policy, made.value + means(policy, said).mean() + nll)

    assert_same(ours(rows, BETA), theirs)
    assert_differs(ours(rows, BETA * 1.01), theirs)
    off = [data.Encoded(ids=item.ids, prompt_length=item.prompt_length + 1) for item in refused]
    assert_differs(ours(pair_rows(said, off), BETA), theirs)


def kto_trainer(tmp_path: Path, **given: Any) -> Any:
    rows = [{name: row[name] for name in ("prompt", "completion", "label")} for row in test_recipes.kto_rows(8)]
    return trl.KTOTrainer(
        args=trl.KTOConfig(**settings(tmp_path), **KTO),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=toys.character_tokenizer(),
        **given,
    )


def settings(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path / "trl"),
        "per_device_train_batch_size": 8,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }


def pairs(count: int) -> list[dict[str, str]]:
    """Chosen and rejected answers of unlike lengths."""
    return [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"{number * 7} or so, I think"[: 3 + number]}
        for number, row in enumerate(toys.sums(count))
    ]


def load(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


def policy_of(folder: Path) -> models.Policy:
    return models.Policy(
        model=load(folder).eval(),
        tokenizer=toys.character_tokenizer(),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def move(policy: models.Policy, theirs: Any) -> None:
    """Give both adapters the same weights, far enough from 0 that both halves of each matter."""
    chance = torch.Generator().manual_seed(6)
    parameters = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, each in policy.trainable().items():
            each.copy_(torch.randn(each.shape, generator=chance) * 0.2)
            parameters[name].copy_(each)


def first_batch(work: Any) -> dict[str, Tensor]:
    return dict(next(iter(work.get_train_dataloader())))


def items_of(batch: dict[str, Tensor], prefix: str = "") -> list[data.Encoded]:
    """What TRL collated, as our rows."""
    rows = []
    for row, ids in enumerate(batch[f"{prefix}input_ids"]):
        real = batch[f"{prefix}attention_mask"][row].bool()
        is_completion = batch[f"{prefix}completion_mask"][row][real]
        rows.append(data.Encoded(ids=ids[real].tolist(), prompt_length=int((is_completion == 0).sum())))
    return rows


def orpo_items_of(batch: dict[str, Tensor], side: str) -> list[data.Encoded]:
    rows = []
    for row, ids in enumerate(batch[f"{side}_input_ids"]):
        real = batch[f"{side}_attention_mask"][row].bool()
        is_prompt = batch[f"{side}_labels"][row][real] == -100
        rows.append(data.Encoded(ids=ids[real].tolist(), prompt_length=int(is_prompt.sum())))
    return rows


def pair_rows(chosen: list[data.Encoded], rejected: list[data.Encoded]) -> list[paired.Row]:
    return [paired.Row(chosen=good, rejected=bad) for good, bad in zip(chosen, rejected, strict=True)]


def ids_of(rows: list[paired.Row]) -> set[tuple[int, ...]]:
    """Every answer's tokens after those of its prompt, and where it begins."""
    return {(item.prompt_length, *item.ids) for item in paired.answers(rows)}


def kto_rows_of(batch: dict[str, Tensor]) -> list[kto.Row]:
    return [
        kto.Row(item=item, is_desirable=bool(label), mismatched=other)
        for item, other, label in zip(items_of(batch), items_of(batch, "KL_"), batch["label"], strict=True)
    ]


def score(job: job.Job, policy: models.Policy, rows: list[kto.Row]) -> None:
    items = [row.item for row in rows] + [row.mismatched for row in rows if row.mismatched is not None]
    reference.attach(job=job, policy=policy, items=items)


def sums(policy: models.Policy, items: list[data.Encoded]) -> Tensor:
    return logprobs.of_tokens(policy, logprobs.collate(items, device=policy.device)).sum(1)


def means(policy: models.Policy, items: list[data.Encoded]) -> Tensor:
    return sums(policy, items) / torch.tensor([float(item.length) for item in items])


def found(policy: models.Policy, loss: Tensor) -> Found:
    parameters = policy.trainable()
    by = torch.autograd.grad(loss, list(parameters.values()))
    return Found(loss=loss.item(), gradients=dict(zip(parameters, by, strict=True)))


def found_by(work: Any, batch: dict[str, Tensor]) -> Found:
    """What TRL's trainer computes for this batch."""
    parameters = {name: each for name, each in work.model.named_parameters() if each.requires_grad}
    loss = work.compute_loss(work.model, dict(batch))
    by = torch.autograd.grad(loss, list(parameters.values()))
    return Found(loss=loss.item(), gradients=dict(zip(parameters, by, strict=True)))


def assert_same(ours: Found, theirs: Found) -> None:
    """Gradients are compared on the scale of each parameter's largest one."""
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
    assert ours.gradients.keys() == theirs.gradients.keys()
    for name, wanted in theirs.gradients.items():
        largest = wanted.abs().max().item()
        assert largest > 0, f"{name} has no gradient: nothing is compared"
        torch.testing.assert_close(ours.gradients[name], wanted, rtol=0, atol=1e-5 * largest)


def assert_z_counts(loss: loop.Loss) -> None:
    assert loss.parts["kl"] > 0.1, "z is 0: it is not compared"


def assert_differs(off: Found, theirs: Found) -> None:
    """The loss alone would be found different, and so would the gradients alone."""
    for one in (dataclasses.replace(off, gradients=theirs.gradients), dataclasses.replace(off, loss=theirs.loss)):
        with pytest.raises(AssertionError):
            assert_same(one, theirs)
