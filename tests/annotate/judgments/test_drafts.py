from dataclasses import dataclass
from typing import Any

import pytest

from annotate.judgments import drafts
from annotate.judgments.drafts import ViolationDraft

TEXT = "He was born in 1985 👩‍🚀."


@dataclass(frozen=True)
class Rules:
    slug: str = "invented"
    name: str = "invented fact"
    severity_rule: str = "required"
    span_rule: str = "optional"


def problems(draft: ViolationDraft, rules: Rules | None = None, text: str = TEXT) -> list[str]:
    return [str(problem) for problem in drafts.check([draft], text, [rules or Rules()])]


def span(start: int | None, end: int | None, **more: Any) -> ViolationDraft:
    return ViolationDraft(tag_slug="invented", scope="span", severity="major", start=start, end=end, **more)


def test_a_good_span_has_no_problem() -> None:
    assert problems(span(15, 19)) == []
    assert problems(span(0, len(TEXT))) == []


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (span(15, 15), "no character is marked"),
        (span(19, 15), "outside the text"),
        (span(-1, 4), "outside the text"),
        (span(0, len(TEXT) + 1), "outside the text of 24 characters"),
        (span(None, None), "marked words are missing"),
        (span(3, None), "only one end"),
        (ViolationDraft("invented", "whole", "major", 0, 2), "no marked words"),
        (ViolationDraft("invented", "line", "major"), "is no scope"),
        (ViolationDraft("invented", "whole", "fatal"), "is no severity"),
        (ViolationDraft("invented", "whole"), "how severe"),
        (ViolationDraft("other", "whole", "major"), "not in the campaign's tag set"),
        (span(0, 2, critique="x" * 4001), "critique is longer than 4000"),
        (span(0, 2, correction="x" * 4001), "correction is longer than 4000"),
    ],
)
def test_what_is_wrong_is_said(draft: ViolationDraft, said: str) -> None:
    (message,) = problems(draft)
    assert message.startswith("Violation 1: ")
    assert said in message


def test_span_rule_required_refuses_the_whole_output_but_not_an_omission() -> None:
    rules = Rules(span_rule="required")
    assert "needs the words" in problems(ViolationDraft("invented", "whole", "minor"), rules)[0]
    assert problems(ViolationDraft("invented", "omission", "minor"), rules) == []
    assert problems(ViolationDraft("invented", "omission", "minor", 4, 4), rules) == []


def test_span_rule_none_refuses_a_span() -> None:
    assert "whole output" in problems(span(0, 2), Rules(span_rule="none"))[0]


def test_severity_rule_none_refuses_a_severity() -> None:
    assert "has no severity" in problems(span(0, 2), Rules(severity_rule="none"))[0]


def test_every_violation_is_checked_and_numbered() -> None:
    found = drafts.check([span(0, 2), span(9, 99), span(4, 4)], TEXT, [Rules()])
    assert [problem.index for problem in found] == [1, 2]
    assert {problem.field for problem in found} == {"span"}


def test_too_many_violations_are_refused() -> None:
    (problem,) = drafts.check([span(0, 2)] * 201, TEXT, [Rules()])
    assert str(problem) == "at most 200 violations can be stored, there are 201."


@pytest.mark.parametrize(
    ("verdict", "marked", "comment", "said"),
    [
        ("rejected", 1, "", ""),
        ("rejected", 0, "it is all wrong", ""),
        ("rejected", 0, "  ", "Mark at least one"),
        ("nothing_wrong", 0, "", ""),
        ("nothing_wrong", 1, "", "without violations"),
        ("cannot_tell", 1, "", "without violations"),
        ("fine", 0, "", "Choose what you think"),
        ("cannot_tell", 0, "x" * 4001, "longer than 4000"),
    ],
)
def test_verdict_and_violations_must_agree(verdict: str, marked: int, comment: str, said: str) -> None:
    found = drafts.check_verdict(verdict=verdict, drafts=[span(0, 2)] * marked, comment=comment)
    assert (said in str(found[0])) if said else not found


def test_json_round_trip() -> None:
    made = [span(15, 19, critique="it was 1986 👩‍🚀"), ViolationDraft("invented", "omission", "minor")]
    assert drafts.from_json(drafts.to_json(made)) == made


@pytest.mark.parametrize(
    "entries",
    [
        None,
        {},
        "x",
        [1],
        [{"tag": 1}],
        [{"tag": "a", "start": "3"}],
        [{"tag": "a", "start": True}],
        [{"tag": "a", "start": 1.5}],
        [{"tag": "a", "critique": "nul \x00"}],
        [{}] * 201,
    ],
)
def test_from_json_refuses_other_shapes(entries: object) -> None:
    with pytest.raises(drafts.WrongShape):
        drafts.from_json(entries)
