"""A curve with its band as the numbers of an SVG. Pure; the template draws, the stylesheet colours.

The plot is stretched to its place, so labels stand beside it in HTML, at the four equal steps of each axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 400
STEPS = 4

Points = Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Chart:
    """`band`, `mean`, `ahead` and `seen` are lists of points; `now` is where the reviewed outputs end."""

    band: str
    mean: str
    ahead: str
    seen: str
    now: float
    lines: list[float]
    xs: list[str]
    ys: list[str]


def chart(points: Points, *, units: int) -> Chart | None:
    """Return the chart of [units, mean, low, high, seen by then], units ascending; None where there is no curve."""
    if not points:
        return None
    wide = nice(max(_number(each[0]) for each in points))
    high = nice(max(_number(each[3]) for each in points))
    low_edge = [(each[0], each[2]) for each in reversed(points)]
    place = _Place(wide, high)
    return Chart(
        band=place.all([*((each[0], each[3]) for each in points), *low_edge]),
        mean=place.all((each[0], each[1]) for each in points if _number(each[0]) <= units),
        ahead=place.all((each[0], each[1]) for each in points if _number(each[0]) >= units),
        seen=place.all((each[0], each[4]) for each in points if each[4] is not None),
        now=round(WIDTH * units / wide, 1),
        lines=[HEIGHT * step / STEPS for step in range(1, STEPS)],
        xs=[said(wide * step / STEPS) for step in range(STEPS + 1)],
        ys=[said(high * step / STEPS) for step in range(STEPS, -1, -1)],
    )


@dataclass(frozen=True)
class Contraction:
    """Shares by set as lists of points: `checks`, `people` and the `band` of people's intervals, empty without any."""

    checks: str
    people: str
    band: str
    lines: list[float]
    xs: list[str]
    ys: list[str]


Interval = tuple[float, float, float]
"""A share, and the ends of its interval."""


def contraction(
    *, revisions: Sequence[int], people: Sequence[Interval | None], checks: Sequence[float | None]
) -> Contraction | None:
    """Return the chart of what survives each set; None for fewer than two, which make no line. A share that is None,
    where nothing was checked or judged, is left out.

    >>> made = contraction(revisions=[1, 2], people=[None, None], checks=[1.0, 0.5])
    >>> made and (made.checks, made.people, made.xs)
    ('0.0,0.0 1000.0,200.0', '', ['Set 1', 'Set 2'])
    """
    if len(revisions) < 2:
        return None
    place = _Place(len(revisions) - 1, 1.0)
    judged = [(x, each) for x, each in enumerate(people) if each is not None]
    lower = [(x, low) for x, (_, low, _) in reversed(judged)]
    return Contraction(
        checks=place.all((x, share) for x, share in enumerate(checks) if share is not None),
        people=place.all((x, share) for x, (share, _, _) in judged),
        band=place.all([*((x, high) for x, (_, _, high) in judged), *lower]),
        lines=[HEIGHT * step / STEPS for step in range(1, STEPS)],
        xs=[f"Set {revisions[0]}", f"Set {revisions[-1]}"],
        ys=[f"{100 * step // STEPS} %" for step in range(STEPS, -1, -1)],
    )


def nice(most: float) -> float:
    """Return where an axis ends whose four steps are 1, 1.5, 2, 2.5 or 5 times a power of ten, and whole.

    >>> [nice(each) for each in (3, 17, 41, 130, 1500)]
    [4.0, 20.0, 60.0, 200.0, 2000.0]
    """
    step = max(1.0, most / STEPS)
    power: float = 10.0 ** math.floor(math.log10(step))
    factor = next(each for each in (1, 1.5, 2, 2.5, 5, 10) if each * power >= step and (each * power) % 1 == 0)
    return factor * power * STEPS


def said(value: float) -> str:
    """Return a number as an axis says it, thousands apart by a thin space."""
    return f"{value:,.0f}".replace(",", "\u2009")


@dataclass(frozen=True)
class _Place:
    wide: float
    high: float

    def all(self, points: Iterable[tuple[float | None, float | None]]) -> str:
        return " ".join(
            f"{WIDTH * _number(x) / self.wide:.1f},{HEIGHT - HEIGHT * _number(y) / self.high:.1f}" for x, y in points
        )


def _number(value: float | None) -> float:
    assert value is not None
    return value
