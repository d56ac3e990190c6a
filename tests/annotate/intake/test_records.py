from __future__ import annotations

from typing import Any

import pytest

from annotate.intake import marks, records, texts
from tests.annotate.intake import files

TEXT = "Bloom was released by EMI. 🌺 It won."


def annotation(*tags: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"annotator": "a", "tags": list(tags), "ok": not tags, **fields}


def parsed(*annotations: Any, output: str = TEXT) -> records.Record:
    return records.parse({"prompt": "p", "output": output, "annotations": list(annotations)})


def mark(output: str = TEXT, **fields: Any) -> marks.Mark:
    record = parsed(annotation({"type": "t", **fields}), output=output)
    assert record.problems == ()
    return record.annotations[0].marks[0]


def why(*annotations: Any, output: str = TEXT) -> str:
    record = parsed(*annotations, output=output)
    assert record.annotations == ()
    [problem] = record.problems
    return problem


def test_parse_plain_record() -> None:
    record = records.parse({"prompt": "a\r\nb", "output": "c\r\nd", "id": 7, "model": None, "score": 0.5, "empty": ""})
    assert (record.prompt, record.output, record.external_id, record.model) == ("a\nb", "c\nd", "7", "")
    assert record.meta == {"score": 0.5}


def test_parse_other_names_for_output_and_prompt() -> None:
    assert records.parse({"prompt": "p", "completion": "c"}).output == "c"
    assert records.parse({"prompt": "p", "response": "r", "output": None}).output == "r"
    with pytest.raises(texts.Refused, match="output and response are both given"):
        records.parse({"prompt": "p", "output": "o", "response": "r"})


def test_parse_chat_prompt() -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi\r\nthere", "name": "Ada"}]
    for name in ("prompt", "messages"):
        record = records.parse({name: chat, "output": "o"})
        assert record.messages[1] == {"role": "user", "content": "Hi\nthere", "name": "Ada"}
        assert record.prompt == "system: Be brief.\n\nuser: Hi\nthere"


def test_parse_chat_with_the_output_as_its_last_message() -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    record = records.parse({"messages": chat})
    assert (record.messages, record.output) == (chat[:1], "Hello")
    assert records.parse({"messages": chat, "output": "o"}).messages == chat
    with pytest.raises(texts.Refused, match="output is missing"):
        records.parse({"messages": chat[:1]})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompt": "p"}, "output is missing"),
        ({"prompt": "p", "output": ""}, "output is empty"),
        ({"prompt": "p", "output": 3}, "output is a number; expected text"),
        ({"prompt": "p", "output": ["o"]}, "output is a list"),
        ({"output": "o"}, "prompt is missing"),
        ({"prompt": "", "output": "o"}, "prompt is empty"),
        ({"prompt": {"a": 1}, "output": "o"}, "prompt is an object"),
        ({"prompt": [], "output": "o"}, "expected a list of messages"),
        ({"prompt": ["hi"], "output": "o"}, r"prompt\[0\] is text; expected an object"),
        ({"prompt": [{"role": "user"}], "output": "o"}, r"prompt\[0\]\.content is missing"),
        ({"prompt": [{"role": "user", "tool_calls": []}], "output": "o"}, r"prompt\[0\]\.content is missing"),
        ({"prompt": "p", "messages": [], "output": "o"}, "both given"),
        ({"prompt": "p", "output": "a\x00"}, "NUL"),
        ({"prompt": "p", "output": "\ud83d"}, "surrogate"),
        ({"prompt": "p\x00", "output": "o"}, "NUL"),
        ({"prompt": "p", "output": "o", "id": True}, "id is a truth value"),
        ({"prompt": "p", "output": "o", "id": "x" * 256}, "at most 255"),
        ({"prompt": "p", "output": "o", "model": ["m"]}, "model is a list"),
        ({"prompt": "p", "output": "o", "meta": "m"}, "meta is text"),
        ({"prompt": "p", "output": "o", "column": "\x00"}, "meta has a NUL"),
    ],
)
def test_parse_refuses_a_record_that_cannot_be_stored(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(texts.Refused, match=reason):
        records.parse(fields)


def test_parse_keeps_unknown_columns_in_meta_without_overwriting() -> None:
    record = records.parse({**files.record(), "meta": {"score": 1}, "score": 2, "seed": 3})
    assert record.meta == {"score": 1, "score (column)": 2, "seed": 3}


def test_content_key_is_of_the_id_or_of_prompt_output_and_model() -> None:
    one = records.parse(files.record(1))
    assert one.content_key == records.parse({**files.record(1), "extra": 1}).content_key
    others = [files.record(2), files.record(1, model="n"), files.record(1, output="o"), files.record(1, id="x")]
    assert len({one.content_key, *(records.parse(other).content_key for other in others)}) == 5
    assert records.parse(files.record(1, id="x")).content_key == records.parse(files.record(2, id="x")).content_key


def test_mark_of_a_span() -> None:
    found = mark(start=22, end=25, quote="EMI", comment="not EMI", edited="Capitol", severity="somewhat", group=4)
    assert (found.scope, found.start, found.end, found.quote) == ("span", 22, 25, "EMI")
    assert (found.critique, found.correction, found.severity) == ("not EMI", "Capitol", "major")
    assert found.source == {"group": 4, "severity": "somewhat"}


def test_mark_offsets_are_code_points_of_the_text_as_given() -> None:
    flower = mark(start=27, end=28)
    assert flower.quote == "🌺"
    text = "one\r\ntwo\r\nthree"
    found = mark(output=text, start=5, end=10, quote="two\r\n")
    assert (found.start, found.end, found.quote) == (4, 8, "two\n")
    assert parsed(output=text).output[4:8] == "two\n"


def test_mark_of_the_whole_output_and_of_an_omission() -> None:
    assert mark(start=None, end=None).scope == mark().scope == mark(scope="whole").scope == "whole"
    assert mark(scope="omission").scope == "omission"
    place = mark(scope="omission", start=5, end=5)
    assert (place.start, place.end, place.quote) == (5, 5, "")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ({"start": 0, "end": 999}, "outside the output, which has 36 characters"),
        ({"start": 9, "end": 3}, "ends before it begins"),
        ({"start": -1, "end": 3}, "before the beginning"),
        ({"start": 3, "end": 3}, "is empty"),
        ({"start": 3}, "only one is given"),
        ({"start": "3", "end": 5}, "start is not a whole number"),
        ({"start": True, "end": 5}, "start is not a whole number"),
        ({"start": 0, "end": 5, "quote": "Boom!"}, "is 'Bloom', but its quote is 'Boom!'"),
        ({"start": 0, "end": 5, "scope": "whole"}, "scope is whole"),
        ({"scope": "span"}, "scope is span"),
        ({"scope": "sentence"}, "scope may be"),
        ({"comment": 5}, "comment is not text"),
        ({"severity": 5}, "severity is not text"),
        ({"comment": "\x00"}, "NUL"),
        ({"type": ""}, "type is missing"),
        ({"type": 5}, "type is not text"),
        ({"extra": "\ud800"}, "surrogate"),
    ],
)
def test_annotation_with_a_broken_tag_is_left_out_whole(tag: dict[str, Any], reason: str) -> None:
    problem = why(annotation({"type": "t", "start": 0, "end": 5}, {"type": "t", **tag}))
    assert problem.startswith("annotation 1 (a) left out: tag 2: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("text", "it is not an object"),
        ({"ok": True}, "annotator is missing"),
        ({"annotator": 5, "ok": True}, "annotator is not text"),
        ({"annotator": "a"}, "does not say ok"),
        ({"annotator": "a", "ok": "yes"}, "neither true nor false"),
        ({"annotator": "a", "ok": True, "tags": [{"type": "t"}]}, "ok is true, but there are tags"),
        ({"annotator": "a", "tags": "t"}, "tags is not a list"),
        ({"annotator": "a", "tags": ["t"]}, "tag 1: it is not an object"),
        ({"annotator": "a", "verdict": "bad"}, "verdict may be"),
        ({"annotator": "a", "verdict": "nothing_wrong", "tags": [{"type": "t"}]}, "contradicts itself"),
        ({"annotator": "a", "verdict": "rejected", "ok": True}, "contradicts itself"),
    ],
)
def test_annotation_that_cannot_be_understood_is_left_out(fields: Any, reason: str) -> None:
    assert reason in why(fields)


