"""What is wrong with a text: found by reading it against the problem, not by knowing which faults were planted.

Spans are half-open code-point offsets into the text as given.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from training_bridge.demo import world

NUMBER, UNIT, PERSON, RESULT, CONTRADICTION, RULE, TAIL, MISSING, GARBLED = (
    "number-not-given",
    "wrong-unit",
    "wrong-person",
    "wrong-result",
    "contradicts-itself",
    "ignores-the-format-rule",
    "rambling-tail",
    "something-missing",
    "garbled",
)

_PREFIX = re.compile(r"\s*answer\s*:?\s*", re.IGNORECASE)
_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]*[.!?]*|[.!?]+")
_WORKING = re.compile(r"(?P<first>\d+) ?(?P<sign>[-+*/]) ?(?P<second>\d+) ?= ?(?P<result>\d+)[.!]?")
_ANSWER = re.compile(
    r"(?:(?P<name>[^\W\d_]+) (?P<verb>has|walks|carries) )?(?P<number>\d+)(?: (?P<unit>[^\W\d_]+))?[.!]?", re.IGNORECASE
)
_BARE_NUMBER = re.compile(r"\s*(\d+)[.]?\s*")
_LOWER_WORD = re.compile(r"\b\w*[a-z]\w*\b")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `start` and `end` are None for the whole text; an omission's span may be empty."""

    tag: str
    scope: str
    severity: str
    start: int | None
    end: int | None
    critique: str
    correction: str = ""


@dataclass(kw_only=True)
class Part:
    """A sentence of the text that could be read, with its place."""

    match: re.Match[str]
    offset: int

    def span(self, group: str) -> tuple[int, int]:
        return self.offset + self.match.start(group), self.offset + self.match.end(group)

    def __getitem__(self, group: str) -> str | None:
        return self.match[group]

    def number(self, group: str) -> int:
        return int(self.match[group])


@dataclass(kw_only=True)
class Reading:
    """A text taken apart: sums, answers, and what could not be read, each in the order it stands."""

    has_prefix: bool = False
    sums: list[Part] = field(default_factory=list)
    answers: list[Part] = field(default_factory=list)
    unread: list[tuple[int, int]] = field(default_factory=list)
    tail: list[tuple[int, int]] = field(default_factory=list)


def judge(*, problem: world.Problem, text: str) -> list[Finding]:
    """Return everything wrong with `text` as an answer to `problem`, in the order it stands; empty when right."""
    if not text.strip():
        return [_whole(GARBLED, "critical", "There is no text at all.")]
    reading = read(text)
    found = [
        *_sums(problem, reading),
        *_answers(problem, reading),
        *_rule(problem, reading, text),
        *_tail(problem, reading, text),
        *_unread(reading, text),
        *_missing(problem, reading, text),
    ]
    return sorted(found, key=lambda each: (each.start is None, each.start or 0, each.end or 0, each.tag))


def read(text: str) -> Reading:
    reading = Reading()
    prefix = _PREFIX.match(text)
    reading.has_prefix = prefix is not None
    for sentence in _SENTENCE.finditer(text, prefix.end() if prefix else 0):
        _place(reading, sentence)
    return reading


def _place(reading: Reading, sentence: re.Match[str]) -> None:
    words, offset = sentence.group().rstrip(), sentence.start()
    span = (offset, offset + len(words))
    if match := _WORKING.fullmatch(words):
        reading.sums.append(Part(match=match, offset=offset))
    elif match := _ANSWER.fullmatch(words):
        part = Part(match=match, offset=offset)
        is_repeat = any(each.number("number") == part.number("number") for each in reading.answers)
        (reading.tail.append(span) if is_repeat else reading.answers.append(part))
    else:
        (reading.tail if reading.answers else reading.unread).append(span)


def _sums(problem: world.Problem, reading: Reading) -> Iterator[Finding]:
    for part in reading.sums:
        yield from _operands(problem, part)
        if part["sign"] != problem.sign:
            critique = _say(
                (
                    "The question asks for {0} {1} {2}, so the sign must be {1}.",
                    "This takes the wrong operation: it should be {0} {1} {2}.",
                ),
                problem.first,
                problem.sign,
                problem.second,
            )
            yield _span(RESULT, "critical", part.span("sign"), critique, problem.sign)
        else:
            yield from _total(problem, part)


