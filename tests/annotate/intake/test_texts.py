import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.intake import texts


def test_normalise_turns_crlf_into_lf_and_nothing_else() -> None:
    assert texts.normalise("a\r\nb\rc\n\r\n").text == "a\nb\rc\n\n"


@given(st.text(alphabet="ab\r\n\N{GRINNING FACE}", max_size=30), st.data())
def test_normalise_carries_spans_along(given_text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(given_text)))
    end = data.draw(st.integers(start, len(given_text)))
    cuts_a_line_end = any(given_text[place - 1 : place + 1] == "\r\n" for place in (start, end) if place)
    normal = texts.normalise(given_text)
    if not cuts_a_line_end:
        marked = normal.text[normal.offset(start) : normal.offset(end)]
        assert marked == given_text[start:end].replace("\r\n", "\n")
    assert 0 <= normal.offset(start) <= normal.offset(end) <= len(normal.text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\x00b", "NUL character (at character 1)"),
        ("ab\ud83d", "\\ud83d at character 2"),
        ("x" * 8388609, "8,388,609"),
    ],
)
def test_check_refuses_what_cannot_be_stored(text: str, reason: str) -> None:
    with pytest.raises(texts.Refused, match="output has") as refusal:
        texts.check(text, "output")
    assert reason in str(refusal.value)


def test_check_json_looks_into_every_corner() -> None:
    assert texts.check_json({"a": [1, None, {"b": "c"}]}, "meta") == {"a": [1, None, {"b": "c"}]}
    for value in ({"a\x00": 1}, {"a": ["\ud800"]}, [float("inf")], [[float("nan")]]):
        with pytest.raises(texts.Refused):
            texts.check_json(value, "meta")
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(texts.Refused, match="nested"):
        texts.check_json(deep, "meta")


def test_excerpt_can_always_be_stored() -> None:
    shown = texts.excerpt(b"\xff\x00abc" + b"y" * 500)
    assert len(shown) <= texts.EXCERPT
    assert "\x00" not in shown
    assert texts.excerpt("\ud800 x") == "? x"
