"""A tiny model, rows for it and a run to put them in: what a claim about a whole recipe needs."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import tokenizers
import torch
import transformers
from torch import Tensor

from training_bridge.formats import rundir, spec
from training_bridge.trainer import data, job, logprobs, models, reporting
from training_bridge.trainer.conformance import registry

VOCABULARY = 61
PADDING, END = "<pad>", "</s>"


def policy(*, seed: int) -> models.Policy:
    """A two-layer LLaMA of 20 thousand random weights on the CPU, in float32, without a tokenizer."""
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,  # far enough from uniform that log-ratios of two seeds are whole nats
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(config)
    model.eval()  # type: ignore[no-untyped-call]
    return models.Policy(model=model, tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)


def base(folder: Path, *, seed: int = 0) -> Path:
    """A folder that a run can start from: the weights of `policy` and a tokenizer of words t2, t3, ..."""
    starting = policy(seed=seed)
    starting.model.save_pretrained(folder)
    words = {PADDING: 0, END: 1, **{f"t{number}": number for number in range(2, VOCABULARY)}}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token=PADDING))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, pad_token=PADDING, eos_token=END
    ).save_pretrained(folder)
    return folder


def text(chance: random.Random, length: int) -> str:
    """So many words of the tokenizer in `base`, each followed by a space."""
    return "".join(f"t{chance.randrange(2, VOCABULARY)} " for _ in range(length))


def folder(path: Path, *, method: str, base: Path, rows: list[dict[str, Any]], **settings: Any) -> rundir.RunDir:
    """A run folder, ready to be launched on the CPU."""
    place = rundir.RunDir(path=path)
    place.data.mkdir(parents=True)
    place.train_rows.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec.RunSpec.from_dict(
        {
            "method": method,
            "base": {"location": str(base)},
            "checkpoint_name": "toy",
            "hyperparameters": {"device": "cpu", **settings},
        }
    ).write(place.spec)
    return place


def items(count: int, *, seed: int) -> list[data.Encoded]:
    """Rows of unlike lengths; every second one has a span mask."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        prompt, length = chance.randint(2, 6), chance.randint(2, 9)
        ids = [chance.randrange(2, VOCABULARY) for _ in range(prompt + length)]
        mask = [float(place % 2 == 0) for place in range(length)] if number % 2 else None
        found.append(data.Encoded(ids=ids, prompt_length=prompt, mask=mask))
    return found


def score(starting: models.Policy, items: Sequence[data.Encoded]) -> None:
    """Fill `reference` of each item by a forward pass of its own, here and now."""
    for item in items:
        with torch.no_grad():
            found = logprobs.of_tokens(starting, logprobs.collate([item], device=starting.device))
        item.reference = found[0].clone()


@contextlib.contextmanager
def run(*, method: str, starting: models.Policy | None = None, **hyperparameters: Any) -> Iterator[job.Job]:
    """A run on the CPU in a folder that is gone afterwards. The rate is 0: a step leaves the weights as they are.

    Its base is a folder with the weights of `starting`, or else a name that nothing can be loaded from.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        place = rundir.RunDir(path=Path(name) / "run")
        place.path.mkdir()
        base = Path(name) / "base"
        if starting is not None:
            starting.model.config.save_pretrained(base)
            safetensors.torch.save_file(starting.model.state_dict(), base / "model.safetensors")
        asked = spec.RunSpec.from_dict(
            {
                "method": method,
                "base": {"location": str(base)},
                "checkpoint_name": "toy",
                "hyperparameters": {"device": "cpu", "learning_rate": 0.0, "max_steps": 1, **hyperparameters},
            }
        )
        asked.write(place.spec)
        yield job.Job(folder=place, spec=asked, reporter=reporting.Reporter(place))


def assert_same_gradients(found: Tensor, wanted: Tensor, *, within: float) -> None:
    """Compare gradients on the scale of the largest one wanted, so that small gradients are not called equal."""
    scale = wanted.abs().max()
    assert scale > 0, "every gradient wanted is 0: nothing is compared"
    registry.assert_close(found / scale, wanted / scale, within=within)
