"""The judgments that come with an imported output, checked. Pure.

    {"annotator": "rater5", "ok": false, "comment": "", "tags": [
        {"type": "Fluency/Punctuation", "severity": "minor", "start": 101, "end": 102, "comment": "", "quote": "."}]}

* Tags say `rejected`; `ok` true without tags says `nothing_wrong`; `ok` false without tags is a rejection
  for which the comment must say why. `verdict` may say it outright, also `cannot_tell`. Tags together with `ok` true,
  and neither tags nor `ok` nor `verdict`, are refused: nobody can tell what was meant.
* `start` and `end` are code-point offsets into the output as the file gives it. Both null: the whole output, or, with
  `"scope": "omission"`, something that is missing from it. An omission may also say where (`start` = `end`).
* `quote`, where given, must be the text between them. `comment` is the critique, `edited` (or `correction`) the
  correction. All other keys of a tag are kept in Violation.source, of an annotation in Output.meta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotate.intake import texts
from annotate.intake.texts import Refused

REJECTED, NOTHING_WRONG, CANNOT_TELL = "rejected", "nothing_wrong", "cannot_tell"
SPAN, WHOLE, OMISSION = "span", "whole", "omission"

# Words of other vocabularies. A word that is not here gives no severity; every word but ours is kept in `source`.
SEVERITIES = {
    "minor": "minor",
    "low": "minor",
    "slight": "minor",
    "small": "minor",
    "major": "major",
    "medium": "major",
    "moderate": "major",
    "somewhat": "major",
    "serious": "major",
    "critical": "critical",
    "high": "critical",
    "severe": "critical",
    "a lot": "critical",
    "neutral": "",
    "none": "",
}
MAX_TAGS = 1000
MAX_ANNOTATOR = 100
MAX_TYPE = 120
TAG_KEYS = {"type", "severity", "scope", "start", "end", "quote", "comment", "edited", "correction"}
ANNOTATION_KEYS = {"annotator", "tags", "ok", "verdict", "comment"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One tag of an annotation: `type` as the file calls it, offsets into the stored text."""

    type: str
    scope: str
    severity: str = ""
    start: int | None = None
    end: int | None = None
    quote: str = ""
    critique: str = ""
    correction: str = ""
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    annotator: str
    verdict: str
    comment: str = ""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class _Texts:
    """The output as the file gives it and as it is stored."""

    given: str
    stored: texts.Normalised


def parse(
    value: Any, given: str, stored: texts.Normalised
) -> tuple[tuple[Annotation, ...], tuple[str, ...], dict[str, Any]]:
    """Return the good annotations, the reasons of the broken ones, and the keys without a field by annotator."""
    if value is None:
        return (), (), {}
    if not isinstance(value, list):
        return (), ("annotations is not a list; none of them is kept",), {}
    kept: dict[str, Annotation] = {}
    problems: list[str] = []
    extras: dict[str, Any] = {}
    for number, each in enumerate(value, start=1):
        try:
            annotation = _annotation(each, _Texts(given, stored))
            if annotation.annotator in kept:
                raise Refused("this annotator has judged the output already in this line")
            extra = {name: inner for name, inner in each.items() if name not in ANNOTATION_KEYS and inner is not None}
            texts.check_json(extra, "it")
        except Refused as error:
            problems.append(f"annotation {number}{_who(each)} left out: {error}")
        else:
            kept[annotation.annotator] = annotation
            extras |= {annotation.annotator: extra} if extra else {}
    return tuple(kept.values()), tuple(problems), extras


def _annotation(value: Any, output: _Texts) -> Annotation:
    if not isinstance(value, dict):
        raise Refused("it is not an object")
    annotator = _text(value, "annotator").strip()
    if not annotator or len(annotator) > MAX_ANNOTATOR:
        raise Refused(f"annotator is missing, or longer than {MAX_ANNOTATOR} characters")
    tags = value.get("tags") or []
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        raise Refused(f"tags is not a list of at most {MAX_TAGS}")
    verdict, comment = _verdict(value, bool(tags)), texts.normalise(_text(value, "comment")).text
    if verdict == REJECTED and not tags and not comment.strip():
        raise Refused("it rejects the output and does not say why: it has neither tags nor a comment")
    return Annotation(
        annotator=annotator,
        verdict=verdict,
        comment=comment,
        marks=tuple(_mark(tag, number, output) for number, tag in enumerate(tags, start=1)),
    )


