"""Texts to vectors with a sentence-transformers folder: `python -m training_bridge.trainer.embedding FOLDER`.

Speaks lines of JSON. First it says `{"width": n}`, or `{"refused": "why"}` and ends. Then it reads one JSON string a
line and answers each with `{"vector": "..."}`: base64 of n little-endian float32, of length one, or all zero for a text
of which the tokenizer leaves nothing.

One text at a time: in a batch texts are padded to the longest, and the last bits of a vector would depend on what it
was computed beside. Nothing is downloaded, no pickle is opened, and no code from the folder is run.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import safetensors
import torch
import transformers
from numpy.typing import NDArray

from training_bridge.trainer import errors, models

Vector = NDArray[np.float32]
Embed = Callable[[str], Vector]


def main(arguments: Sequence[str], *, asked: TextIO, told: TextIO) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m training_bridge.trainer.embedding FOLDER\n")
        return 1
    try:
        embed, width = opened(Path(arguments[0]))
    except errors.Refused as error:
        _say(told, refused=str(error))
        return 1
    _say(told, width=width)
    for line in asked:
        _say(told, vector=base64.b64encode(embed(json.loads(line)).tobytes()).decode())
    return 0


def opened(folder: Path) -> tuple[Embed, int]:
    """Load the folder; return what embeds one text, and the width of its vectors. Raises Refused."""
    _check(folder)
    try:
        import sentence_transformers  # not at the top: it costs seconds that a folder of the wrong kind need not
    except ImportError as error:
        raise errors.Refused(f"sentence-transformers is not installed for {sys.executable}.") from error
    try:
        model = sentence_transformers.SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, safetensors.SafetensorError) as error:
        raise errors.Refused(f"{folder} could not be loaded by sentence-transformers: {_first_line(error)}") from error
    model.eval()
    width = int(model.get_embedding_dimension() or 0)
    if not width:
        raise errors.Refused(f"{folder} does not say how wide its vectors are: it ends with no pooling.")

    def embed(text: str) -> Vector:
        if _is_blank(model, text):
            return np.zeros(width, "<f4")
        found = model.encode([text], normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(np.nan_to_num(found[0]), "<f4")

    return embed, width


def _is_blank(model: Any, text: str) -> bool:
    words = model.tokenizer
    return isinstance(words, transformers.PreTrainedTokenizerBase) and not words(text)["input_ids"]


def _check(folder: Path) -> None:
    """Say clearly what is wrong with a folder before the library does."""
    if not folder.is_dir():
        raise errors.Refused(f"{folder} is not a folder on this machine.")
    for path in _parts(folder):
        if not any(path.glob("*.safetensors")) and any(each for kind in models.PICKLES for each in path.glob(kind)):
            raise errors.Refused(
                f"{path} has its weights only as a pickle (.bin or .pt), which can run any code when it is opened. "
                "Convert them to safetensors."
            )


def _parts(folder: Path) -> Iterator[Path]:
    """Return the folders of its modules. Raises Refused when modules.json does not name folders within it."""
    try:
        named = [str(each["path"]) for each in json.loads((folder / "modules.json").read_text("utf-8"))]
    except FileNotFoundError as error:
        raise errors.Refused(f"{folder} is not a sentence-transformers folder: it has no modules.json.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise errors.Refused(f"{folder} has a modules.json that cannot be read: {_first_line(error)}") from error
    for name in named:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise errors.Refused(f"{folder} has a modules.json that names a folder outside it: {name}")
        yield path


def _say(told: TextIO, **words: object) -> None:
    told.write(json.dumps(words) + "\n")
    told.flush()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    # Libraries print what they like; the answers have the real standard output to themselves.
    with contextlib.redirect_stdout(sys.stderr):
        sys.exit(main(sys.argv[1:], asked=sys.stdin, told=sys.__stdout__ or sys.stdout))
