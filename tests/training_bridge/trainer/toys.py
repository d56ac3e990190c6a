"""Tiny models, tokenizers and run folders for the trainer's tests: seconds, not minutes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

from training_bridge.formats import rundir, spec

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,?!+-=\n'कंनािä🙂"


def character_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """One token per code point; <pad> 0, </s> 1, <unk> 2."""
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *LETTERS])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    return wrapped(inner, unk_token="<unk>")


def wrapped(inner: tokenizers.Tokenizer, **tokens: str) -> transformers.PreTrainedTokenizerFast:
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", **tokens
    )


def config(*, hidden: int = 32, layers: int = 2, heads: int = 2) -> transformers.LlamaConfig:
    return transformers.LlamaConfig(
        vocab_size=len(LETTERS) + 3,
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=512,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )


def bare_base(folder: Path, **shape: int) -> Path:
    """config.json and a tokenizer: what pretrain starts from."""
    config(**shape).save_pretrained(folder)
    character_tokenizer().save_pretrained(folder)
    return folder


def base(folder: Path, *, seed: int = 0, **shape: int) -> Path:
    """A random model with weights."""
    bare_base(folder, **shape)
    torch.manual_seed(seed)
    transformers.LlamaForCausalLM(config(**shape)).save_pretrained(folder)
    return folder


def sums(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        left, right = chance.randint(2, 9), chance.randint(2, 9)
        found.append({"prompt": f"{left} + {right} = ", "completion": f"{left + right}."})
    return found


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_folder(
    folder: Path,
    *,
    method: str,
    location: Path,
    rows: list[dict[str, Any]] | None = None,
    prompts: list[dict[str, Any]] | None = None,
    sampling: dict[str, Any] | None = None,
    adapter: str = "",
    **hyperparameters: Any,
) -> rundir.RunDir:
    """A run folder ready to be launched on the CPU."""
    place = rundir.RunDir(path=folder)
    place.data.mkdir(parents=True)
    values = {
        "method": method,
        "base": {"location": str(location), "adapter": adapter},
        "checkpoint_name": folder.name,
        "hyperparameters": {"device": "cpu", "learning_rate": 1e-3, "max_steps": 4, **hyperparameters},
        "sampling": sampling,
    }
    spec.RunSpec.from_dict(values).write(place.spec)
    if rows is not None:
        write_rows(place.train_rows, rows)
    if prompts is not None:
        write_rows(place.prompts, prompts)
    return place