def _verdict(value: Mapping[str, Any], has_tags: bool) -> str:
    ok, said = value.get("ok"), value.get("verdict")
    if ok is not None and not isinstance(ok, bool):
        raise Refused("ok is neither true nor false")
    if said is not None and said not in (REJECTED, NOTHING_WRONG, CANNOT_TELL):
        raise Refused(f"verdict may be {REJECTED}, {NOTHING_WRONG} or {CANNOT_TELL}")
    meant = said or _meant(ok, has_tags)
    if (meant != REJECTED and has_tags) or (ok is not None and said is not None and ok != (said == NOTHING_WRONG)):
        raise Refused("it contradicts itself: ok, verdict and tags do not say the same")
    return str(meant)


def _meant(ok: bool | None, has_tags: bool) -> str:
    if has_tags and ok:
        raise Refused("ok is true, but there are tags")
    if has_tags or ok is False:
        return REJECTED
    if ok is None:
        raise Refused("it has no tags and does not say ok: nobody can tell whether the output was rejected")
    return NOTHING_WRONG


def _mark(value: Any, number: int, output: _Texts) -> Mark:
    try:
        return _checked_mark(value, output)
    except Refused as error:
        raise Refused(f"tag {number}: {error}") from error


def _checked_mark(value: Any, output: _Texts) -> Mark:
    if not isinstance(value, dict):
        raise Refused("it is not an object")
    name = _text(value, "type").strip()
    if not name or len(name) > MAX_TYPE:
        raise Refused(f"type is missing, or longer than {MAX_TYPE} characters")
    start, end = _offset(value, "start"), _offset(value, "end")
    scope = _scope(value, start, end)
    quote = _quote(value, output, start, end)
    severity, source = _severity(value)
    return Mark(
        type=name,
        scope=scope,
        severity=severity,
        start=None if start is None else output.stored.offset(start),
        end=None if end is None else output.stored.offset(end),
        quote=quote,
        critique=texts.normalise(_text(value, "comment")).text,
        correction=texts.normalise(_text(value, "edited") or _text(value, "correction")).text,
        source=source,
    )


def _scope(value: Mapping[str, Any], start: int | None, end: int | None) -> str:
    said = value.get("scope")
    if said not in (None, SPAN, WHOLE, OMISSION):
        raise Refused(f"scope may be {SPAN}, {WHOLE} or {OMISSION}")
    if (start is None) != (end is None):
        raise Refused("of start and end only one is given")
    if start is None:
        if said == SPAN:
            raise Refused("scope is span, but start and end are not given")
        return said or WHOLE
    if said == WHOLE:
        raise Refused("scope is whole, but start and end are given")
    if start == end and said != OMISSION:
        raise Refused(f'the span [{start}, {end}) is empty; mark what is missing there with "scope": "{OMISSION}"')
    return said or SPAN


def _quote(value: Mapping[str, Any], output: _Texts, start: int | None, end: int | None) -> str:
    """Return the stored text of the span, checked against the text and against the quote where one is given."""
    if start is None or end is None:
        return ""
    if start > end:
        raise Refused(f"the span [{start}, {end}) ends before it begins")
    if end > len(output.given):
        raise Refused(f"the span [{start}, {end}) is outside the output, which has {len(output.given)} characters")
    marked = output.stored.text[output.stored.offset(start) : output.stored.offset(end)]
    quote = texts.normalise(_text(value, "quote")).text
    if quote and quote != marked:
        raise Refused(f"the span [{start}, {end}) is {marked[:40]!r}, but its quote is {quote[:40]!r}")
    if not marked and start != end:
        raise Refused(f"the span [{start}, {end}) holds half a line break only")
    return marked


def _severity(value: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    word = _text(value, "severity").strip()
    source = {name: inner for name, inner in value.items() if name not in TAG_KEYS and inner is not None}
    severity = SEVERITIES.get(word.lower(), "")
    if word and word != severity:
        source["severity"] = word
    texts.check_json(source, "it")
    return severity, source


def _offset(value: Mapping[str, Any], name: str) -> int | None:
    offset = value.get(name)
    if offset is None:
        return None
    if isinstance(offset, float) and offset.is_integer():
        offset = int(offset)
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise Refused(f"{name} is not a whole number")
    if offset < 0:
        raise Refused(f"{name} is {offset}, before the beginning of the output")
    return offset


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Refused(f"{name} is not text")
    return texts.check(text, name)


def _who(value: Any) -> str:
    name = value.get("annotator") if isinstance(value, dict) else None
    return f" ({texts.excerpt(name)[:60]})" if isinstance(name, str) and name else ""
