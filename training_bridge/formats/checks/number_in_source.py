"""The output must not state a number that the prompt does not give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from training_bridge.formats.checks import finding

NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d++(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class NumberInSource:
    """Numbers are compared by value (1,000 is 1000.0), written in digits; signs and number words are not read.

    Any number that the model worked out is a finding too, right or wrong: `exceptions` may be said always. It fits
    answers that repeat what they were given, such as summaries.

    >>> check = NumberInSource(exceptions=[1])
    >>> prompt = "Revenue rose from 1,200 to 1,500 euros in 2025."
    >>> [each.message for each in check.findings(prompt=prompt, output="1) In 2025 it rose from 1200 to 1550.")]
    ['1550 is not in the prompt.']
    """

    exceptions: list[float] | None = None

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        given = {_value(each.group()) for each in NUMBER.finditer(prompt)}
        given |= {Decimal(str(each)) for each in self.exceptions or ()}
        return finding.first(
            finding.Finding(
                message=f"{finding.quote(each.group())} is not in the prompt.", start=each.start(), end=each.end()
            )
            for each in NUMBER.finditer(output)
            if _value(each.group()) not in given
        )


def _value(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))
