"""A check that is a function of Python, shipped with the deployment. Nothing that anybody uploads is ever executed."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training_bridge.formats.checks import finding

ALLOWED = "NEGATIVA_CHECKS"
SHIPPED = ("training_bridge.demo.check.findings",)

Function = Callable[..., list[finding.Finding]]


@dataclass(frozen=True, kw_only=True)
class PythonFunction:
    """`function` is a dotted name, called with `prompt` and `output`; it returns a list of Finding.

    It must be one of SHIPPED or stand in the environment variable NEGATIVA_CHECKS (names parted by commas) of the
    process that names it and of the one that runs it. It is imported when it is first called, or by `load`.

    >>> PythonFunction(function="os.system")
    Traceback (most recent call last):
    ValueError: os.system is not among the functions that NEGATIVA_CHECKS allows as a check
    """

    function: str

    def __post_init__(self) -> None:
        if self.function not in allowed():
            raise ValueError(f"{self.function} is not among the functions that {ALLOWED} allows as a check")

    def load(self) -> Function:
        """Return the function. Raises ValueError where this process has none of this name."""
        return _loaded(self.function)

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        """Raises ValueError where the function fails: it is the deployment's, and whatever it raises is its own."""
        called = self.load()
        try:
            return list(called(prompt=prompt, output=output))
        except Exception as error:
            raise ValueError(f"{self.function} failed with {type(error).__name__}: {error}") from error


def allowed() -> frozenset[str]:
    """Return the dotted names that may be called, as the environment says now."""
    named = (each.strip() for each in os.environ.get(ALLOWED, "").split(","))
    return frozenset((*SHIPPED, *(each for each in named if each)))


@functools.cache
def _loaded(name: str) -> Function:
    module, _, attribute = name.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name} cannot be imported here: {error}") from error
    if not callable(found):
        raise ValueError(f"{name} is not a function")
    called: Function = found
    return called
