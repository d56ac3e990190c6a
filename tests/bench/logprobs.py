"""Log-probs in chunks against whole logits, measured: `python -m tests.bench.logprobs [--vocabulary 32000]`.

A LLaMA of random weights on one thread, a batch of 8 rows of 256 tokens of which the last are the completion; each way
in a process of its own: processor seconds of the fastest of four, and the peak of resident memory above the model and
its inputs (gradients of the weights included). Needs no database.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import transformers
from torch import Tensor

from training_bridge.trainer import data, logprobs, models

ROWS, LENGTH, ROUNDS = 8, 256, 4
WAYS = ("whole", "chunked")
TRAINED = ("all weights", "body only", "nothing")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--one", nargs=3, metavar=("WAY", "TRAINED", "COMPLETION"), help="measure this alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        way, trained, completion = options.one
        say(measured(model(options), way, trained, int(completion)))
        return
    say(f"{platform.machine()}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    say(f"vocabulary {options.vocabulary}, hidden {options.hidden}, {options.layers} layers, {ROWS} x {LENGTH} tokens")
    for trained in TRAINED:
        for completion in (128, 255):
            for way in WAYS:
                command = [sys.executable, "-m", "tests.bench.logprobs", *sys.argv[1:]]
                subprocess.run([*command, "--one", way, trained, str(completion)], check=True)


def model(options: argparse.Namespace) -> transformers.LlamaForCausalLM:
    config = transformers.LlamaConfig(
        vocab_size=options.vocabulary,
        hidden_size=options.hidden,
        intermediate_size=options.hidden * 8 // 3,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 64,
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config)


def measured(net: transformers.LlamaForCausalLM, way: str, trained: str, completion: int) -> str:
    """One line: what it took."""
    policy = models.Policy(model=net, tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)
    net.lm_head.requires_grad_(trained == "all weights")
    chance = random.Random(0)
    items = [
        data.Encoded(
            ids=[chance.randrange(3, net.config.vocab_size) for _ in range(LENGTH)], prompt_length=LENGTH - completion
        )
        for _ in range(ROWS)
    ]
    batch = logprobs.collate(items, device=policy.device)
    if policy.head.problem:
        raise RuntimeError(policy.head.problem)
    score = {
        "whole": lambda: logprobs.from_whole_logits(policy, batch, has_entropy=False)[0],
        "chunked": lambda: logprobs.of_tokens(policy, batch),
    }[way]
    before = peak_mib()
    took = min(seconds(score, is_trained=trained != "nothing", net=net) for _ in range(ROUNDS))
    return f"{trained:12} completion {completion:3}  {way:8} {took:5.2f} s  {peak_mib() - before:5} MiB"


def seconds(score: Callable[[], Tensor], *, is_trained: bool, net: torch.nn.Module) -> float:
    """Of this process, so that what else the machine does counts little."""
    started = time.process_time()
    with torch.set_grad_enabled(is_trained):
        found = score().sum()
    if is_trained:
        torch.autograd.backward(found)
        net.zero_grad(set_to_none=True)
    return time.process_time() - started


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
