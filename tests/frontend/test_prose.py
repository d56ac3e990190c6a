"""Guidelines: the marks people use, and nothing that runs."""

import pytest
from django.template import Context, Template

from frontend import prose
from tests import counting


def _rendered(text: str) -> str:
    page = Template("{% load prose %}{% prose text %}").render(Context({"text": text}))
    return " ".join(page.split())


def test_blocks_of_every_kind() -> None:
    text = "# Rules\nReject it.\nReally.\n\n- one\n- two\n1. first\n2) second\n> said\n```\n<b>\n```\nend"
    assert [(block.kind, len(block.lines)) for block in prose.blocks(text)] == [
        ("heading", 1),
        ("paragraph", 2),
        ("bullet", 2),
        ("number", 2),
        ("quote", 1),
        ("code", 1),
        ("paragraph", 1),
    ]


def test_spans_inside_a_line() -> None:
    found = prose.spans("Be **strict**, *not* `rude`; see [here](https://example.org/a?b=1).")
    assert [(span.kind, span.text) for span in found] == [
        ("text", "Be "),
        ("strong", "strict"),
        ("text", ", "),
        ("em", "not"),
        ("text", " "),
        ("code", "rude"),
        ("text", "; see "),
        ("link", "here"),
        ("text", "."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        '[x](https://e.org/"onclick="alert(1))',
        "**<img src=x onerror=alert(1)>**",
        "```\n</pre><script>\n```",
        "`<b hx-get=/x>`",
        "# <style>",
    ],
)
def test_nothing_typed_becomes_markup(text: str) -> None:
    page = _rendered(text)
    for bad in ("<script", "<img", "<b ", "<style", 'href="javascript', 'href="data', '"onclick="', "</pre></pre>"):
        assert bad not in page


def test_rendered() -> None:
    assert _rendered("Be **strict**.\n\n- a\n- b") == (
        '<div class="prose"> <p> Be <strong>strict</strong>. </p> <ul> <li>a</li> <li>b</li> </ul> </div>'
    )
    assert _rendered("") == '<div class="prose"> </div>'


@pytest.mark.parametrize("part", ["[", "*", "**a", "`", "> ", "[a](", "[a](https://a"])
def test_no_text_takes_long(part: str) -> None:
    """Of a million characters every pattern would take hours to read, if it looked to the end from each."""
    prose.blocks(part * (1_000_000 // len(part)))
    counting.assert_in_proportion(lambda size: prose.blocks(part * (size // len(part))), small=4_000)
