"""The rows that both sides train on: 2,000 judged answers of the public data, as KTO rows.

They are read where they lie and written only into the measurement's own folder. Without them rows are made up, whose
lengths are drawn from the same distribution; what they say is then nothing.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCES = {"fgrlhf_dev": 0.25, "halueval_general": 0.75}
# Words of prompt and answer at the 0th, 10th, 25th, 50th, 75th, 90th and 100th percentile of each source.
WORDS = {
    "fgrlhf_dev": ((8, 219, 387, 458, 617, 656, 708), (10, 34, 48, 67, 86, 104, 158)),
    "halueval_general": ((1, 7, 8, 11, 15, 21, 198), (21, 33, 53, 83, 109, 130, 149)),
}
DECILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
VOCABULARY = 40_000


def load(*, folder: Path | None, count: int, words: int = 0) -> tuple[list[dict[str, Any]], str]:
    """`count` rows {prompt, completion, label}, mixed by a seed, and a sentence that says where they come from.

    Prompts and answers are cut to `words`, unless that is 0.
    """
    found: list[dict[str, Any]] = []
    absent = [name for name in SOURCES if folder is None or not (folder / f"{name}.jsonl.gz").exists()]
    for name, share in SOURCES.items():
        wanted = round(count * share)
        rows = list(_made_up(name, wanted) if absent or folder is None else _public(folder, name))
        random.Random(f"rows/{name}").shuffle(rows)
        found.extend(rows[:wanted])
    random.Random("rows").shuffle(found)
    found = [as_row(*(_cut(row[name], words) for name in ("prompt", "output")), label=row["label"]) for row in found]
    said = f"{len(found)} rows of {' and '.join(SOURCES)}"
    if absent:
        said = f"{len(found)} rows made up with the lengths of {' and '.join(SOURCES)} (the data is not at {folder})"
    return found, said


def _public(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["prompt"].strip() and row["output"].strip():
                accepted = all(each["ok"] for each in row["annotations"])
                yield {"prompt": row["prompt"], "output": row["output"], "label": accepted}


def as_row(prompt: str, output: str, *, label: bool) -> dict[str, Any]:
    """Prompt and answer meet at a space, which begins a token: both sides then cut the text into the same tokens."""
    return {"prompt": f"{prompt.strip()}\nAnswer:", "completion": f" {output.strip()}", "label": label}


def _made_up(name: str, count: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(f"made up/{name}")
    for number in range(count):
        prompt, answer = (_words(chance, _drawn(chance, lengths)) for lengths in WORDS[name])
        accepted = number % 5 > 0 and name == "halueval_general"
        yield {"prompt": f"{number} {prompt}", "output": answer, "label": accepted}


def _cut(text: str, words: int) -> str:
    return " ".join(text.split()[:words]) if words else text


def _words(chance: random.Random, count: int) -> str:
    """Words as often as their rank says (Zipf), so that a tokenizer finds long ones."""
    return " ".join(f"w{int(VOCABULARY ** chance.random())}" for _ in range(count))


def _drawn(chance: random.Random, lengths: tuple[int, ...]) -> int:
    """A length from its percentiles, straight lines between them."""
    at = chance.random()
    place = max(index for index, share in enumerate(DECILES[:-1]) if share <= at)
    below, above = DECILES[place], DECILES[place + 1]
    return round(lengths[place] + (lengths[place + 1] - lengths[place]) * (at - below) / (above - below))
