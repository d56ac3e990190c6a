"""The rendered view: what is shown, that each run stands where it says, that nothing vanishes or gets out."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from frontend import rendered
from tests import counting

DATA = Path(__file__).parents[3] / "shared" / "data"
ELEMENTS = {
    *(
        "p",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
        "pre",
        "code",
        "em",
        "strong",
        "s",
        "span",
        "div",
    ),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("class", "dir", "scope", "tabindex", "role", "aria-label", "data-name"),
    *("data-start", "data-end", "data-unmapped", "data-from", "data-to"),
}


@dataclass
class Run:
    text: str
    place: tuple[int, int] | None
    is_mapped: bool
    within: tuple[str, ...]


class Reader(HTMLParser):
    """Reads what a browser would, and refuses what no page of ours holds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.runs: list[Run] = []
        self.run_depth = 0
        self.classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag in ELEMENTS
        assert given.keys() <= ATTRIBUTES
        if tag == "hr":
            return
        self.open.append(tag)
        self.classes += (given.get("class") or "").split()
        if "data-start" in given or "data-unmapped" in given:
            assert not self.run_depth, "a run within a run"
            self.run_depth = len(self.open)
            start, end = (
                given.get(name)
                for name in (("data-start", "data-end") if "data-start" in given else ("data-from", "data-to"))
            )
            place = None if start is None or end is None else (int(start), int(end))
            self.runs.append(Run("", place, "data-start" in given, tuple(self.open[:-1])))

    def handle_endtag(self, tag: str) -> None:
        if self.run_depth == len(self.open):
            self.run_depth = 0
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.run_depth, f"text without a place: {data!r}"
        self.runs[-1].text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(rendered.render(text).html)
    reader.close()
    assert not reader.open
    return reader


def runs(text: str) -> list[Run]:
    return read(text).runs


def shown(text: str) -> str:
    return "".join(run.text for run in runs(text))


def stretches(text: str, tag: str) -> list[str]:
    """Return what of the text stands in elements of this name."""
    return [text[slice(*run.place)] for run in runs(text) if tag in run.within and run.place]


def check(text: str) -> None:
    """Say that runs are the text's own, in its order, and that no letter or digit of the text is hidden."""
    covered = bytearray(len(text))
    last = 0
    for run in runs(text):
        if run.place is None:
            continue
        start, end = run.place
        assert 0 <= start < end <= len(text)
        covered[start:end] = b"1" * (end - start)
        if run.is_mapped:
            assert text[start:end] == run.text
            assert start >= last
            last = end
    assert [text[at : at + 20] for at, is_covered in enumerate(covered) if not is_covered and text[at].isalnum()] == []


