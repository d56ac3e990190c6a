"""Ways to ask one check what it finds."""

from __future__ import annotations

from typing import Any

from training_bridge.formats.checks import declared, finding


def found(values: dict[str, Any], output: str, *, prompt: str = "") -> list[finding.Finding]:
    [one] = declared.read([values])
    return one.check.findings(prompt=prompt, output=output)


def marked(values: dict[str, Any], output: str, *, prompt: str = "") -> list[str]:
    """What the findings' spans cover; `*` for the whole output."""
    return [
        "*" if each.start is None else output[each.start : each.end] for each in found(values, output, prompt=prompt)
    ]


def messages(values: dict[str, Any], output: str, *, prompt: str = "") -> list[str]:
    return [each.message for each in found(values, output, prompt=prompt)]
