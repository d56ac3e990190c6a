"""A sentence-transformers folder of toy size: a two-layer encoder with drawn weights, the mean of its tokens."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
import torch
import transformers

WORDS = ["[PAD]", "[UNK]", "the", "date", "unit", "is", "wrong", "missing", "a", "of", "not", "in", "source"]
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def folder(path: Path) -> Path:
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words = transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]"
    )
    words.save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        max_position_embeddings=64,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    transformers.BertModel(config).save_pretrained(path)
    _write(path / "modules.json", MODULES)
    _write(path / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    _write(path / "1_Pooling" / "config.json", {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True})
    return path


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
