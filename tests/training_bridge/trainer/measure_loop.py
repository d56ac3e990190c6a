"""Measure what transformers.Trainer costs per step against a plain loop, on character models. Run by hand, alone.

python -m tests.training_bridge.trainer.measure_loop [hidden layers steps]
"""

from __future__ import annotations

import sys
import tempfile
import time
from typing import Any

import torch
import transformers

ROW_LENGTH = 72
BATCH = 64


def model(hidden: int, layers: int) -> transformers.PreTrainedModel:
    config = transformers.LlamaConfig(
        vocab_size=96, hidden_size=hidden, intermediate_size=hidden * 2, num_hidden_layers=layers, num_attention_heads=4
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config)


def rows(steps: int) -> list[dict[str, torch.Tensor]]:
    ids = torch.randint(0, 96, (steps * BATCH, ROW_LENGTH))
    return [{"input_ids": each, "labels": each, "attention_mask": torch.ones_like(each)} for each in ids]


def plain(hidden: int, layers: int, steps: int) -> float:
    net, data = model(hidden, layers), rows(steps)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    started = time.perf_counter()
    for step in range(steps):
        batch: dict[str, Any] = {
            name: torch.stack([row[name] for row in data[step * BATCH : (step + 1) * BATCH]]) for name in data[0]
        }
        net(**batch, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return steps / (time.perf_counter() - started)


def trainer(hidden: int, layers: int, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-3,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        work = transformers.Trainer(model=model(hidden, layers), args=arguments, train_dataset=rows(steps))
        work.log = lambda *_, **__: None  # type: ignore[method-assign]
        started = time.perf_counter()
        work.train()
        return steps / (time.perf_counter() - started)


if __name__ == "__main__":
    wanted_hidden, wanted_layers, wanted_steps = (int(each) for each in sys.argv[1:4] or ("96", "3", "60"))
    torch.set_num_threads(2)
    plain(wanted_hidden, wanted_layers, 5)
    for name, measure in (("plain", plain), ("Trainer", trainer), ("plain", plain), ("Trainer", trainer)):
        sys.stdout.write(f"{name}: {measure(wanted_hidden, wanted_layers, wanted_steps):.2f} steps/s\n")
