"""What checks found in an output, as an annotator is shown it: nothing is marked until they take it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotate.judgments.drafts import TagRules

AT_MOST = 12
"""Suggestions of one output, those first in the text: a list that nobody reads to its end is pressed away."""
OF_ONE_CHECK = 3


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the check of one constraint found. A finding is {"message", "start", "end"}, as `checking.Said` has it."""

    statement: str
    tag_slug: str
    findings: Sequence[Mapping[str, Any]]


def suggested(found: Iterable[Found], tags: Iterable[TagRules]) -> list[dict[str, Any]]:
    """Return findings as violations to be taken: {"tag", "scope", "severity", "start", "end", "statement", "message"}.

    The severity is the one that a mark begins with: major where the tag asks for one, else none. Findings whose tag is
    not in force, or asks for words where the check names none, cannot be marked and are left out.

    >>> from annotate.campaigns.tags import TagDraft
    >>> tag = TagDraft(name="Invented", slug="invented", severity_rule="required")
    >>> hit = Found(statement="Invents", tag_slug="invented", findings=[{"message": "1984", "start": 5, "end": 9}])
    >>> suggested([hit], [tag]) == [
    ...     {"tag": "invented", "scope": "span", "severity": "major", "start": 5, "end": 9,
    ...      "statement": "Invents", "message": "1984"}]
    True
    """
    rules = {tag.slug: tag for tag in tags}
    made = [
        suggestion
        for each in found
        if (tag := rules.get(each.tag_slug)) is not None
        for finding in each.findings[:OF_ONE_CHECK]
        if (suggestion := _suggestion(each.statement, finding, tag)) is not None
    ]
    return sorted(made, key=lambda each: (each["start"] is None, each["start"] or 0, each["end"] or 0))[:AT_MOST]


def _suggestion(statement: str, finding: Mapping[str, Any], tag: TagRules) -> dict[str, Any] | None:
    start, end = finding["start"], finding["end"]
    has_words = start is not None and end is not None and start < end and tag.span_rule != "none"
    if not has_words and tag.span_rule == "required":
        return None
    return {
        "tag": tag.slug,
        "scope": "span" if has_words else "whole",
        "severity": "major" if tag.severity_rule == "required" else "",
        "start": start if has_words else None,
        "end": end if has_words else None,
        "statement": statement,
        "message": finding["message"],
    }