@pytest.mark.parametrize(
    ("text", "tag", "expected"),
    [
        ("# One *two* ##", "h3", ["One ", "two"]),
        ("One\n===", "h3", ["One"]),
        ("One\n---", "h4", ["One"]),
        ("###### deep", "h6", ["deep"]),
        ("a *b* _c_ **d** ~~e~~", "em", ["b", "c"]),
        ("a **b** __c__", "strong", ["b", "c"]),
        ("a ~~b~~", "s", ["b"]),
        ("- a\n- b\n  - c", "li", ["a", "b", "c"]),
        ("> a\nlazy\n> > b", "blockquote", ["a\nlazy", "b"]),
        ("a `b` ``c`d`` `` `e` ``", "code", ["b", "c`d", "`e`"]),
        ("```py\nx = 1\n\ty\n```\nz", "code", ["x = 1\n\ty"]),
        ("    x\n\n      y", "code", ["x\n\n", "  y"]),
        ("- ```\n  a\n  b\n  ```", "code", ["a\n", "b"]),
        ("|a|b\\|c|\n|-|-|\n|`x\\|y`|z|", "th", ["a", "b", "|c"]),
        ("|a|b|\n|-|-|\n|x|y|", "td", ["x", "y"]),
        ("> |a|\n> |-|\n> | x |", "td", ["x"]),
    ],
)
def test_render_shows_what_markdown_means(text: str, tag: str, expected: list[str]) -> None:
    assert stretches(text, tag) == expected
    check(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b) b a", ["a", "b", " b a"]),
        ("[b](b)", ["b", "b"]),
        ("[a](<b c> 'd')", ["a", "<b c> 'd'"]),
        ("[a]() b", ["a", " b"]),
        ("![a *b* c](d) a", ["a ", "b", " c", "d", " a"]),
        ("[![a](b)](c)", ["a", "b", "c"]),
        ("<https://a.b/%20> a", ["https://a.b/%20", " a"]),
        ("a\\*a\\a", ["a", "*a\\a"]),
        ("a  \na\\\na", ["a", "\na", "\na"]),
        ("***a** a*", ["a", " a"]),
        ("a*a**a", ["a*a**a"]),
        ("1. a\n2. b", ["1.", "a", "2.", "b"]),
        ("2018. a", ["2018.", "a"]),
        ("[a]: http://b\n\n[a] [c][a]", ["[a]: http://b", "[a] [c][a]"]),
        ("<b>a</b> <!-- a -->", ["<b>a</b> <!-- a -->"]),
        ("|a|\n|-|\n|b|c|d|", ["a", "b", "c|d"]),
        ("~~~~~a~~~~~", ["a~~~~~"]),
        ("x ~~~~~a~~~~~", ["x ~", "a", "~"]),
        ("a\r\nb\r\n\r\n    c\r\n    d", ["a", "\nb", "c", "\n", "d"]),
        ("👩‍🚀 *é* 👩‍🚀", ["👩‍🚀 ", "é", " 👩‍🚀"]),
    ],
)
def test_each_run_is_the_occurrence_that_is_shown(text: str, expected: list[str]) -> None:
    assert [run.text for run in runs(text) if run.is_mapped] == expected
    check(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &amp; b &lt;b&#62; &x;", [("&", "&amp;"), ("<", "&lt;"), (">", "&#62;")]),
        ("1. a\n1. b\n7. c", [("2.", "1."), ("3.", "7.")]),
        ("`a\nb`", [(" ", "\n")]),
        ("-\t\ta", [("  ", None)]),
        ("a\rb", [("\n", "\r")]),
        ("a\0b", [("\ufffd", "\0")]),
    ],
)
def test_what_is_not_in_the_text_says_for_what_it_stands(text: str, expected: list[tuple[str, str | None]]) -> None:
    loose = [run for run in runs(text) if not run.is_mapped]
    assert [(run.text, run.place and text[slice(*run.place)]) for run in loose] == expected
    check(text)


def test_hidden_characters_are_named_inside_their_run() -> None:
    html = rendered.render("a\u202eb `c\u200b`").html
    assert (
        '<span data-start="0" data-end="4">a<span class="hidden-character" data-name="RLO">\u202e</span>b </span>'
        in html
    )
    assert 'data-name="ZWSP"' in html
    assert 'data-name="RLO"' in rendered.render("a&#x202e;b").html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>\n\n<svg onload=alert(1)>",
        "[a](javascript:alert(1)) [b](JaVaScRiPt&colon;alert(1)) ![c](javascript:alert(1)) <javascript:alert(1)>",
        "[a](data:text/html,<script>) ![a](http://tracker.example/pixel.gif 'onerror=\"x\"')",
        '[a](http://b "\\" onmouseover=alert(1) x=\\"")',
        '![" onerror="alert(1)](x)',
        "<b hx-get='/x' hx-trigger='load'>x</b> [a](/x){hx-get=/x}",
        '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
        "|<script>|\n|:-:|\n|</td></table><script>|",
        "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62;",
        "# <h1 onclick=x>\n- <li onclick=x>\n> <q onclick=x>",
        "a\u202egnp.exe\u2066 \u200b<b\u202e>",
        "<a href='//evil'>x</a> </span></p></div></main><form action=/logout>",
        "{{ x }} {% x %} <%= x %> ${x} `{{x}}`",
    ],
)
def test_hostile_text_stays_text(text: str) -> None:
    check(text)  # elements and attributes other than ours are refused there
    html = rendered.render(text).html
    assert "<a" not in html
    assert "<img" not in html
    assert " on" not in "".join(part.split(">")[0] for part in html.split("<")[1:])


def test_empty_and_blank_texts_show_nothing() -> None:
    assert rendered.render("").html == ""
    assert runs(" \n\t\n") == []


