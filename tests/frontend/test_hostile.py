from __future__ import annotations

from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from frontend import hostile
from frontend.hostile import Span


def text_of(segment: hostile.Segment) -> str:
    return "".join(piece.text for piece in segment.pieces)


def test_segments_of_overlapping_spans() -> None:
    found = hostile.segments("0123456789", [Span(2, 6, "minor", "a"), Span(4, 8, "critical", "b"), Span(9, 99)])
    assert [(text_of(each), each.depth, each.severity, each.label) for each in found] == [
        ("01", 0, "", ""),
        ("23", 1, "minor", "a"),
        ("45", 2, "critical", "a; b"),
        ("67", 1, "critical", "b"),
        ("8", 0, "", ""),
        ("9", 1, "", ""),
    ]


def test_segments_shorten_the_labels_of_many() -> None:
    [segment] = hostile.segments("ab", [Span(0, 2, label=str(number)) for number in range(9)])
    assert (segment.depth, segment.label) == (9, "0; 1; 2; 3; and 5 more")


@given(
    st.text(alphabet="ab<&\u202e\u200b\N{GRINNING FACE}", max_size=20),
    st.lists(st.tuples(st.integers(-2, 22), st.integers(-2, 25)), max_size=6),
)
def test_segments_joined_are_the_text(text: str, places: list[tuple[int, int]]) -> None:
    spans = [Span(start, end, "major") for start, end in places]
    found = hostile.segments(text, spans)
    assert "".join(map(text_of, found)) == text
    covered = [sum(start <= place < end for start, end in places if 0 <= start < end) for place in range(len(text))]
    assert [each.depth for each in found for _ in text_of(each)] == covered


def test_tag_escapes_text_and_labels() -> None:
    template = Template("{% load hostile %}{% hostile text spans %}")
    spans = [Span(0, 3, "minor", '"><script>')]
    shown = template.render(Context({"text": "<b>\u202e&amp;", "spans": spans}))
    assert shown == (
        '<mark class="span is-minor" title="&quot;&gt;&lt;script&gt;">&lt;b&gt;</mark>'
        '<span class="hidden-character" data-name="RLO">\u202e</span>&amp;amp;'
    )
