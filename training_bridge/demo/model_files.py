"""The base model before training: config.json and a tokenizer, written as the JSON that `transformers` reads.

The web half may not import `transformers`, and needs not: both files are plain data. The tokenizer is a BPE whose
merges build exactly the words of the world, each with or without the space before it, and the numbers of two digits.
Every other text falls apart into characters, and characters outside printable ASCII into bytes, so no text is unknown.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_bridge.demo import world, writing

PAD, START, END = "<pad>", "<s>", "</s>"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of the model: about 0.8 million parameters as it stands."""

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    intermediate: int = 352
    positions: int = 512


def write(*, folder: Path, shape: Shape) -> None:
    """Write config.json, tokenizer.json, tokenizer_config.json and generation_config.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _tokenizer()
    files = {
        "tokenizer.json": model,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": START,
            "eos_token": END,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": False,
            "model_max_length": shape.positions,
        },
        "config.json": _config(shape, len(model["model"]["vocab"])),
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _config(shape: Shape, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "initializer_range": 0.04,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "dtype": "float32",
    }


def _tokenizer() -> dict[str, Any]:
    words = _words()
    # Words with a space come first: a lower merge is done first, so no bare word breaks into one of them.
    spaced = _merges(f" {word}" for word in (*words, "+", "-", "="))
    merges = list(dict.fromkeys([*spaced, *_merges(words), *_merges(str(number) for number in range(10, 100))]))
    vocabulary = [PAD, START, END, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary += ["\n", *string.digits, *string.ascii_letters, " ", *string.punctuation]
    vocabulary += [left + right for left, right in merges]
    specials = [
        {
            "id": number,
            "content": token,
            "special": True,
            "normalized": False,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
        }
        for number, token in enumerate((PAD, START, END))
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": specials,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r" ?[A-Za-z]+| ?[+\-=]|\d{1,2}|[\s\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(dict.fromkeys(vocabulary))},
            "merges": [list(pair) for pair in merges],
        },
    }


def _words() -> list[str]:
    """Return every word of the world's prompts and answers, also in capitals, in a fixed order."""
    texts = [
        *(re.sub(r"{\w+}", "", kind.question) for kind in world.KINDS.values()),
        *(kind.verb for kind in world.KINDS.values()),
        *(unit for kind in world.KINDS.values() for unit in kind.units),
        *world.NAMES,
        *world.RULES.values(),
        *writing.TAILS,
    ]
    words = {word for text in texts for word in re.findall(r"[A-Za-z]+", text)}
    return sorted(words | {word.upper() for word in words})


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return the merges that build each word from its left end."""
    return [(word[:length], word[length]) for word in words for length in range(1, len(word))]
