"""The model that both sides train: LLaMA-shaped, 10 million parameters, its tokenizer made of the rows' own text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

VOCABULARY = 32_000
PAD, END = "<pad>", "</s>"


def build(*, folder: Path, texts: Iterable[str], vocabulary: int = VOCABULARY) -> int:
    """Write a base with random weights into `folder`; returns how many parameters it has.

    The tokenizer may find fewer words than `vocabulary` in little text; the model has that many all the same.
    """
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer(texts, vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config(vocabulary))
    model.save_pretrained(folder)
    return sum(each.numel() for each in model.parameters())


def config(vocabulary: int) -> transformers.LlamaConfig:
    """10.3 million at 32,000 words: 7.2 in the embeddings, which are the head as well, and 3.2 in the layers."""
    return transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=224,
        intermediate_size=640,
        num_hidden_layers=5,
        num_attention_heads=7,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )


def tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, pad_token=PAD, eos_token=END
    )
