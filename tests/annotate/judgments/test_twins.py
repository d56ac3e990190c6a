"""Twins of a prompt: stored with it, added to a known one that has none, never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotate.intake.models import Prompt, RefusedLine
from tests import factories
from tests.annotate.intake import files
from tests.annotate.judgments.test_imports import counts, run

pytestmark = pytest.mark.django_db
CHAT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it\r\nso?"}]


def twins(number: int = 1) -> dict[str, Any]:
    stored: dict[str, Any] = Prompt.objects.get(text=f"Question {number}?").twins
    return stored


def test_twins_are_stored_as_text_or_messages(tmp_path: Path) -> None:
    line = files.record(1, prompt_masked="Is\r\nit?", prompt_flipped=CHAT)
    batch = run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [line, files.record(2)]))
    assert counts(batch) == (2, 0, 0, 0)
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it\nso?"}]
    assert twins(1) == {
        "masked": {"text": "Is\nit?", "messages": []},
        "flipped": {"text": "system: Be kind.\n\nuser: Is it\nso?", "messages": chat},
    }
    assert twins(2) == {}
    assert "prompt_masked" not in Prompt.objects.get(text="Question 1?").outputs.get().meta


def test_twins_of_several_lines_are_merged_and_the_first_of_a_kind_counts(tmp_path: Path) -> None:
    lines = [
        files.record(1),
        files.record(1, output="b", prompt_flipped="no"),
        files.record(1, output="c", prompt_masked="?", prompt_flipped="never"),
    ]
    run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", lines))
    assert {stance: twin["text"] for stance, twin in twins().items()} == {"masked": "?", "flipped": "no"}


def test_a_known_prompt_gets_the_twins_that_it_has_not(tmp_path: Path) -> None:
    campaign = factories.campaign()
    run(campaign, files.jsonl(tmp_path / "x.jsonl", [files.record(1)]))
    for line in (files.record(1, prompt_masked="a"), files.record(1, prompt_masked="b", prompt_flipped="c")):
        assert counts(run(campaign, files.jsonl(tmp_path / "x.jsonl", [line]))) == (0, 1, 0, 0)
    assert {stance: twin["text"] for stance, twin in twins().items()} == {"masked": "a", "flipped": "c"}
    run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [files.record(1, prompt_masked="z")]))
    assert Prompt.objects.get(campaign=campaign).twins["masked"]["text"] == "a"


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        (5, "prompt_masked is a number; expected text or a list of messages"),
        ([], "prompt_masked is a list; expected text or a list of messages"),
        ([{"content": "x"}], "prompt_masked[0].role is missing"),
        ("a\x00b", "prompt_masked has a NUL character"),
    ],
)
def test_a_twin_that_cannot_be_stored_refuses_its_line(tmp_path: Path, twin: object, said: str) -> None:
    lines = [files.record(1), files.record(2, prompt_masked=twin)]
    batch = run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", lines))
    assert counts(batch) == (1, 0, 1, 0)
    refused = RefusedLine.objects.get()
    assert refused.line == 2
    assert said in refused.reason


def test_twins_in_csv_are_text_and_an_empty_cell_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("prompt,output,prompt_masked,prompt_flipped\nQuestion 1?,Yes,So?,\n")
    run(factories.campaign(), path)
    assert twins() == {"masked": {"text": "So?", "messages": []}}
