"""Marking words, sentences and characters in every script, with real keys and a real mouse; offsets are exact."""

from __future__ import annotations

import pytest

from tests.browser.work_text_page import Read, read

__all__ = ["read"]

BLOOM = "Bloom was released on 31 August 2018 by EMI. It was his third album and won the ARIA award."


def test_words_by_arrows(read: Read) -> None:
    text = read(BLOOM)
    text.press("ArrowRight")
    assert text.said == "Bloom"
    text.press("ArrowRight", "ArrowRight", "ArrowLeft")
    assert text.said == "was"
    text.press("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    assert text.selected == "was released on"
    text.press("Shift+ArrowLeft")
    assert text.selected == "was released"
    text.press("Shift+ArrowLeft", "Shift+ArrowLeft")  # over where it began
    assert text.selected == "Bloom was"
    text.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert text.selected == "was released"
    text.press("Escape")
    assert text.selection is None


def test_sentences(read: Read) -> None:
    text = read(BLOOM)
    text.press("j", "v")
    assert text.selected == "Bloom was released on 31 August 2018 by EMI."
    text.press("j", "j", "v")
    assert text.selected == "It was his third album and won the ARIA award."
    text.press("Shift+ArrowLeft")
    assert text.selected == "It was his third album and won the ARIA award"
    text.press("k", "v")
    assert text.selected.startswith("Bloom")


def test_characters_by_control(read: Read) -> None:
    text = read(BLOOM)
    text.walk_to("released")
    text.press("Control+ArrowRight")
    assert text.said == "e"
    text.press(*["Control+Shift+ArrowRight"] * 5)
    assert text.selected == "eleas"
    text.press("Control+Shift+ArrowLeft")
    assert text.selected == "elea"
    text.press(*["Control+Shift+ArrowLeft"] * 4)
    assert text.selected == "re"
    text.press("Control+Shift+ArrowRight", "Control+Shift+ArrowRight")
    assert text.selected == "el"
    text.press("Shift+ArrowRight")  # and on by a word
    assert text.selected == "eleased"


def test_edges_of_the_selection(read: Read) -> None:
    text = read(BLOOM)
    text.walk_to("third")
    text.press("Shift+ArrowRight", "[", "Control+ArrowRight")
    assert text.selected == "hird"
    assert text.painted("edge") == ["h"]
    text.press("]", "ArrowRight", "Control+ArrowLeft")
    assert text.selected == "hird albu"
    text.press("[", "ArrowLeft", "ArrowLeft")
    assert text.selected == "his third albu"
    text.press("[", "Shift+ArrowRight")  # let go; the end that moved last goes on
    assert text.painted("edge") == []
    text.press("]", *["ArrowLeft"] * 9)  # it keeps a character
    assert len(text.selected) == 1


def test_edges_of_a_violation(read: Read) -> None:
    text = read(BLOOM)
    text.mark("third album")
    text.press("]", "Control+ArrowLeft", "ArrowRight", "ArrowRight", "[", "ArrowLeft", "Control+ArrowRight", "Escape")
    assert text.marked == ["is third album and"]
    assert text.painted("major") == ["is third album and"]
    text.press("Control+z")  # a run of moves of one edge is one step
    assert text.marked == ["third album and"]
    text.press("Control+z")
    assert text.marked == ["third album"]
    text.press("j", "[", "Escape")
    assert text.marked == ["third album"]


def test_an_edge_without_anything_to_move(read: Read) -> None:
    text = read(BLOOM)
    text.press("[")
    assert "Select words" in text.said


SCRIPTS = {
    "devanagari": ("hi", "नमस्ते दुनिया। यह क्षत्रिय 1985 में जन्मा।", "क्षत्रिय"),
    "arabic": ("ar", "ولد الملك في عام 1985. كان عمره سبعين سنة!", "الملك"),
    "hebrew": ("he", "שלום עולם, זה נכתב ב-1985. כן, באמת!", "עולם"),
    "japanese": ("ja", "彼は一九八五年に東京で生まれた。とても寒い日だった。", "東京"),
    "chinese": ("zh", "他出生于1985年的北京。那天很冷。", "北京"),
    "thai": ("th", "เขาเกิดที่กรุงเทพในปี 1985 และเป็นครู", "กรุงเทพ"),
    "emoji": ("", "A 👩‍🚀 and 👨‍👩‍👧‍👦 waved 👍🏽 at 🇳🇱 in 1985 ❤️!", "👨‍👩‍👧‍👦"),
    "combining": ("", "The cafe\u0301 and nai\u0308ve ë́ in 1985.", "nai\u0308ve"),
    "astral": ("", "Let 𝒳𝒴 be 𝟙𝟡𝟠𝟝 and 𠮷野家 open.", "𝒳𝒴"),
    "hidden": ("", "A \u202egnp\u202c trick\u200b here\ufeff now\u00ad!", "gnp"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_by_key_and_mouse(read: Read, script: str) -> None:
    language, written, word = SCRIPTS[script]
    text = read(written, language=language)
    text.walk_to(word, "ArrowLeft" if script in ("arabic", "hebrew") else "ArrowRight")
    text.press("Shift+ArrowRight")
    assert text.selected == word
    text.press("1", "Escape")
    assert text.marked == [word]
    assert text.painted("major") == [word]
    text.drag(word)
    assert text.selected == word
    text.press("1")
    assert text.marked == [word, word]


CLUSTERS = {
    "family": ("a👨‍👩‍👧‍👦b", ["a", "👨‍👩‍👧‍👦", "b"]),
    "skin tone": ("x👍🏽🇳🇱❤️", ["x", "👍🏽", "🇳🇱", "❤️"]),
    "combining": ("e\u0301o\u0308\u0301", ["e\u0301", "o\u0308\u0301"]),
    "devanagari": ("नमस्ते", ["न", "म", "स्ते"]),
    "thai": ("ที่นี่", ["ที่", "นี่"]),
    "astral": ("𝒳𠮷z", ["𝒳", "𠮷", "z"]),
    "hidden": ("a\u200b\u202eb", ["a", "\u200b", "\u202e", "b"]),
    "lines": ("a\n\nb", ["a", "\n", "\n", "b"]),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_characters_are_what_people_see(read: Read, name: str) -> None:
    written, characters = CLUSTERS[name]
    text = read(written)
    text.press("Control+ArrowRight")
    found = []
    for _ in characters:
        text.press("Control+Shift+ArrowRight")
        found.append(text.selected)
        text.press("Escape", "Control+ArrowRight")
    assert found == characters


def test_spans_across_lines(read: Read) -> None:
    text = read("First line here.\nSecond line there.\n\nA third paragraph.")
    text.walk_to("here")
    text.press("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "1")
    assert text.marked == ["here.\nSecond"]
    text.press("Escape")
    text.drag("line there.\n\nA third")
    text.press("1")
    assert text.marked[1] == "line there.\n\nA third"


def test_up_and_down(read: Read) -> None:
    text = read("one two three\nfour five six\nseven eight nine")
    text.press("ArrowRight", "ArrowRight", "ArrowDown")
    assert text.said == "five"
    text.press("Shift+ArrowDown")
    assert text.selected == "five six\nseven eight"
    text.press("Shift+ArrowUp", "Shift+ArrowUp")
    assert text.selected == "two three\nfour five"
    text.press("]", "ArrowDown")
    assert text.selected == "two three\nfour five six\nseven eight"
    text.press("Escape", "Escape", "Escape", "ArrowDown", "ArrowDown")
    assert text.said == "four"


def test_walking_down_keeps_the_column(read: Read) -> None:
    text = read("a wide line of words\nshort\na wide line of words")
    text.walk_to("of")
    text.press("ArrowDown")
    assert text.said == "short"
    text.press("ArrowDown")
    assert text.said == "of"


def test_nested_and_overlapping_spans(read: Read) -> None:
    text = read(BLOOM)
    text.mark("It was his third album", "minor")
    text.mark("third", "critical")
    text.mark("third album and won", "major")
    assert text.painted("inner-critical") == ["third"]
    assert text.painted("minor") == ["It was his third album"]
    assert text.painted("major") == ["third album and won"]
    assert text.painted("current") == ["third album and won"]

    def severities() -> list[str]:
        return list(text.page.evaluate("marks.violations.map((each) => each.severity)"))

    text.page.mouse.click(*text.middle_of("third"))  # the innermost
    assert severities() == ["minor", "minor", "major"]
    text.page.mouse.click(*text.middle_of("won"))
    assert severities() == ["minor", "minor", "critical"]
    text.page.mouse.click(*text.middle_of("his"))
    assert severities() == ["major", "minor", "critical"]
    assert text.painted("inner-minor") == ["third"]
    assert text.painted("major") == ["It was his third album"]


def test_a_long_span_is_said_in_short(read: Read) -> None:
    written = "👩‍🚀" * 400 + " end"
    text = read(written)
    text.press("ArrowRight", *["Shift+ArrowDown"] * 30)
    assert len(text.selected) > 1000
    said = text.said.removesuffix(", selected")
    shown = text.page.evaluate("reader.excerpt(reader.selection)")
    assert len(said) < 130 and len(shown) < 610
    assert set(said.replace("end", "").replace(" … ", "").split("👩‍🚀")) <= {"", " "}  # no character is cut


# Random actions; what breaks a promise is returned with what led to it.
WALK = """([seed, steps]) => {
  let state = seed;
  const chance = (below) => (state = (state * 48271) % 2147483647) % below;
  const moves = ["left", "right", "up", "down", "characterLeft", "characterRight"];
  const extensions = moves.map((each) => `extend${each[0].toUpperCase()}${each.slice(1)}`);
  const others = ["nextSentence", "previousSentence", "sentence", "startEdge", "endEdge", "clear"];
  const names = [...moves, ...extensions, ...extensions, ...others];
  const { length } = reader.text;
  const isCut = (unit) => unit > 0 && unit < length && reader.tokens.characterAt(unit).start !== unit;
  const isWrong = ({ start, end }) => start < 0 || start >= end || end > length || isCut(start) || isCut(end);
  const isSame = (one, other) => one.start === other.start && one.end === other.end;
  const path = [];
  for (let step = 0; step < steps; step++) {
    const name = names[chance(names.length)];
    path.push(name);
    if (!reader.act(name)) return [`${name} is not the reader's`, path];
    const { selection, place, edge } = reader.cursor;
    for (const span of [selection, place, edge?.span]) if (span && isWrong(span)) return [span, path.slice(-6)];
    if (edge?.id === null && !isSame(edge.span, selection)) return ["edge", path.slice(-6)];
    if (marks.violations.some(({ start, end }) => start >= end)) return ["violation", path.slice(-6)];
    if (chance(40) === 0 && reader.selection) mark(reader.selection);
  }
  return marks.violations.length;
}"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_walk_leaves_the_text_or_cuts_a_character(read: Read, seed: int) -> None:
    written = "\n".join(f"{text}." for _, text, _ in SCRIPTS.values()) + "\n\n" + BLOOM
    text = read(written)
    found = text.page.evaluate(WALK, [seed, 1500])
    assert isinstance(found, int), found
    assert len(text.marked) == found > 5


def test_without_a_segmenter_words_and_characters_are_still_whole(read: Read) -> None:
    text = read("The cafe\u0301 of 👩‍🚀, 👍🏽 in 1985.", before="delete Intl.Segmenter")
    text.walk_to("cafe\u0301")
    text.press("Control+ArrowRight", "Control+ArrowRight", "Control+ArrowRight")
    assert text.said == "e\u0301"
    text.press("ArrowRight", "ArrowRight")
    assert text.said == "👩‍🚀"
    text.press("j", "v")
    assert text.selected == text.text
