"""What kinds share that say how often something may occur: `least` and `most`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from training_bridge.formats.checks import finding

Span = tuple[int, int]


def check_bounds(*, least: int | None, most: int | None, highest: int | None = None) -> None:
    """Raise ValueError unless there is a bound, none is below 0 or above `highest`, and least is not above most."""
    given = [each for each in (least, most) if each is not None]
    if not given:
        raise ValueError("it needs least or most")
    if min(given) < 0 or given != sorted(given):
        raise ValueError("least and most must be 0 or more, and least not above most")
    if most is None and least == 0:
        raise ValueError("least is 0, which every output has; leave it out and say most")
    if highest is not None and max(given) > highest:
        raise ValueError(f"least and most may be {highest:,} at the highest")


def findings(
    spans: Iterable[Span], *, what: str, least: int | None, most: int | None, label: str = ""
) -> Iterator[finding.Finding]:
    """Too few: one finding, of the whole output. Too many: each that is one too many, at its place.

    >>> [each.message for each in findings([(0, 1)], what="bullet points", least=3, most=None)]
    ['Has 1 bullet points, fewer than 3.']
    >>> [(each.message, each.start) for each in findings([(0, 1), (4, 5)], what="commas", least=None, most=1)]
    [('More than 1 commas.', 4)]
    """
    places = iter(spans)
    kept = sum(1 for _ in islice(places, max(least or 0, most or 0)))
    if kept < (least or 0):
        yield finding.Finding(message=f"Has {kept} {what}, fewer than {least}.")
    elif most is not None:
        said = label or (f"More than {most} {what}." if most else f"Must have no {what}.")
        for start, end in places:
            yield finding.Finding(message=said, start=start, end=end)
