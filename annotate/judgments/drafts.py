"""Violations as they are typed, before they are rows, and what must be true of them. Pure: no database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SCOPES = ("span", "whole", "omission")
SEVERITIES = ("minor", "major", "critical")
TEXT_LIMIT = 4000
VIOLATION_LIMIT = 200


class TagRules(Protocol):
    """What a check needs to know of a tag; `campaigns.models.Tag` has it."""

    @property
    def slug(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def severity_rule(self) -> str: ...
    @property
    def span_rule(self) -> str: ...


@dataclass(frozen=True)
class ViolationDraft:
    """One tag applied. `start` and `end` are half-open code-point offsets into the output's text."""

    tag_slug: str
    scope: str
    severity: str = ""
    start: int | None = None
    end: int | None = None
    critique: str = ""
    correction: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something that is not right. `index` is the violation's place in the list, None for the whole judgment."""

    message: str
    field: str = ""
    index: int | None = None

    def __str__(self) -> str:
        return self.message if self.index is None else f"Violation {self.index + 1}: {self.message}"


class WrongShape(ValueError):
    """The JSON is not a list of violations. Says which entry and key."""


def check(drafts: Sequence[ViolationDraft], text: str, tags: Iterable[TagRules]) -> list[Problem]:
    """Return what is wrong with the violations on this text under these tags; empty when all may be stored."""
    rules = {tag.slug: tag for tag in tags}
    problems = []
    if len(drafts) > VIOLATION_LIMIT:
        problems.append(Problem(f"at most {VIOLATION_LIMIT} violations can be stored, there are {len(drafts)}."))
    for index, draft in enumerate(drafts):
        tag = rules.get(draft.tag_slug)
        if tag is None:
            message = f"the tag “{draft.tag_slug}” is not in the campaign's tag set. Remove it or choose another tag."
            problems.append(Problem(message, field="tag", index=index))
            continue
        for each in _CHECKS:
            problems.extend(
                Problem(message, field=each.__name__.strip("_"), index=index) for message in each(draft, tag, text)
            )
    return problems


def check_verdict(*, verdict: str, drafts: Sequence[ViolationDraft], comment: str) -> list[Problem]:
    """Return what is wrong with the verdict given what was marked."""
    if verdict not in ("rejected", "nothing_wrong", "cannot_tell"):
        return [Problem("Choose what you think: rejected, nothing wrong or cannot tell.", field="verdict")]
    if len(comment) > TEXT_LIMIT:
        return [Problem(f"The comment is longer than {TEXT_LIMIT} characters.", field="comment")]
    if verdict == "rejected" and not drafts and not comment.strip():
        return [Problem("Mark at least one violation, or say in the comment what is wrong.", field="verdict")]
    if verdict != "rejected" and drafts:
        said = verdict.replace("_", " ")
        return [Problem(f"“{said}” goes without violations. Remove them, or submit as rejected.", field="verdict")]
    return []


def from_json(entries: object) -> list[ViolationDraft]:
    """Return the violations in a decoded JSON list. Raises WrongShape for anything that is not one."""
    if not isinstance(entries, list):
        raise WrongShape("violations: expected a list")
    if len(entries) > VIOLATION_LIMIT:
        raise WrongShape(f"violations: at most {VIOLATION_LIMIT} fit, there are {len(entries)}")
    return [_from_entry(entry, f"violation {number}") for number, entry in enumerate(entries, start=1)]


def to_json(drafts: Iterable[ViolationDraft]) -> list[dict[str, Any]]:
    """Return the JSON form that `from_json` reads."""
    return [
        {
            "tag": draft.tag_slug,
            "scope": draft.scope,
            "severity": draft.severity,
            "start": draft.start,
            "end": draft.end,
            "critique": draft.critique,
            "correction": draft.correction,
        }
        for draft in drafts
    ]


def _from_entry(entry: object, place: str) -> ViolationDraft:
    if not isinstance(entry, dict):
        raise WrongShape(f"{place}: expected an object")
    return ViolationDraft(
        tag_slug=_text(entry, "tag", place),
        scope=_text(entry, "scope", place),
        severity=_text(entry, "severity", place),
        start=_offset(entry, "start", place),
        end=_offset(entry, "end", place),
        critique=_text(entry, "critique", place),
        correction=_text(entry, "correction", place),
    )


def _text(entry: dict[str, Any], key: str, place: str) -> str:
    value = entry.get(key) or ""
    if not isinstance(value, str):
        raise WrongShape(f"{place}, {key}: expected text")
    return storable(value, f"{place}, {key}")


def storable(value: str, place: str) -> str:
    """Return the text unchanged. Raises WrongShape for what PostgreSQL or UTF-8 cannot hold."""
    if "\x00" in value:
        raise WrongShape(f"{place}: holds a NUL character, which cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongShape(f"{place}: holds half a surrogate pair, which cannot be stored") from error
    return value


def _offset(entry: dict[str, Any], key: str, place: str) -> int | None:
    value = entry.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise WrongShape(f"{place}, {key}: expected a whole number")


def _scope(draft: ViolationDraft, tag: TagRules, text: str) -> list[str]:
    if draft.scope not in SCOPES:
        return [f"“{draft.scope}” is no scope; it is one of {', '.join(SCOPES)}."]
    if tag.span_rule == "required" and draft.scope == "whole":
        return [f"“{tag.name}” needs the words that are wrong. Mark them in the text."]
    if tag.span_rule == "none" and draft.scope == "span":
        return [f"“{tag.name}” is about the whole output. Apply it without marking text."]
    return []


def _span(draft: ViolationDraft, tag: TagRules, text: str) -> list[str]:
    start, end = draft.start, draft.end
    if start is None and end is None:
        return ["its marked words are missing. Mark them again."] if draft.scope == "span" else []
    if start is None or end is None:
        return ["it has only one end. Mark it again."]
    if draft.scope == "whole":
        return ["a violation of the whole output has no marked words."]
    if not 0 <= start <= end <= len(text):
        return [f"it spans {start} to {end}, outside the text of {len(text)} characters."]
    if draft.scope == "span" and start == end:
        return ["no character is marked. Mark at least one."]
    return []


def _severity(draft: ViolationDraft, tag: TagRules, text: str) -> list[str]:
    if draft.severity and draft.severity not in SEVERITIES:
        return [f"“{draft.severity}” is no severity; it is one of {', '.join(SEVERITIES)}."]
    if tag.severity_rule == "required" and not draft.severity:
        return [f"say how severe “{tag.name}” is: minor, major or critical."]
    if tag.severity_rule == "none" and draft.severity:
        return [f"“{tag.name}” has no severity. Leave it out."]
    return []


def _critique(draft: ViolationDraft, tag: TagRules, text: str) -> list[str]:
    return _length("critique", draft.critique)


def _correction(draft: ViolationDraft, tag: TagRules, text: str) -> list[str]:
    return _length("correction", draft.correction)


def _length(name: str, value: str) -> list[str]:
    return [f"its {name} is longer than {TEXT_LIMIT} characters."] if len(value) > TEXT_LIMIT else []


_CHECKS: tuple[Callable[[ViolationDraft, TagRules, str], list[str]], ...] = (
    _scope,
    _span,
    _severity,
    _critique,
    _correction,
)
