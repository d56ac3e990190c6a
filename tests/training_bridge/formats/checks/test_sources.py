"""Kinds that read what a text says of the world: citations, units, languages."""

from __future__ import annotations

import pytest

from tests.training_bridge.formats.checks.asking import found, marked, messages

CITED = {"check": "citation_present"}
UNITS = {"check": "unit", "from_source": True}


@pytest.mark.parametrize(
    ("style", "output"),
    [
        ("numbered", "So it is [3]."), ("numbered", "So it is [1, 4–6]."),
        ("author_year", "So it is (Ode, 2021)."), ("author_year", "Ode et al. (2021a) say so."),
        ("author_year", "So it is (see Ode & Lamb, 1999; Fux 2001)."),
        ("url", "See https://example.org/a?b=c."), ("doi", "doi:10.1000/xyz-123."),
    ],
)  # fmt: skip
def test_citation_present_knows_styles(style: str, output: str) -> None:
    assert found(CITED, output) == []
    assert found({**CITED, "styles": [style]}, output) == []
    assert marked({**CITED, "styles": [style]}, "So it is (in 2021), [sic], a[i], http: //x, 10.5/3.") == ["*"]


def test_citation_present_in_each_piece_and_in_the_source() -> None:
    output = "It is [1]. It was.\n\nIt will be [2]."
    assert marked({**CITED, "each": "sentence"}, output) == ["It was."]
    assert marked({**CITED, "each": "paragraph"}, output) == []
    assert marked({**CITED, "least": 3}, output) == ["*"]
    prompt = "[1] J. Ode. Skies (2021). https://example.org/sky doi:10.1000/a"
    given = {**CITED, "least": 0, "in_source": True}
    said = "[1], [1, 2], (Ode, 2021), (Ode, 2020), Lamb (2021), https://example.org/sky, "
    said += "https://example.org/sea, 10.1000/b"
    assert marked(given, said, prompt=prompt) == [
        "[1, 2]", "(Ode, 2020)", "Lamb (2021)", "https://example.org/sea", "10.1000/b",
    ]  # fmt: skip


def test_unit_of_the_source() -> None:
    prompt = "Take 5 ml for 3 days, 1,000 mg at most, at 20 °C; $4 or 4 euros."
    assert found(UNITS, "5 millilitres, 3 days, 1000mg, 20°C, 4 dollars, €4, 7 kg, 5 people, in 3", prompt=prompt) == []
    assert marked(UNITS, "5 mg, 3-week, 1000 g, 20 °F, £4", prompt=prompt) == [
        "5 mg",
        "3-week",
        "1000 g",
        "20 °F",
        "£4",
    ]


def test_unit_allowed_and_required() -> None:
    allowed = {"check": "unit", "allowed": ["hours", "sprints"]}
    assert messages(allowed, "2 h, 3 sprints, 5 min, 4 cats") == ["5 min: the unit may be h, sprints."]
    assert marked({**allowed, "required": True}, "2 hrs, 4 cats, 7") == ["4", "7"]
    assert marked({"check": "unit", "required": True}, "$5, 6%, v1.2, 8") == ["8"]


@pytest.mark.parametrize(
    ("language", "output"),
    [
        ("en", "This is a plain sentence about the weather."),
        ("de", "Das ist ein einfacher Satz über das Wetter."),
        ("fr", "Ceci est une phrase simple sur le temps qu’il fait."),
        ("hi", "यह मौसम के बारे में एक सरल वाक्य है।"),
        ("kn", "ಇದು ಹವಾಮಾನದ ಬಗ್ಗೆ ಸರಳ ವಾಕ್ಯವಾಗಿದೆ."),
        ("zh", "这是一个关于天气的简单句子，请仔细阅读并回答问题，谢谢大家。"),
    ],
)
def test_language_reads(language: str, output: str) -> None:
    assert found({"check": "language", "languages": [language]}, output) == []
    assert marked({"check": "language", "languages": ["sv"]}, output) == [output]


def test_language_lets_short_texts_and_code_be() -> None:
    german = {"check": "language", "languages": ["de"]}
    assert found(german, "OK, fine.") == []
    assert found(german, "Das ist ein Satz über Programme.\n```\nthis is english code, is it not\n```") == []
    mixed = "Das ist ein einfacher Satz über das Wetter.\n\nThis one is about the weather, too."
    assert marked({**german, "each": "paragraph"}, mixed) == ["This one is about the weather, too."]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({**CITED, "styles": ["bibtex"]}, "styles is 'bibtex'; it may be numbered"),
        ({**CITED, "each": "word"}, "each is 'word'; it may be output"),
        ({**CITED, "least": 0}, "or 0 with in_source"),
        ({"check": "unit"}, "it needs allowed, from_source or required"),
        ({"check": "language", "languages": []}, "languages is empty"),
        ({"check": "language", "languages": ["klingon"]}, "languages has klingon; it may have"),
    ],
)
def test_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match="check 1") as caught:
        found(values, "")
    assert says in str(caught.value)
