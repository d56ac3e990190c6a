"""A stored text with its marks, cut into segments a template can print without trusting a character of it. Pure.

The segments' pieces joined are the text itself; hidden characters are shown as in visible_text. Nothing here is HTML.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from frontend import visible_text

SEVERITIES = ("", "minor", "major", "critical")
LABELS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Span:
    """One mark: half-open code-point offsets, and what to say of it. `end` may lie behind the text: it is cut."""

    start: int
    end: int
    severity: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch under the same marks. `depth` is how many; without any, `severity` and `label` say nothing."""

    pieces: Sequence[visible_text.Piece]
    depth: int = 0
    severity: str = ""
    label: str = ""


def segments(text: str, spans: Iterable[Span] = ()) -> list[Segment]:
    """Cut `text` at the edges of the spans. A segment under several has the worst severity and all their labels."""
    return list(_segments(text, [span for span in spans if 0 <= span.start < min(span.end, len(text))]))


def _segments(text: str, spans: Sequence[Span]) -> Iterator[Segment]:
    cuts = sorted({0, len(text), *(s.start for s in spans), *(min(s.end, len(text)) for s in spans)})
    opening = sorted(spans, key=lambda span: span.start)[::-1]
    covering: list[Span] = []
    for start, end in itertools.pairwise(cuts):
        covering = [span for span in covering if span.end > start]
        while opening and opening[-1].start <= start:
            covering.append(opening.pop())
        yield _segment(text[start:end], covering)


def _segment(text: str, covering: Sequence[Span]) -> Segment:
    return Segment(
        pieces=visible_text.pieces(text),
        depth=len(covering),
        severity=max((span.severity for span in covering), key=SEVERITIES.index, default=""),
        label=_label([span.label for span in covering if span.label]),
    )


def _label(labels: Sequence[str]) -> str:
    shown = "; ".join(labels[:LABELS_SHOWN])
    return shown if len(labels) <= LABELS_SHOWN else f"{shown}; and {len(labels) - LABELS_SHOWN} more"
