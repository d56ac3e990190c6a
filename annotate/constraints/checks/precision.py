"""How far a check says what people say, with Wilson's intervals, and whether that earns trust. Pure.

Worked numbers, at z = 1.96 (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4): 30 right of 30 have the interval
[0.886, 1]; 29 of 30 have [0.833, 0.994]; 28 of 30 have [0.787, 0.982]. So with a bound of 0.8 a check that marked 30
outputs about which people decided is trusted with one false alarm, and not with two.
"""

from __future__ import annotations

from dataclasses import dataclass

from annotate.quality import gold


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """`of` outputs, and the part of them that is meant. `low` and `high` are the ends of the 95 % interval."""

    part: int
    of: int

    @property
    def value(self) -> float | None:
        return self.part / self.of if self.of else None

    @property
    def low(self) -> float:
        return (gold.wilson(self.part, self.of) or (0.0, 1.0))[0]

    @property
    def high(self) -> float:
        return (gold.wilson(self.part, self.of) or (0.0, 1.0))[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Outputs that the check looked at and people decided about: both say violated, the check alone, people alone,
    neither."""

    hit: int = 0
    alarm: int = 0
    miss: int = 0
    clear: int = 0

    @property
    def decided(self) -> int:
        return self.hit + self.alarm + self.miss + self.clear

    @property
    def precision(self) -> Share:
        """Of what the check marked, the part that people call violated.

        >>> share = Counts(hit=29, alarm=1).precision
        >>> round(share.value, 3), round(share.low, 3), round(share.high, 3)
        (0.967, 0.833, 0.994)
        """
        return Share(part=self.hit, of=self.hit + self.alarm)

    @property
    def recall(self) -> Share:
        """Of what people call violated, the part that the check marked.

        >>> share = Counts(hit=8, miss=2).recall
        >>> share.value, round(share.low, 3), round(share.high, 3)
        (0.8, 0.49, 0.943)
        """
        return Share(part=self.hit, of=self.hit + self.miss)


def lacking(*, counts: Counts, precision: float, adjudicated: int) -> str:
    """Say what a check lacks to be trusted; nothing when it has earned it.

    `adjudicated` is how many of the outputs that it marked people must have decided about: precision is a share of
    those, and what it let pass says nothing of it.

    >>> lacking(counts=Counts(hit=30), precision=0.8, adjudicated=30)
    ''
    >>> lacking(counts=Counts(hit=28, alarm=2), precision=0.8, adjudicated=30)
    'its precision is above 0.787 with 95 % certainty, and 0.8 is asked for'
    >>> lacking(counts=Counts(hit=9), precision=0.8, adjudicated=30)
    'people decided about 9 of the outputs that it marked, and 30 are asked for'
    """
    share = counts.precision
    if share.of < adjudicated:
        return f"people decided about {share.of} of the outputs that it marked, and {adjudicated} are asked for"
    if share.low < precision:
        return f"its precision is above {share.low:.3f} with 95 % certainty, and {precision:g} is asked for"
    return ""
