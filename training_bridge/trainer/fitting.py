"""How long a row may be, and what becomes of a longer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import transformers

from training_bridge.formats import spec
from training_bridge.trainer import errors, job

# What a model can read, by its configuration; the second is MPT's. Some (Bloom, Mamba) name no end.
NAMES = ("max_position_embeddings", "max_seq_len")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`asked` is the run's max_length (0: what the base can read), `able` what the base can read (0: it does not say).

    Both in tokens, prompt and completion together.
    """

    asked: int
    able: int
    policy: str

    @property
    def tokens(self) -> int | None:
        """Tokens that a row may have; None for as many as it likes."""
        return self.asked or self.able or None


def of(*, job: job.Job) -> Limit:
    """The run's limit. Raises Refused for a max_length beyond what the base can read."""
    asked, able = job.settings.max_length, _able(job.spec.base.location)
    if able and asked > able:
        raise errors.Refused(
            f"max_length is {asked}, but the base can read {able} tokens. Set it to {able} or less, or to 0, which is "
            "as much as the base can read."
        )
    return Limit(asked=asked, able=able, policy=job.settings.long_rows)


def shortened(tokenizer: Any, ids: list[int], *, at_most: int) -> list[int]:
    """The last `at_most` of a prompt's token ids, the beginning-of-text token kept where there is one."""
    if len(ids) <= at_most:
        return ids
    first = ids[:1] if ids[0] == tokenizer.bos_token_id else []
    return first + ids[len(ids) - at_most + len(first) :]


def fitted(tokenizer: Any, head: list[int], *, completion: int, limit: Limit) -> list[int] | None:
    """The prompt's token ids as they fit beside so many of the completion; None where the row is left out.

    At least one token of the prompt stays: the completion's first is predicted from it.
    """
    room = len(head) if limit.tokens is None else limit.tokens - completion
    if room >= len(head):
        return head
    if limit.policy != "truncate_left" or room < 1:
        return None
    return shortened(tokenizer, head, at_most=room)


def refusal(*, limit: Limit, what: str, long: int, read: int, longest: int) -> errors.Refused:
    """Say how many rows are too long and what may be done with them."""
    reason = "which is this run's max_length" if limit.asked else "which is all that the base can read"
    ways = [f"long_rows {each}" for each in spec.LONG_ROWS[1:]]
    raising = f" Or raise max_length: the base can read {limit.able}." if 0 < limit.asked < limit.able else ""
    return errors.Refused(
        f"{long} of {read} {what} are longer than {limit.tokens} tokens, {reason}; the longest has {longest}. "
        f"Choose what becomes of them: {ways[0]} leaves them out, {ways[1]} takes the beginning of their prompts."
        f"{raising}"
    )


def _able(location: str) -> int:
    try:
        config = transformers.AutoConfig.from_pretrained(location, trust_remote_code=False).get_text_config()
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # loading the base says what is wrong with it
    found = (getattr(config, name, None) for name in NAMES)
    return next((each for each in found if isinstance(each, int) and each > 0), 0)