def test_annotations_good_ones_stay_beside_broken_ones() -> None:
    record = parsed(annotation(annotator="a"), annotation({"type": ""}, annotator="b"), annotation(annotator="a"), 5)
    assert [each.annotator for each in record.annotations] == ["a"]
    assert [problem.split(" left out")[0] for problem in record.problems] == [
        "annotation 2 (b)",
        "annotation 3 (a)",
        "annotation 4",
    ]
    assert "already" in record.problems[1]
    assert records.parse({**files.record(), "annotations": "x"}).problems == (
        "annotations is not a list; none of them is kept",
    )


def test_annotation_verdicts() -> None:
    def verdict(**fields: Any) -> str:
        return parsed({"annotator": "a", **fields}).annotations[0].verdict

    assert verdict(ok=True, tags=[]) == "nothing_wrong"
    assert verdict(tags=[{"type": "t"}]) == "rejected"
    assert verdict(ok=False, comment="off topic") == "rejected"
    assert verdict(verdict="cannot_tell") == "cannot_tell"


def test_a_rejection_without_a_reason_is_left_out_and_the_output_kept() -> None:
    record = parsed({"annotator": "a", "ok": False, "violations": [{"type": "t"}]})
    assert record.annotations == ()
    assert record.problems == (
        "annotation 1 (a) left out: it rejects the output and does not say why: it has neither tags nor a comment",
    )


def test_annotation_keys_without_a_field_are_kept_in_meta() -> None:
    record = parsed(annotation(annotator="a", score=3, edited=None), annotation(annotator="b"))
    assert record.meta == {"annotations": {"a": {"score": 3}}}


def test_severity_words() -> None:
    assert [mark(severity=word).severity for word in ("Minor", "somewhat", "a lot", "neutral", "odd", None)] == [
        "minor",
        "major",
        "critical",
        "",
        "",
        "",
    ]
    assert mark(severity="minor").source == {}
    assert mark(severity="odd").source == {"severity": "odd"}
    assert set(marks.SEVERITIES.values()) <= {"", "minor", "major", "critical"}


def test_a_message_that_only_calls_tools_needs_no_content() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "Bloom"}'}}
    chat = [
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "search", "content": "2018"},
    ]
    record = records.parse({"prompt": chat, "prompt_masked": chat[1:], "output": "In 2018."})
    assert record.messages[1] == {"role": "assistant", "content": "", "tool_calls": [call]}
    assert [block.split("\n")[0] for block in record.prompt.split("\n\n")][::2] == ["user: When?", "tool: 2018"]
    assert '"name": "search"' in record.prompt
    assert record.twins["masked"]["messages"] == record.messages[1:]
