"""One KTO run of TRL's KTOTrainer, in this process: started by `kto.py`.

The trainer is TRL's own; its methods are only timed, and the losses that it computes are written down unrounded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-untyped]
import transformers
import trl

from tests.bench.trainer import process, stopwatch


def main() -> None:
    asked, answer = process.question()
    answer.write_text(json.dumps(measured(asked)), encoding="utf-8")


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Seconds by part, losses, marks of the rows and memory. `asked["order"]` are the row numbers to train on."""
    watch = stopwatch.Stopwatch()
    model = transformers.AutoModelForCausalLM.from_pretrained(asked["base"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(asked["base"])
    loaded = process.peak_mib()
    losses: list[float] = []
    batches: list[dict[str, Any]] = []

    class Watched(trl.KTOTrainer):  # type: ignore[misc,name-defined]
        def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
            found = super()._compute_loss(model, inputs, return_outputs)
            losses.append(found.item())
            batches.append(inputs)
            return found

    Watched._prepare_dataset = watch.timed("encoding", Watched._prepare_dataset)
    Watched._precompute_ref_logps = watch.timed("reference", Watched._precompute_ref_logps)
    Watched.train = watch.timed("training", Watched.train)
    work = Watched(
        model=model,
        args=trl.KTOConfig(  # type: ignore[attr-defined]
            output_dir=asked["output"], **asked["settings"]
        ),
        train_dataset=datasets.Dataset.from_list(rows(asked)),
        processing_class=tokenizer,
    )
    work.train()
    peak = process.peak_mib()
    accumulated = asked["settings"]["gradient_accumulation_steps"]
    real = [row for batch in batches for row in _ids(batch, "")]
    return {
        **watch.facts(),
        "losses": [sum(losses[at : at + accumulated]) / accumulated for at in range(0, len(losses), accumulated)],
        "marks": [_mark(batches[at : at + accumulated]) for at in range(0, len(batches), accumulated)],
        "tokens": sum(map(len, real)),
        "lengths": [len(row) for row in real],
        "answers": sum(int(batch["completion_mask"].sum()) for batch in batches),
        "loaded_mib": loaded,
        "peak_mib": peak,
    }


def rows(asked: dict[str, Any]) -> list[dict[str, Any]]:
    with Path(asked["rows"]).open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    return [read[number] for number in asked["order"]]


def _mark(batches: list[dict[str, Any]]) -> str:
    return stopwatch.mark_of(
        row
        for batch in batches
        for row in zip(_ids(batch, ""), _ids(batch, "KL_"), batch["label"].tolist(), strict=True)
    )


def _ids(batch: dict[str, Any], prefix: str) -> list[list[int]]:
    """Each row's token ids without padding."""
    masks = batch[f"{prefix}attention_mask"].bool()
    return [ids[mask].tolist() for ids, mask in zip(batch[f"{prefix}input_ids"], masks, strict=True)]


if __name__ == "__main__":
    main()
