"""Whose judgments count together. Pure.

People and programs are never mixed unless somebody asks for it. `PEOPLE` is what counts when nothing is said: people at
work here, and the external annotators whose judgments came with an imported file (who they are is the importer's
word). Scripts and models are `PROGRAMS`: their judgments count where they are named.
"""

from __future__ import annotations

from collections.abc import Iterable

PEOPLE = ("person", "external")
PROGRAMS = ("script", "model")
KINDS = ("person", "script", "model", "external")
TOGETHER = {"people": PEOPLE, "programs": PROGRAMS, "all": KINDS}
"""The choices that pages offer, by name."""


def in_order(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return those of KINDS that are named, each once, always in the same order."""
    named = set(kinds)
    return tuple(kind for kind in KINDS if kind in named)