def _operands(problem: world.Problem, part: Part) -> Iterator[Finding]:
    given = (problem.first, problem.second)
    stated = (part.number("first"), part.number("second"))
    if problem.sign == "+" and stated == given[::-1]:
        return
    for group, is_value, should in zip(("first", "second"), stated, given, strict=True):
        if is_value != should:
            critique = _say(
                (
                    "The question says {1}, not {0}.",
                    "The number {0} is not in the question; it gives {1}.",
                    "It works with {0} although {1} was given.",
                ),
                is_value,
                should,
            )
            yield _span(NUMBER, "major", part.span(group), critique, str(should))


def _total(problem: world.Problem, part: Part) -> Iterator[Finding]:
    first, second = part.number("first"), part.number("second")
    should = first + second if problem.sign == "+" else first - second
    if part.number("result") == should:
        return
    off = abs(part.number("result") - should)
    critique = _say(
        (
            "{0} {1} {2} is {3}, not {4}.",
            "The sum is wrong: {0} {1} {2} makes {3}, but it says {4}.",
            "Wrong result {4}; {0} {1} {2} = {3}.",
        ),
        first,
        problem.sign,
        second,
        should,
        part.number("result"),
    )
    yield _span(RESULT, "major" if off < 3 else "critical", part.span("result"), critique, str(should))


def _answers(problem: world.Problem, reading: Reading) -> Iterator[Finding]:
    for position, part in enumerate(reading.answers):
        yield from _stated(problem, reading, position)
        if part["name"] and part["name"].lower() != problem.name.lower():
            critique = _say(
                (
                    "The question is about {0}, not about {1}.",
                    "{1} is not in the question; it asks about {0}.",
                    "It answers for another person: {1} instead of {0}.",
                ),
                problem.name,
                part["name"].capitalize(),
            )
            yield _span(PERSON, "critical", part.span("name"), critique, _cased(problem.name, part["name"]))
        if part["unit"] and part["unit"].lower() != problem.unit:
            critique = _say(
                (
                    "The question asks about {0}, not {1}.",
                    "Wrong unit: {1} should be {0}.",
                    "It counts {1} although the question is in {0}.",
                ),
                problem.unit,
                part["unit"].lower(),
            )
            yield _span(UNIT, "major", part.span("unit"), critique, _cased(problem.unit, part["unit"]))
        if part["verb"] and part["verb"].lower() != problem.verb:
            critique = f"{part['verb']} does not fit the question, which asks what {problem.name} {problem.verb}."
            yield _span(GARBLED, "minor", part.span("verb"), critique, _cased(problem.verb, part["verb"]))


def _stated(problem: world.Problem, reading: Reading, position: int) -> Iterator[Finding]:
    """Check an answer's number against what the text said before, or against the truth when it is the first."""
    part = reading.answers[position]
    number = part.number("number")
    before = [each.number("result") for each in reading.sums if each.offset < part.offset]
    before += [each.number("number") for each in reading.answers[:position]]
    if before and number != before[-1]:
        critique = _say(
            (
                "It says {0} first and then {1}.",
                "The second number contradicts the first: {0}, then {1}.",
                "{1} does not agree with the {0} before it.",
            ),
            before[-1],
            number,
        )
        yield _span(CONTRADICTION, "major", part.span("number"), critique, str(problem.result))
    elif not before and number != problem.result:
        critique = _say(
            (
                "{0} {1} {2} is {3}, not {4}.",
                "Wrong result {4}; {0} {1} {2} = {3}.",
            ),
            problem.first,
            problem.sign,
            problem.second,
            problem.result,
            number,
        )
        severity = "major" if abs(number - problem.result) < 3 else "critical"
        yield _span(RESULT, severity, part.span("number"), critique, str(problem.result))


