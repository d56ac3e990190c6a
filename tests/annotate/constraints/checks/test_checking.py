from __future__ import annotations

from typing import Any

import pytest

from annotate.constraints.checks import checking
from annotate.constraints.checks.models import Check
from training_bridge.formats.checks import declared


def test_read_takes_one_check_or_several() -> None:
    one = "check: repeated_ngram\nwords: 3\n"
    several = "- check: repeated_ngram\n- check: number_in_source\n  exceptions: [1, 2]\n"
    assert checking.read(one) == [{"check": "repeated_ngram", "words": 3}]
    assert [each["check"] for each in checking.read(several)] == ["repeated_ngram", "number_in_source"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write the check"),
        ("[]", "empty"),
        ("just words", "check 1 must"),
        ("check: no_such_kind", "no_such_kind"),
        ("check: repeated_ngram\nletters: 4", "letters"),
        ("check: repeated_ngram\nwords: 0", "words"),
        ("check: [", "line"),
        ("check: !!python/object/apply:os.system [ls]", "line"),
        ("check: python\nfunction: os.system", "os.system"),
        ("- &a {check: repeated_ngram}\n- *a", "aliases"),
        ("[" * 5_000, "deep|line"),
        ("x" * 30_000, "characters"),
    ],
)
def test_read_refuses_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(checking.CheckRefused, match=says) as refused:
        checking.read(text)
    assert refused.value.field == "text"


def test_look_says_what_every_check_finds_and_whose_it_is() -> None:
    checks = declared.read([{"check": "number_in_source"}, {"check": "repeated_ngram", "words": 2}])
    said = checking.look(checks, prompt="How old?", output="I am 9, I am 9.")
    assert said.violated
    assert [(each["start"], each["end"]) for each in said.findings][:2] == [(5, 6), (13, 14)]
    assert {each["message"].split(":")[0] for each in said.findings} == {"number_in_source", "repeated_ngram"}


def test_look_keeps_a_bounded_part_of_what_is_found() -> None:
    checks = declared.read([{"check": "number_in_source"}])
    said = checking.look(checks, prompt="", output=" ".join(str(number) for number in range(500)))
    assert len(said.findings) == checking.FINDINGS_KEPT


def test_excerpt_shows_the_first_finding_with_its_place() -> None:
    findings: list[dict[str, Any]] = [
        {"message": "all of it", "start": None, "end": None},
        {"message": "late", "start": 5_000, "end": 9_000},
        {"message": "later", "start": 8_000, "end": 8_001},
    ]
    start = checking.excerpt_start(findings)
    assert start == 4_700
    assert checking.moved(findings, start=start) == [{"message": "late", "start": 300, "end": checking.EXCERPT}]


def test_every_state_has_followers_and_no_new_version_is_trusted() -> None:
    states = set(Check.State.values)
    assert set(checking.FOLLOWERS) == states
    assert {to for followers in checking.FOLLOWERS.values() for to in followers} == states
    assert all(checking.state_after_saving(each) != checking.TRUSTED for each in states)
    assert checking.TRUSTED not in checking.FOLLOWERS[checking.DRAFT]


def test_rewards_have_names_that_a_run_takes() -> None:
    checks = [{"check": "repeated_ngram"}, {"check": "number_in_source", "name": "its own"}]
    made = checking.rewards(constraint_id=12, statement="S" * 500, checks=checks)
    assert [each.name for each in declared.read(made)] == [each["name"] for each in made]
    assert made[0]["name"].startswith("12: SSS")
