"""IFEval's kinds of instruction, written in YAML: outputs that follow each, and outputs that do not."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture import places
from training_bridge.formats.checks import declared, written

TEXT = (Path(__file__).parent / "ifeval.yaml").read_text()
NAMED = {each.name: each for each in written.read_yaml(TEXT)}
CHECKS = {name: each.check for name, each in NAMED.items()}
PROMPTS = places.ROOT.parent / "shared" / "data" / "text" / "ifeval_prompts.jsonl"

# Kind: outputs that pass, outputs that violate.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "change_case:capital_word_frequency": (["NATO and the EU"], ["NATO and the eU", ""]),
    "change_case:english_capital": (["ALL OF IT, 3 ÉCLAIRS!"], ["ALL OF iT", "ß"]),
    "change_case:english_lowercase": (["all of it, 3 éclairs!"], ["All of it", "nasa's É"]),
    "combination:repeat_prompt": (
        ["Write an email to my boss telling him that I am quitting.\n\nDear Bob,"],
        ["Dear Bob,", "Sure! Write an email to my boss telling him that I am quitting."],
    ),
    "combination:two_responses": (["Yes.\n******\nNo."], ["Yes.\n******\nYes.", "Yes.", "a******b******c"]),
    "detectable_content:number_placeholders": (["To [name], [address]"], ["To [name], (address)", "[a[b]"]),
    "detectable_content:postscript": (["Bye.\nP.S. I forgot.", "p. s. so"], ["Bye. PS I forgot.", "Bye P.S. no line"]),
    "detectable_format:constrained_response": (
        ["My answer is yes.", "So: My answer is maybe."],
        ["Yes.", "My answer is"],
    ),
    "detectable_format:json_format": (['{"a": [1]}', '```json\n{"a": 1}\n```'], ["{a: 1}", 'Here: {"a": 1}', ""]),
    "detectable_format:multiple_sections": (
        ["SECTION 1\na\nSECTION 2\nb"],
        ["SECTION 1\na\nSECTION b", "section 1 section 2"],
    ),
    "detectable_format:number_bullet_lists": (
        ["* a\n* b\n* c", "- a\n- b\n- c\nend"],
        ["* a\n* b", "* a\n* b\n* c\n* d"],
    ),
    "detectable_format:number_highlighted_sections": (["*a b* and **c**"], ["*a b* and * c", "**a**", "* a\n* b"]),
    "detectable_format:title": (["<<Joy>>\ntext"], ["<< >>", "<Joy>", "<<Joy\n>>"]),
    "keywords:existence": (["Experiencing what is correlated."], ["experiencing what is uncorrelated"]),
    "keywords:forbidden_words": (["A rocket in hardly a place"], ["Rock!", "a Hard place."]),
    "keywords:frequency": (["Story after story."], ["Story after stories."]),
    "keywords:letter_frequency": (["Quite so"], ["Quite a quay"]),
    "language:response_language": (["ಇದು ಹವಾಮಾನದ ಬಗ್ಗೆ ಸರಳ ವಾಕ್ಯವಾಗಿದೆ."], ["This is about the weather in Mysore."]),
    "length_constraints:nth_paragraph_first_word": (
        ["One.\n\nPresident Ode said so.", 'One.\n\n"president, yes"'],
        ["President.\n\nOne.", "One.\n\nPresidents.", "President."],
    ),
    "length_constraints:number_paragraphs": (["one\n***\ntwo", "***\none\n***\ntwo\n***"], ["one\n\ntwo", "a***b***c"]),
    "length_constraints:number_sentences": (["One. Two!", "Dr. No met J. Doe at 3.5 km."], ["One. Two. Three?"]),
    "length_constraints:number_words": (["one two three four five"], ["one two three four", ""]),
    "punctuation:no_comma": (["One; two."], ["One, two."]),
    "startend:end_checker": (["No. Any other questions?\n"], ["Any other questions? No.", ""]),
    "startend:quotation": (['"All of it."', ' "so" '], ["“All of it.”", '"All of it', '"']),
}


def test_every_kind_has_a_check_and_cases() -> None:
    assert sorted(CASES) == sorted(CHECKS)
    assert len(CHECKS) == 25


@pytest.mark.parametrize("kind", CASES)
def test_outputs_that_follow_pass_and_others_do_not(kind: str) -> None:
    follow, violate = CASES[kind]
    for output in follow:
        assert CHECKS[kind].findings(prompt="", output=output) == [], output
    for output in violate:
        assert CHECKS[kind].findings(prompt="", output=output), output


def test_the_file_is_read_written_and_read_again() -> None:
    made = written.read_yaml(TEXT)
    assert written.read_yaml(written.to_yaml(made)) == made


def bounds(relation: str | None, number: int) -> dict[str, int]:
    """IFEval's relations: `less than` leaves the number out."""
    return {"most": number - 1} if relation == "less than" else {"least": number}


