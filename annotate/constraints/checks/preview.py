"""What a check that is not stored says of a sample of stored outputs. Reads only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from annotate.constraints.checks import checking, precision
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.models import Constraint

MARKED, DRAWN = 100, 200
SHOWN = 20
SECONDS = 5.0
"""After so long no further output is looked at: somebody is waiting for the page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """One output: what the check says, what people say (None: nothing), and an excerpt with the findings in it.

    `messages` are those of all findings, `marks` those with a place in the excerpt, with offsets into it.
    """

    output_id: int
    violated: bool
    people: bool | None
    text: str
    is_cut: bool
    messages: list[str]
    marks: list[dict[str, Any]]

    @property
    def rank(self) -> tuple[bool, bool]:
        """Disagreements first, then what the check marked."""
        return (self.people is None or self.people == self.violated, not self.violated)


@dataclass(kw_only=True, slots=True)
class Preview:
    """`sampled` outputs were chosen, `looked` of them looked at before the time was over."""

    seed: int
    sampled: int
    looked: int = 0
    violated: int = 0
    counts: precision.Counts = field(default_factory=precision.Counts)
    rows: list[Looked] = field(default_factory=list)

    @property
    def undecided(self) -> int:
        return self.looked - self.counts.decided


def preview(
    *, constraint: Constraint, text: str, seed: int, asked: check_queries.Asked, seconds: float = SECONDS
) -> Preview:
    """Run the check that `text` declares on up to MARKED outputs that people marked and DRAWN of all. Stores nothing.

    The same seed looks at the same outputs. `rows` holds at most SHOWN, disagreements first. Raises CheckRefused.
    """
    checks = checking.read(checking.normalised(text))
    ids = check_queries.sample(constraint=constraint, seed=seed, marked=MARKED, drawn=DRAWN)
    people = check_queries.said(constraint=constraint, output_ids=ids, asked=asked)
    made, found = Preview(seed=seed, sampled=len(ids)), []
    try:
        for row in _looked(checks, ids, people, until=time.monotonic() + seconds):
            found.append(row)
    except ValueError as error:
        raise checking.CheckRefused(f"This check cannot be run: {error}.", field="text") from error
    cells = Counter((row.violated, row.people) for row in found)
    made.looked, made.violated = len(found), sum(row.violated for row in found)
    made.counts = precision.Counts(
        hit=cells[True, True], alarm=cells[True, False], miss=cells[False, True], clear=cells[False, False]
    )
    wanted = [row for row in found if row.violated or row.people]
    made.rows = sorted(wanted, key=lambda row: (row.rank, row.output_id))[:SHOWN]
    return made


def _looked(
    checks: list[dict[str, Any]], ids: list[int], people: dict[int, bool | None], *, until: float
) -> Iterator[Looked]:
    ready = checking.made(checks)
    for output in check_queries.texts(output_ids=ids):
        said = checking.look(ready, prompt=check_queries.prompt_of(output), output=output.text)
        start = checking.excerpt_start(said.findings)
        yield Looked(
            output_id=output.pk,
            violated=said.violated,
            people=people.get(output.pk),
            text=output.text[start : start + checking.EXCERPT],
            is_cut=len(output.text) > checking.EXCERPT,
            messages=list(dict.fromkeys(each["message"] for each in said.findings)),
            marks=checking.moved(said.findings, start=start),
        )
        if time.monotonic() > until:
            return
