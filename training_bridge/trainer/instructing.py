"""Telling the model the constraints while it samples anchors, and only then.

The anchors are kept, scored and trained with the prompt alone, so what the instructions bring about becomes the model's
own habit: context distillation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from training_bridge.formats import rows, spec
from training_bridge.trainer import data, errors

OPENING = "Your answer is rejected if it breaks any of these prohibitions:"


def of(*, asked: spec.RunSpec) -> str:
    """The instructions that this run's anchors are sampled under; empty for none. Raises Refused."""
    if not asked.hyperparameters.anchor_constraints:
        return ""
    if not asked.constraints:
        raise errors.Refused(
            "anchor_constraints is set, but the spec has no constraints to tell the model. Give it some, or unset it."
        )
    return text_of(asked.constraints)


def text_of(statements: Sequence[str]) -> str:
    """
    >>> print(text_of(["Greets the reader", "Leaves out the unit"]))
    Your answer is rejected if it breaks any of these prohibitions:
    - Greets the reader
    - Leaves out the unit
    """
    return "\n".join([OPENING, *(f"- {' '.join(each.split())}" for each in statements)])


def sha256_of(told: str) -> str:
    """What anchors.jsonl says of the instructions; empty for none."""
    return hashlib.sha256(told.encode()).hexdigest() if told else ""


def with_instructions(prompt: rows.PromptValue, *, told: str) -> rows.PromptValue:
    """The prompt with the instructions in its system message, or before a plain text.

    >>> with_instructions("2 + 2 = ", told="Be brief.")
    'Be brief.\\n\\n2 + 2 = '
    >>> with_instructions([{"role": "user", "content": "Hi"}], told="Be brief.")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hi'}]
    >>> with_instructions([{"role": "system", "content": "You are Ann."}], told="Be brief.")
    [{'role': 'system', 'content': 'You are Ann.\\n\\nBe brief.'}]
    """
    if isinstance(prompt, str):
        return f"{told}\n\n{prompt}"
    first, rest = prompt[0], prompt[1:]
    if first["role"] != "system":
        return [{"role": "system", "content": told}, *prompt]
    said = first["content"]
    joined = f"{said}\n\n{told}" if isinstance(said, str) else [*said, {"type": "text", "text": told}]
    return [{**first, "content": joined}, *rest]


def prompt_ids(tokenizer: Any, prompt: rows.PromptValue, *, told: str, at_most: int) -> list[int]:
    """The prompt's token ids with the instructions, which are never cut. Raises Refused.

    A prompt over `at_most` tokens (the run's max_prompt_length; 0: none is) loses what it loses without instructions:
    its beginning.
    """
    if not told:
        return data.prompt_ids(tokenizer, prompt, at_most=at_most)
    whole = data.prompt_ids(tokenizer, _checked(tokenizer, prompt, told))
    plain = data.prompt_ids(tokenizer, prompt)
    if not at_most or len(plain) <= at_most:
        return whole
    kept = min(_same_at_end(whole, plain), at_most)
    return whole[: len(whole) - _same_at_end(whole, plain)] + whole[len(whole) - kept :]


def _checked(tokenizer: Any, prompt: rows.PromptValue, told: str) -> rows.PromptValue:
    """The prompt with instructions; Refused where the chat template does not take a system message, or drops it."""
    found = with_instructions(prompt, told=told)
    if isinstance(prompt, str):
        return found
    try:
        rendered = data.prompt_text(tokenizer, found)
    except errors.Refused:
        raise
    except Exception as error:  # a template raises whatever its author chose
        raise _no_system_message(str(error)) from error
    if told not in rendered:
        raise _no_system_message("it leaves the system message out")
    return found


def _no_system_message(why: str) -> errors.Refused:
    return errors.Refused(
        "anchor_constraints tells the model the constraints in a system message, and the base's chat template does not "
        f"take one ({why}). Unset it, or use a base whose template does."
    )


def _same_at_end(one: Sequence[int], other: Sequence[int]) -> int:
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count
