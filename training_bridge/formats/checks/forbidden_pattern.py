"""The output must not have anything that matches a pattern."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from training_bridge.formats.checks import finding, patterns


@dataclass(frozen=True, kw_only=True)
class ForbiddenPattern:
    r"""Every match is a finding. The pattern is a regular expression of Python's, as far as patterns.py takes it.

    >>> [(each.start, each.end) for each in ForbiddenPattern(pattern="!").findings(prompt="", output="No! Never!")]
    [(2, 3), (9, 10)]
    >>> ForbiddenPattern(pattern=r"\bvery\b", ignore_case=True).findings(prompt="", output="Every day")
    []
    """

    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        _ = self._compiled

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        return patterns.compiled(self.pattern, ignore_case=self.ignore_case)

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        if len(output) > patterns.LONGEST:
            return [finding.Finding(message=f"Longer than {patterns.LONGEST} characters: not searched.")]
        return [
            finding.Finding(message=f"Has what must not be there: {self.pattern}", start=match.start(), end=match.end())
            for match in self._compiled.finditer(output)
            if match.end() > match.start()
        ]
