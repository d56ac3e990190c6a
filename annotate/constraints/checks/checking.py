"""A constraint's check: how its text is read, what it says of an output, and what may follow what in its life. Pure.

The text is YAML: one check, or a list of several, of which each must pass.

    check: repeated_ngram
    words: 4
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotate.errors import RuleError
from training_bridge.formats import rows
from training_bridge.formats.checks import declared, finding, written

Made = declared.Named | declared.Asking

LONGEST_TEXT = 20_000
FINDINGS_KEPT = 50
LONGEST_MESSAGE = 300
EXCERPT = 1_500
"""Characters of an output shown where a check found something; BEFORE of them stand before its first finding."""
BEFORE = 300

DRAFT, SHADOW, TRUSTED, RETIRED = "draft", "shadow", "trusted", "retired"
RUNNING = (SHADOW, TRUSTED)

# The only table of what may follow what. A person does every step; two are also taken by themselves: trusted to shadow
# when the check no longer earns it, and to draft when it cannot be run.
FOLLOWERS: Mapping[str, tuple[str, ...]] = {
    DRAFT: (SHADOW, RETIRED),
    SHADOW: (TRUSTED, DRAFT, RETIRED),
    TRUSTED: (SHADOW, DRAFT, RETIRED),
    RETIRED: (DRAFT,),
}


class CheckRefused(RuleError):
    """The text is no check, or not one that can be made here."""


class WrongState(RuleError):
    """The check is not in a state from which this may be done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a check says of one output. A finding is {"message", "start", "end"}: half-open code-point offsets, or null
    for the whole output."""

    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def violated(self) -> bool:
        return bool(self.findings)


def require_step(*, state: str, to: str) -> None:
    """Raise WrongState unless `to` may follow `state`."""
    if to not in FOLLOWERS[state]:
        raise WrongState(f"A check that is {state} cannot become {to}. Reload the page to see where it stands.")


def state_after_saving(state: str) -> str:
    """Return where a check stands once it has a new version: nothing is known of it, so nobody trusts it yet.

    >>> [state_after_saving(each) for each in (DRAFT, SHADOW, TRUSTED, RETIRED)]
    ['draft', 'shadow', 'shadow', 'draft']
    """
    return SHADOW if state in RUNNING else DRAFT


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def normalised(text: str) -> str:
    """Return a typed text as it is stored: lines end with LF, and the last one too."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"


def read(text: str, *, models: Collection[str] = ()) -> list[dict[str, Any]]:
    r"""Return the checks that a text declares, tried once; judges may ask `models`. Raises CheckRefused with a sentence
    that says what is wrong.

    >>> read("check: repeated_ngram\nwords: 4\n")
    [{'check': 'repeated_ngram', 'words': 4}]
    """
    if not text.strip():
        raise CheckRefused("Write the check.", field="text")
    if len(text) > LONGEST_TEXT or "\x00" in text:
        raise CheckRefused(f"The text has {len(text)} characters; {LONGEST_TEXT} are taken.", field="text")
    try:
        found = written.declarations(text, models=models, loads=True)
    except ValueError as error:
        raise CheckRefused(f"This is no check: {error}.", field="text") from error
    if not found:
        raise CheckRefused("This is no check: the list is empty.", field="text")
    return found


def made(checks: Sequence[Mapping[str, Any]]) -> list[declared.Named]:
    """Make checks of what is stored. Raises ValueError where one cannot be made, or its function is not here."""
    return declared.read(checks, loads=True)


def made_asking(checks: Sequence[Mapping[str, Any]], *, models: Collection[str]) -> list[Made]:
    """The same with judges, whose models must be among `models`."""
    return declared.read_asking(checks, models=models, loads=True)


def asked(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the models that these checks ask, each once.

    >>> asked([{"check": "judge", "model": "local", "question": "Is it rude?"}, {"check": "length", "most": 9}])
    ['local']
    """
    return list(dict.fromkeys(str(each["model"]) for each in checks if each["check"] == declared.JUDGE))


def judges(checks: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of these checks ask a model."""
    return sum(each["check"] == declared.JUDGE for each in checks)


def look(checks: Sequence[declared.Named], *, prompt: rows.PromptValue, output: str) -> Said:
    """Return all that the checks find wrong, at most FINDINGS_KEPT of it. A finding says which check it is of when
    there are several."""
    asked = declared.text_of(prompt)
    found = ((each.name, one) for each in checks for one in each.check.findings(prompt=asked, output=output))
    return said(found, many=len(checks) > 1)


def said(found: Iterable[tuple[str, finding.Finding]], *, many: bool) -> Said:
    """Return what is kept of findings, each with the name of its check."""
    kept = []
    for name, one in itertools.islice(found, FINDINGS_KEPT):
        message = f"{name}: {one.message}" if many else one.message
        kept.append({"message": message.replace("\x00", "")[:LONGEST_MESSAGE], "start": one.start, "end": one.end})
    return Said(findings=kept)


def excerpt_start(findings: Sequence[Mapping[str, Any]]) -> int:
    """Return where an excerpt begins that shows the first finding that has a place."""
    first = min((each["start"] for each in findings if each["start"] is not None), default=0)
    return max(0, int(first) - BEFORE)


def moved(findings: Sequence[Mapping[str, Any]], *, start: int) -> list[dict[str, Any]]:
    """Return the findings with a place that lie in the excerpt from `start`, with offsets into it.

    >>> moved([{"message": "Again.", "start": 1990, "end": 2100}], start=1700)
    [{'message': 'Again.', 'start': 290, 'end': 400}]
    """
    return [
        {"message": each["message"], "start": max(0, each["start"] - start), "end": min(EXCERPT, each["end"] - start)}
        for each in findings
        if each["start"] is not None and each["end"] > start and each["start"] < start + EXCERPT
    ]


def rewards(*, constraint_id: int, statement: str, checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a constraint's checks as a run declares them: named after the constraint, so that no two are alike.

    None where one of them is a judge: a run takes none, and the others alone are not what was trusted.

    >>> rewards(constraint_id=7, statement="Rambles", checks=[{"check": "repeated_ngram"}])
    [{'check': 'repeated_ngram', 'name': '7: Rambles'}]
    """
    if asked(checks):
        return []
    name = f"{constraint_id}: {statement}"[: declared.LONGEST_NAME - 4].strip()
    many = len(checks) > 1
    return [{**each, "name": f"{name} {number}" if many else name} for number, each in enumerate(checks, start=1)]