def _rule(problem: world.Problem, reading: Reading, text: str) -> Iterator[Finding]:
    """Check the format rule of the prompt. A tail is not held against the rule: it is a violation of its own."""
    if problem.rule == "sum" and not reading.sums and reading.answers:
        critique = _say(
            ("The sum {0} {1} {2} was asked for and is missing.", "It should show the sum {0} {1} {2}."),
            problem.first,
            problem.sign,
            problem.second,
        )
        yield _omission(RULE, "minor", 0, critique, f"{problem.first} {problem.sign} {problem.second} =")
    elif problem.rule == "capitals" and (words := list(_LOWER_WORD.finditer(text))):
        critique = _say(
            ("{0} is not in capital letters.", "The answer should be in capital letters, and {0} is not."),
            words[0].group(),
        )
        span = (words[0].start(), words[-1].end())
        yield _span(RULE, "major", span, critique, text[slice(*span)].upper())
    elif problem.rule == "sentence" and reading.sums and reading.answers:
        part = reading.sums[0]
        critique = _say(
            ("One sentence was asked for; {0} is one more.", "More than one sentence: {0} should not be there."),
            part.match.group(),
        )
        yield _span(RULE, "minor", (part.offset, part.offset + len(part.match.group())), critique)
    elif problem.rule == "number":
        yield from _number_only(problem, reading, text)
    elif problem.rule == "begin" and not reading.has_prefix:
        critique = _say(
            ("It does not begin with the word Answer.", "The word Answer is missing at the beginning, before {0}."),
            text.split()[0],
        )
        yield _omission(RULE, "minor", 0, critique, "Answer:")


def _number_only(problem: world.Problem, reading: Reading, text: str) -> Iterator[Finding]:
    told = [(each.offset, each.offset + len(each.match.group())) for each in reading.sums + reading.answers]
    told = sorted(span for span in told if not _BARE_NUMBER.fullmatch(text[slice(*span)]))
    if not told and not reading.has_prefix:
        return
    start, end = (told[0][0], told[-1][1]) if told else (0, text.index(":") + 1 if ":" in text else len("Answer"))
    critique = _say(
        (
            "Only the number {0} was asked for, not {1}.",
            "The number {0} alone was wanted.",
            "It writes more than the number: {1}",
        ),
        problem.result,
        text[start:end],
    )
    yield _span(RULE, "major", (start, end), critique, str(problem.result))


def _tail(problem: world.Problem, reading: Reading, text: str) -> Iterator[Finding]:
    if not reading.tail:
        return
    span = (reading.tail[0][0], reading.tail[-1][1])
    critique = _say(
        (
            "The answer was complete; {0} has nothing to do with the question.",
            "It rambles on after the answer: {0}",
            "Nobody asked for this: {0}",
        ),
        text[slice(*span)],
    )
    yield _span(TAIL, "minor", span, critique)


def _unread(reading: Reading, text: str) -> Iterator[Finding]:
    for span in reading.unread:
        critique = _say(("{0} makes no sense.", "This cannot be read as an answer: {0}"), text[slice(*span)])
        yield _span(GARBLED, "critical", span, critique)


def _missing(problem: world.Problem, reading: Reading, text: str) -> Iterator[Finding]:
    if not reading.answers and not (reading.unread and not reading.sums):
        critique = _say(
            ("The answer itself is missing.", "It never says what the answer is, {0} {1}."),
            problem.result,
            problem.unit,
        )
        yield _omission(MISSING, "critical", len(text), critique)
    elif reading.answers and problem.rule != "number" and not any(each["unit"] for each in reading.answers):
        critique = _say(("The unit is missing: {0}.", "{0} of what? It leaves out the unit."), problem.unit)
        yield _omission(MISSING, "major", reading.answers[0].span("number")[1], critique, problem.unit)


def _say(forms: tuple[str, ...], *values: object) -> str:
    """Fill one of the forms in, chosen by the values: the same fault is always told in the same words."""
    chosen = forms[zlib.crc32(repr(values).encode()) % len(forms)]
    return chosen.format(*values)


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word


def _span(tag: str, severity: str, span: tuple[int, int], critique: str, correction: str = "") -> Finding:
    return Finding(
        tag=tag,
        scope="span",
        severity=severity,
        start=span[0],
        end=span[1],
        critique=critique,
        correction=correction,
    )


def _omission(tag: str, severity: str, place: int, critique: str, correction: str = "") -> Finding:
    return Finding(
        tag=tag,
        scope="omission",
        severity=severity,
        start=place,
        end=place,
        critique=critique,
        correction=correction,
    )


def _whole(tag: str, severity: str, critique: str) -> Finding:
    return Finding(tag=tag, scope="whole", severity=severity, start=None, end=None, critique=critique)
