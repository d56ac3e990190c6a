"""Throughput of each kind of check on an answer of 1,500 characters: `python -m tests.bench.checks`.

Beside each figure its ratio to str.split on the same text in the same second, which a busy machine moves less.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from training_bridge.formats.checks import declared, examples

SENTENCE = "In 2025 revenue rose by 20% of 50 to 1,200 euros [1], which is 12 * 100 = 1200, they say (Ode, 2021). "
OUTPUT = (SENTENCE * 15)[:1_500]
PROMPT = "Revenue rose from 1,000 to 1,200 euros by 2025; [1] Ode, 2021."
SECONDS = 0.5


def main() -> None:
    base = _per_second(OUTPUT.split)
    print(f"str.split: {base:,.0f} texts a second, {len(OUTPUT):,} characters each")  # noqa: T201
    print("| kind | outputs a second | times str.split |\n|---|---|---|")  # noqa: T201
    for example in examples.EXAMPLES:
        [named] = declared.read([example.declaration])
        output = '{"age": [' + "1, " * 495 + "1]}" if named.name == "json_schema" else OUTPUT
        speed = _per_second(functools.partial(named.check.findings, prompt=PROMPT, output=output))
        print(f"| `{named.name}` | {speed:,.0f} | {base / speed:,.0f} |")  # noqa: T201


def _per_second(call: Callable[[], object]) -> float:
    call()
    count, began = 0, time.thread_time()
    while time.thread_time() - began < SECONDS:
        call()
        count += 1
    return count / (time.thread_time() - began)


if __name__ == "__main__":
    main()
