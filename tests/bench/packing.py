"""Packed batches against padded ones, forward and backward: `python -m tests.bench.packing [mixed equal d2o small]`.

LLaMAs of random weights on one thread, in this process, turn by turn: processor seconds of the fastest of four.
`padded` is one row a line, `packed` one line without shared prompts, `shared` what training does. Needs no database.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from collections.abc import Callable, Sequence

import torch
import transformers

from training_bridge.trainer import attending, data, logprobs, models, packing

ROUNDS = 4
NEVER = 2**31
WORDS, LETTERS = 32_000, 80


def main() -> None:
    cases: dict[str, Callable[[], None]] = {"mixed": mixed, "equal": equal, "d2o": d2o, "small": small}
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", choices=cases, default=list(cases))
    torch.set_num_threads(1)
    say(f"{platform.machine()}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    for name in parser.parse_args().cases:
        cases[name]()


def mixed() -> None:
    """Lengths as answers have them: many short ones, a few long ones."""
    chance = random.Random(1)
    lengths = [min(1024, max(24, int(chance.lognormvariate(5, 0.7)))) for _ in range(16)]
    compare("16 rows of unlike lengths", large(), [drawn(each, each * 2 // 5, chance) for each in lengths])


def equal() -> None:
    """Nothing to gain."""
    chance = random.Random(2)
    compare("8 rows of 256 tokens", large(), [drawn(256, 128, chance) for _ in range(8)])


def d2o() -> None:
    """A rejected answer and its K = 8 anchors."""
    chance = random.Random(3)
    prompt = drawn(512, 512, chance).ids
    items = [
        data.Encoded(ids=prompt + drawn(chance.randint(64, 128), 0, chance).ids, prompt_length=512) for _ in range(9)
    ]
    compare("9 answers of 64 to 128 tokens to a prompt of 512", large(), items)


def small() -> None:
    """The demo's: characters, short rows."""
    chance = random.Random(4)
    items = [drawn(each, each // 2, chance, words=LETTERS) for each in (chance.randint(50, 80) for _ in range(64))]
    compare("64 rows of 50 to 80 characters, 0.3 million parameters", model(LETTERS, 96, 3, heads=4), items)


def large() -> models.Policy:
    """9.7 million parameters, of which 6.1 are the embeddings and the head."""
    return model(WORDS, 192, 8, heads=3)


def model(words: int, hidden: int, layers: int, *, heads: int) -> models.Policy:
    config = transformers.LlamaConfig(
        vocab_size=words,
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    net = transformers.LlamaForCausalLM(config)
    return models.Policy(model=net, tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)


def drawn(length: int, prompt_length: int, chance: random.Random, *, words: int = WORDS) -> data.Encoded:
    return data.Encoded(ids=[chance.randrange(3, words) for _ in range(length)], prompt_length=prompt_length)


def compare(name: str, policy: models.Policy, items: Sequence[data.Encoded]) -> None:
    """Print what each way takes and how many tokens it shows the model."""
    packed = policy.packing
    if packed.problem:
        raise RuntimeError(packed.problem)
    ways = {
        "padded": (attending.Packing(problem="padded"), packing.SHARED_FROM),
        "packed": (packed, NEVER),
        "shared": (packed, packing.SHARED_FROM),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    tokens: dict[str, int] = {}
    for _ in range(ROUNDS):
        for way, (how, packing.SHARED_FROM) in ways.items():
            vars(policy)["packing"] = how
            tokens[way] = how.layout(items, device=policy.device).ids.numel()
            took[way].append(seconds(policy, items))
    say(name)
    for way, each in took.items():
        ratio = min(took["padded"]) / min(each)
        say(f"  {way:7} {tokens[way]:6} tokens {min(each):7.3f} s, {ratio:.2f} x padded")


def seconds(policy: models.Policy, items: Sequence[data.Encoded]) -> float:
    """Of this process, so that what else the machine does counts little."""
    started = time.process_time()
    found = logprobs.of_tokens(policy, logprobs.collate(items, device=policy.device))
    torch.autograd.backward(found.sum())
    policy.model.zero_grad(set_to_none=True)
    return time.process_time() - started


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
