"""The output must have something that matches a pattern."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from training_bridge.formats.checks import finding, patterns


@dataclass(frozen=True, kw_only=True)
class RequiredPattern:
    r"""The whole output is the finding where nothing matches. Patterns are as in ForbiddenPattern.

    >>> check = RequiredPattern(pattern=r"^Answer: \d+")
    >>> len(check.findings(prompt="", output="Answer: 13")), len(check.findings(prompt="", output="13"))
    (0, 1)
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
        if self._compiled.search(output):
            return []
        return [finding.Finding(message=f"Lacks what must be there: {self.pattern}")]