def test_what_is_nested_too_deep_is_shown_as_text() -> None:
    check(">" * 10_000 + " deep")
    check("\n".join("  " * depth + f"- item {depth}" for depth in range(100)))
    check("- " * 1000 + "deep")
    check("> 1. " * 200 + "deep\nlazy\n\nafter")
    check("[" * 300 + "a" + "](b)" * 300)
    check("![" * 300 + "a" + "](b)" * 300)
    check("*" * 1001 + "a" + "*" * 1001)


WORDS = ["ab", "a", "b", "ab ba", "é", "🚀", "ञ", "ا", "漢字"]
MARKS = [
    *(
        "*",
        "**",
        "_",
        "__",
        "~~",
        "`",
        "``",
        "\\",
        "\\*",
        "[",
        "](",
        ")",
        "](ab)",
        "![",
        "](<a b> 'a')",
        "|",
        "\\|",
        "<",
        ">",
    ),
    *(
        " ",
        "  ",
        "\n",
        "\n\n",
        "  \n",
        "\\\n",
        "\t",
        "    ",
        "\n    ",
        "\n> ",
        "\n- ",
        "\n  - ",
        "\n\n- ",
        "\n# ",
        " #\n",
    ),
    *(
        "\n***\n",
        "\n===\n",
        "\n---\n",
        "\n```\n",
        "\n~~~ab\n",
        "\n|a|b|\n|-|:-:|\n|a|b|\n",
        "|\n|-|\n|",
        "\u00a0",
        "\u2028",
        "!",
    ),
]
OTHERS = [
    "&amp;",
    "&#65;",
    "&nbsp;",
    "<http://a.b/a>",
    "<a@b.c>",
    "1. ",
    "\n1. ",
    "\n7) ",
    "\r\n",
    "\r",
    "<b>",
    "\u202e",
    "\u200b",
    "\0",
]


def made(seed: int, parts: list[str]) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(parts) for _ in range(chance.randrange(1, 60)))


@pytest.mark.parametrize("seed", range(0, 1500, 500))
def test_runs_of_any_text_are_its_own_and_nothing_vanishes(seed: int) -> None:
    for each in range(seed, seed + 500):
        check(made(each, [*WORDS, *MARKS, *OTHERS]))


@pytest.mark.parametrize("seed", range(0, 1500, 500))
def test_runs_of_any_text_are_where_they_are_when_every_letter_is_unlike_the_others(seed: int) -> None:
    """Letters decide nothing in this markdown: the same text with a letter of its own at each place is cut alike."""
    for each in range(seed, seed + 500):
        text = made(each, [*WORDS, *MARKS])
        unlike = "".join(chr(0x4E00 + at) if letter.isalpha() else letter for at, letter in enumerate(text))
        assert [run.place for run in runs(text)] == [run.place for run in runs(unlike)]
        check(unlike)


def test_outputs_of_real_models_are_mapped() -> None:
    if not DATA.is_dir():
        pytest.skip("the folder of real judgments is not beside this checkout")
    for path in sorted(DATA.glob("*.jsonl.gz")):
        total = mapped = 0
        for text in _outputs(path, at_most=100):
            check(text)
            page = rendered.render(text)
            total, mapped = total + page.shown, mapped + page.mapped
        assert mapped > 0.99 * total, path.name


def _outputs(path: Path, *, at_most: int) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for _, line in zip(range(at_most), lines, strict=False):
            yield json.loads(line)["output"]


@pytest.mark.parametrize(
    "part",
    ["The **quick** `fox` [jumps](http://x.y/z) over.\n", "[", "![", "[[]", "*a ", "**a", "a**b", "<", "> ", ">", "- ",
     "\\", "&", "`a", "![a](b)", "[a](b)", "[a](", "](", "[x](a \"", "> a\nb\n", "|a", "a|b\n-|-\n", "\t- a\n",
     "1. a\n", "|a|b|c|\n|-|-|-|\n|\n|\n|\n|\n"],
)  # fmt: skip
def test_render_works_in_proportion(part: str) -> None:
    """Four times the text is about four times the work; were it sixteen times, a long text would stop the page."""
    counting.assert_in_proportion(lambda size: rendered.render(part * (size // len(part))), small=1_000)
