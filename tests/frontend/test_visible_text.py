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
