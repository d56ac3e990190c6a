"""What checks found as suggestions: only what can be marked, the first in the text first, and few of them."""

from __future__ import annotations

from typing import Any

from annotate.campaigns.tags import TagDraft
from annotate.constraints.assistance import suggestions
from annotate.constraints.assistance.suggestions import Found

TAGS = (
    TagDraft(name="Words", slug="words", span_rule="required", severity_rule="optional"),
    TagDraft(name="Whole", slug="whole", span_rule="none", severity_rule="none"),
    TagDraft(name="Graded", slug="graded", severity_rule="required"),
)


def found(tag: str, *places: tuple[int, int] | None) -> Found:
    findings = [{"message": "No.", **dict(zip(("start", "end"), each or (None, None), strict=True))} for each in places]
    return Found(statement="States a year", tag_slug=tag, findings=findings)


def suggested(*given: Found) -> list[dict[str, Any]]:
    return suggestions.suggested(given, TAGS)


def test_a_finding_becomes_a_violation_that_the_tag_allows() -> None:
    [words] = suggested(found("words", (3, 7)))
    assert (words["scope"], words["start"], words["end"], words["severity"]) == ("span", 3, 7, "")
    [whole] = suggested(found("whole", (3, 7)))
    assert (whole["scope"], whole["start"], whole["end"], whole["severity"]) == ("whole", None, None, "")
    [graded] = suggested(found("graded", None))
    assert (graded["scope"], graded["severity"]) == ("whole", "major")


def test_what_cannot_be_marked_is_left_out() -> None:
    assert suggested(found("words", None), found("words", (4, 4)), found("gone", (3, 7))) == []


def test_the_first_in_the_text_come_first_and_few_of_a_check() -> None:
    many = found("graded", *[(place, place + 1) for place in (9, 8, 7, 6)])
    one = found("words", (1, 2))
    assert [each["start"] for each in suggested(many, one, found("graded", None))] == [1, 7, 8, 9, None]
    assert len(suggested(*[many] * 9)) == suggestions.AT_MOST