def exactly(number: int) -> dict[str, int]:
    return {"least": number, "most": number}


# What an instruction's values say about its check.
CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "change_case:capital_word_frequency": lambda said: bounds(said["capital_relation"], said["capital_frequency"]),
    "combination:repeat_prompt": lambda said: {"start": said["prompt_to_repeat"]},
    "detectable_content:number_placeholders": lambda said: {"least": said["num_placeholders"]},
    "detectable_format:multiple_sections": lambda said: {
        "pattern": rf"{said['section_spliter']}\s?\d+",
        "least": said["num_sections"],
    },
    "detectable_format:number_bullet_lists": lambda said: exactly(said["num_bullets"]),
    "detectable_format:number_highlighted_sections": lambda said: {"least": said["num_highlights"]},
    "keywords:existence": lambda said: {"words": said["keywords"]},
    "keywords:forbidden_words": lambda said: {"words": said["forbidden_words"]},
    "keywords:frequency": lambda said: {"words": [said["keyword"]]} | bounds(said["relation"], said["frequency"]),
    "keywords:letter_frequency": lambda said: (
        {"pattern": rf"\Q{said['letter']}\E"} | bounds(said["let_relation"], said["let_frequency"])
    ),
    "language:response_language": lambda said: {"languages": [said["language"]]},
    "length_constraints:nth_paragraph_first_word": lambda said: (
        exactly(said["num_paragraphs"]) | {"part": said["nth_paragraph"], "begins": said["first_word"]}
    ),
    "length_constraints:number_paragraphs": lambda said: exactly(said["num_paragraphs"]),
    "length_constraints:number_sentences": lambda said: bounds(said["relation"], said["num_sentences"]),
    "length_constraints:number_words": lambda said: bounds(said["relation"], said["num_words"]),
    "startend:end_checker": lambda said: {"end": said["end_phrase"]},
}


def declaration(kind: str, said: dict[str, Any]) -> dict[str, Any]:
    """The check that an instruction of IFEval asks for: its kind's of the file, with the instruction's values."""
    changes: dict[str, Any] = CHANGES[kind](said) if kind in CHANGES else {}
    plain = declared.plain(NAMED[kind])
    if {"least", "most"} & changes.keys():
        plain = {key: value for key, value in plain.items() if key not in ("least", "most")}
    return plain | changes


@pytest.mark.skipif(not PROMPTS.exists(), reason="no shared data: IFEval's prompts are not here")
def test_every_instruction_of_ifeval_can_be_declared() -> None:
    """All 834 instructions, with the values that the data set gives them."""
    asked: collections.Counter[str] = collections.Counter()
    for line in PROMPTS.read_text().splitlines():
        row = json.loads(line)
        for kind, said in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            assert declared.read([declaration(kind, said)])
            asked[kind] += 1
    assert (asked.total(), sorted(asked)) == (834, sorted(CHECKS))
