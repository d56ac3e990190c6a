"""What a check that is not stored says of a sample of stored outputs. Reads only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from annotate.constraints.checks import checking, judging, judging_queries, precision
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.models import Constraint
from annotate.errors import RuleError
from annotate.intake.models import Output

MARKED, DRAWN = 100, 200
ASKED_MARKED, ASKED_DRAWN = 4, 4
"""The same for a check that asks a model, divided by its judges: every output is a question to each, which costs."""
SHOWN = 20
SECONDS = 5.0
"""After so long no further output is looked at: somebody is waiting for the page."""
ASKING_SECONDS = 25.0


class ModelIsDown(RuleError):
    """The model that the check asks does not answer."""


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
    """`sampled` outputs were chosen, `looked` of them looked at before the time was over.

    `asked`: the models of a check that asks some; then `unanswered` has, by output, why there is no answer, and `cost`
    what the questions cost.
    """

    seed: int
    sampled: int
    asked: list[str] = field(default_factory=list)
    unanswered: dict[int, str] = field(default_factory=dict)
    cost: judging.Cost = field(default_factory=judging.Cost)
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

    The same seed looks at the same outputs. `rows` holds at most SHOWN, disagreements first. Raises CheckRefused, and
    ModelIsDown.
    """
    checks = checking.read(checking.normalised(text), models=judging_queries.models())
    models = checking.asked(checks)
    marked, drawn = (ASKED_MARKED, ASKED_DRAWN) if models else (MARKED, DRAWN)
    ids = check_queries.sample(constraint=constraint, seed=seed, marked=marked, drawn=drawn)
    ids = ids[: max(1, len(ids) // max(1, checking.judges(checks)))]
    people = check_queries.said(constraint=constraint, output_ids=ids, asked=asked)
    made = Preview(seed=seed, sampled=len(ids), asked=models)
    said = _asked(made, checks, ids) if models else _said(checks, ids, until=time.monotonic() + seconds)
    try:
        found = [_row(output, one, people.get(output.pk)) for output, one in said]
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


def _said(checks: list[dict[str, Any]], ids: list[int], *, until: float) -> Iterator[tuple[Output, checking.Said]]:
    ready = checking.made(checks)
    for output in check_queries.texts(output_ids=ids):
        yield output, checking.look(ready, prompt=check_queries.prompt_of(output), output=output.text)
        if time.monotonic() > until:
            return


def _asked(made: Preview, checks: list[dict[str, Any]], ids: list[int]) -> Iterator[tuple[Output, checking.Said]]:
    """Ask about all of them at once, and yield those with an answer. Raises ModelIsDown where the model fails."""
    models = judging_queries.models()
    outputs = list(check_queries.texts(output_ids=ids))
    outcomes = judging.ask(
        checks=checking.made_asking(checks, models=models),
        texts=[judging.Text(output_id=o.pk, prompt=check_queries.prompt_of(o), text=o.text) for o in outputs],
        models=models,
        until=time.monotonic() + ASKING_SECONDS,
    )
    for output, outcome in zip(outputs, outcomes, strict=True):
        made.cost += outcome.cost
        if outcome.has_failed and outcome.problem != judging.NO_FURTHER:
            raise ModelIsDown(f"{outcome.problem} Nothing is wrong with the check: try again later.", field="text")
        if outcome.said is None:
            made.unanswered[output.pk] = outcome.problem
        else:
            yield output, outcome.said


def _row(output: Output, said: checking.Said, people: bool | None) -> Looked:
    start = checking.excerpt_start(said.findings)
    return Looked(
        output_id=output.pk,
        violated=said.violated,
        people=people,
        text=output.text[start : start + checking.EXCERPT],
        is_cut=len(output.text) > checking.EXCERPT,
        messages=list(dict.fromkeys(each["message"] for each in said.findings)),
        marks=checking.moved(said.findings, start=start),
    )
