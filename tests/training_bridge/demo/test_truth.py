"""The checker finds what is wrong in any text, with the exact place, and leaves right answers alone."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_bridge.demo import truth, world, writing


def problem(rule: str = "none", kind: str = "gain", unit: str = "apples") -> world.Problem:
    return world.Problem(kind=kind, name="Ann", first=8, second=5, unit=unit, rule=rule)


def found(text: str, rule: str = "none", **options: str) -> list[tuple[str, str | None]]:
    """Return (tag, quote) of everything found; the quote is None for whole texts and "" for omissions."""
    findings = truth.judge(problem=problem(rule, **options), text=text)
    return [(each.tag, None if each.start is None else text[each.start : each.end]) for each in findings]


drawn_problems = st.builds(lambda seed: world.random_problem(random.Random(seed)), st.integers(0, 10**9))


@given(drawn_problems)
def test_parse_gives_the_problem_back(drawn: world.Problem) -> None:
    assert world.parse(drawn.prompt) == drawn


@given(drawn_problems)
def test_judge_finds_nothing_wrong_with_a_right_answer(drawn: world.Problem) -> None:
    assert truth.judge(problem=drawn, text=writing.render(writing.right(drawn))) == []


@given(st.text(max_size=200), drawn_problems)
def test_judge_stands_any_text_and_its_spans_lie_inside(text: str, drawn: world.Problem) -> None:
    for each in truth.judge(problem=drawn, text=text):
        assert each.critique
        if each.scope == "whole":
            assert each.start is None and each.end is None
        else:
            assert each.start is not None and each.end is not None
            assert 0 <= each.start <= each.end <= len(text)
            assert (each.start < each.end) == (each.scope == "span")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8 + 5 = 13. Ann has 13 apples.", "none"),
        ("5 + 8 = 13. Ann has 13 apples.", "none"),
        ("Ann has 13 apples.", "none"),
        ("13 apples", "none"),
        ("Ann has 13 apples. 8 + 5 = 13.", "sum"),
        ("8 + 5 = 13. ANN HAS 13 APPLES.", "capitals"),
        ("Ann has 13 apples.", "sentence"),
        ("13", "number"),
        (" 13. ", "number"),
        ("Answer: 8 + 5 = 13. Ann has 13 apples.", "begin"),
    ],
)
def test_judge_accepts_every_right_form(text: str, rule: str) -> None:
    assert found(text, rule) == []


@pytest.mark.parametrize(
    ("text", "rule", "expected"),
    [
        ("8 + 5 = 13. Ann has 13 pears.", "none", [("wrong-unit", "pears")]),
        ("8 + 5 = 13. Ben has 13 apples.", "none", [("wrong-person", "Ben")]),
        ("8 + 5 = 14. Ann has 14 apples.", "none", [("wrong-result", "14")]),
        ("Ann has 15 apples.", "none", [("wrong-result", "15")]),
        ("8 - 5 = 3. Ann has 3 apples.", "none", [("wrong-result", "-")]),
        ("8 + 6 = 14. Ann has 14 apples.", "none", [("number-not-given", "6")]),
        ("8 + 5 = 13. Ann has 12 apples.", "none", [("contradicts-itself", "12")]),
        ("8 + 5 = 12. Ann has 13 apples.", "none", [("wrong-result", "12"), ("contradicts-itself", "13")]),
        ("Ann has 13 apples. Ann has 9 apples.", "none", [("contradicts-itself", "9")]),
        ("Ann has 13 apples. Ann has 13 apples.", "none", [("rambling-tail", "Ann has 13 apples.")]),
        ("Ann has 13 apples. The sky is. Fun.", "none", [("rambling-tail", "The sky is. Fun.")]),
        ("Ann has 13.", "none", [("something-missing", "")]),
        ("8 + 5 = 13.", "none", [("something-missing", "")]),
        ("Ann the apples 13.", "none", [("garbled", "Ann the apples 13.")]),
        ("Ann walks 13 apples.", "none", [("garbled", "walks")]),
        ("   ", "none", [("garbled", None)]),
        ("Ann has 13 apples.", "sum", [("ignores-the-format-rule", "")]),
        ("8 + 5 = 13. Ann has 13 apples.", "capitals", [("ignores-the-format-rule", "Ann has 13 apples")]),
        ("8 + 5 = 13. Ann has 13 apples.", "sentence", [("ignores-the-format-rule", "8 + 5 = 13.")]),
        ("13 apples", "number", [("ignores-the-format-rule", "13 apples")]),
        ("8 + 5 = 13. Ann has 13 apples.", "number", [("ignores-the-format-rule", "8 + 5 = 13. Ann has 13 apples.")]),
        ("Answer: 13", "number", [("ignores-the-format-rule", "Answer:")]),
        ("8 + 5 = 13. Ann has 13 apples.", "begin", [("ignores-the-format-rule", "")]),
    ],
)
def test_judge_finds_each_fault_at_its_place(text: str, rule: str, expected: list[tuple[str, str | None]]) -> None:
    assert found(text, rule) == expected


def test_judge_corrects_in_the_case_of_the_text() -> None:
    text = "8 + 5 = 13. ANN HAS 13 PEARS."
    assert [each.correction for each in truth.judge(problem=problem("capitals"), text=text)] == ["APPLES"]


def test_judge_says_the_same_fault_in_the_same_words_and_varies_with_the_values() -> None:
    def critique(unit: str) -> str:
        return truth.judge(problem=problem(), text=f"Ann has 13 {unit}.")[0].critique

    assert critique("pears") == critique("pears")
    forms = {critique(unit).replace(unit, "…") for unit in world.THINGS if unit != "apples"}
    assert len(forms) > 1


PLANTED = {
    truth.UNIT: lambda answer: replace(answer, unit="drums"),
    truth.PERSON: lambda answer: replace(answer, name="Bob"),
    truth.RESULT: lambda answer: replace(answer, result=answer.result + 1, stated=answer.result + 1),
    truth.CONTRADICTION: lambda answer: replace(answer, stated=answer.stated + 3),
    truth.TAIL: lambda answer: replace(answer, tail="Numbers are fun."),
}
QUOTES = {truth.UNIT: "drums", truth.PERSON: "bob", truth.TAIL: "numbers are fun."}


@pytest.mark.parametrize("tag", sorted(PLANTED))
@given(drawn=drawn_problems)
def test_judge_finds_a_planted_fault(tag: str, drawn: world.Problem) -> None:
    drawn = replace(drawn, rule="capitals" if drawn.rule == "capitals" else "sum")
    answer = PLANTED[tag](writing.right(drawn))
    text = writing.render(answer)
    findings = truth.judge(problem=drawn, text=text)
    assert [each.tag for each in findings] == [tag]
    quote = text[findings[0].start : findings[0].end].lower()
    assert quote == QUOTES.get(tag, str(answer.result if tag == truth.RESULT else answer.stated))


def test_write_plants_each_fault_at_about_its_rate() -> None:
    rng, drawn = random.Random(1), world.problems(world.PRETRAIN, seed=1)
    counts: dict[str, int] = {}
    clean = 0
    for _ in range(2000):
        each = next(drawn)
        tags = {finding.tag for finding in truth.judge(problem=each, text=writing.write(each, rng, writing.Rates()))}
        clean += not tags
        for tag in tags:
            counts[tag] = counts.get(tag, 0) + 1
    assert 0.55 < clean / 2000 < 0.70
    for tag in (truth.UNIT, truth.CONTRADICTION, truth.TAIL, truth.RULE):
        assert 0.06 < counts[tag] / 2000 < 0.15
