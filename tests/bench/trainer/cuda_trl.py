"""One case of `cuda.py` with TRL's KTOTrainer, in this process, on the model and the rows that ours has."""

from __future__ import annotations

import copy
import itertools
import json
import tempfile
import time
from typing import Any

import tokenizers
import torch
import transformers

from tests.bench.trainer import cuda_ours, cuda_rows, device, process

WORDS = ("<pad>", "</s>")


def main() -> None:
    asked, answer = process.question()
    answer.write_text(json.dumps(device.answered(lambda: measured(asked))), encoding="utf-8")


class Clock(transformers.TrainerCallback):
    """When each step had ended, the device's work included."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Steady speed after `warm` steps, and peak memory; `asked["settings"]` are what is not TRL's default."""
    # Here, so that a machine without them is told as a case that failed.
    import datasets  # type: ignore[import-untyped]
    import peft
    import trl

    shape = cuda_rows.Model(**asked["model"])
    lengths = cuda_rows.Lengths(**asked["lengths"])
    rows = cuda_rows.drawn(model=shape, lengths=lengths, count=asked["rows"], answers=1)
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = cuda_ours.built(shape, place)
    adapter = peft.LoraConfig(r=shape.lora_rank, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    settings = {"per_device_train_batch_size": 8, **asked["settings"]}
    is_live = not (shape.lora_rank or settings.get("precompute_ref_log_probs"))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        work = trl.KTOTrainer(  # type: ignore[attr-defined]
            model=model,
            ref_model=copy.deepcopy(model) if is_live else None,
            args=trl.KTOConfig(  # type: ignore[attr-defined]
                output_dir=folder,
                gradient_accumulation_steps=asked["step"] // settings["per_device_train_batch_size"],
                num_train_epochs=1,
                max_length=2048,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=place.type == "cpu",
                **settings,
            ),
            train_dataset=datasets.Dataset.from_list([as_text(row) for row in rows]),
            processing_class=tokenizer(shape.vocabulary),
            peft_config=adapter if shape.lora_rank else None,
            callbacks=[clock],
        )
        prepared = time.perf_counter() - began
        work.train()
    warm = asked["warm"]
    found = cuda_rows.measured(
        model=shape,
        rows=rows[warm * asked["step"] :],
        seconds=clock.ends[-1] - clock.ends[warm - 1],
        peak=device.peak(place),
    )
    seconds = [round(after - before, 3) for before, after in itertools.pairwise(clock.ends)]
    return {**found, "prepared_seconds": prepared, "step_seconds": seconds, **device.memory(place)}


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    """Words that the tokenizer takes for just these ids; TRL adds the end of text itself."""
    answer = " ".join(f"w{token}" for token in row["answers"][0][:-1])
    return {
        "prompt": " ".join(f"w{token}" for token in row["prompt"]),
        "completion": f" {answer}",
        "label": row["label"],
    }


def tokenizer(vocabulary: int) -> Any:
    """`w17` is 17."""
    words = {word: number for number, word in enumerate(WORDS)}
    words |= {f"w{number}": number for number in range(len(WORDS), vocabulary)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token=WORDS[0]))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, pad_token=WORDS[0], eos_token=WORDS[1]
    )


if __name__ == "__main__":
    main()
