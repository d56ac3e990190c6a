"""Faults that must break a claim, one file per method: its list FAULTS."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """`plant` makes the faulty function of the right one, which stands in `module` under `name`."""

    claim: str
    module: Any
    plant: Callable[[Any], Any]
    name: str = "loss"


def every() -> list[Fault]:
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    return [fault for module in modules for fault in module.FAULTS]
