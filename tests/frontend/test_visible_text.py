import pytest

from frontend import visible_text


def names(text: str) -> list[str]:
    return [piece.name for piece in visible_text.pieces(text) if piece.name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text\nwith\ttabs", []),
        ("a\u202eb\u202cc", ["RLO", "PDF"]),
        ("zero\u200bwidth\ufeff", ["ZWSP", "BOM"]),
        ("\u2066iso\u2069", ["LRI", "PDI"]),
        ("bell\x07 and \x85", ["U+0007", "U+0085"]),
        ("a\rb", ["CR"]),
        ("tag \U000e0041", ["U+E0041"]),
        ("family 👨‍👩‍👧", []),
        ("क्‍ष", []),
        ("می‌خواهم", []),
        ("pass\u200dword", ["ZWJ"]),
        ("\u200cedge\u200c", ["ZWNJ", "ZWNJ"]),
    ],
)
def test_hidden_characters_are_named(text: str, expected: list[str]) -> None:
    assert names(text) == expected
    assert "".join(piece.text for piece in visible_text.pieces(text)) == text


def test_empty_text_has_no_pieces() -> None:
    assert visible_text.pieces("") == []


def test_direction_is_that_of_the_first_letter_that_has_one() -> None:
    directions = {
        text: visible_text.direction(text) for text in ("", "1 + 1", "\u200f12", "abc ماذا", "… ماذا abc", "12 שלום")
    }
    assert directions == {
        "": "ltr",
        "1 + 1": "ltr",
        "\u200f12": "rtl",
        "abc ماذا": "ltr",
        "… ماذا abc": "rtl",
        "12 שלום": "rtl",
    }
