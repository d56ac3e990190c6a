"""A figure as the tables of figures print it (figure_cell.html)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """`between` says in small where the figure lies, and of how many observations it is."""

    value: str
    between: str = ""
