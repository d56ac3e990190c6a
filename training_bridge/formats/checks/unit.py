"""Numbers must stand with a unit that is allowed, or with that of the prompt."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from training_bridge.formats.checks import finding

# Spellings of one unit; the first is what it is called. `in` and single capitals are words too often to be known.
SPELLINGS = (
    "mm millimeter millimeters millimetre millimetres", "cm centimeter centimeters centimetre centimetres",
    "m meter meters metre metres", "km kilometer kilometers kilometre kilometres", "inch inches", "ft foot feet",
    "yd yard yards", "mile miles mi", "µg μg mcg microgram micrograms", "mg milligram milligrams", "g gram grams",
    "kg kilogram kilograms", "tonne tonnes", "lb lbs pound pounds", "oz ounce ounces", "ml mL milliliter milliliters",
    "l L liter liters litre litres", "gallon gallons gal", "ms millisecond milliseconds", "s sec second seconds",
    "min minute minutes", "h hr hrs hour hours", "day days", "week weeks", "month months", "year years",
    "°C celsius", "°F fahrenheit", "% percent pct", "$ USD dollar dollars", "€ EUR euro euros", "£ GBP",
    "¥ JPY yen", "kcal", "kJ", "kW", "kWh", "MW", "Hz", "kHz", "MHz", "GHz", "KB kB", "MB", "GB", "TB",
    "km/h kph", "mph", "m/s", "rpm", "bpm", "mmHg", "mol", "mmol",
)  # fmt: skip
CALLED = {spelling: each.split()[0] for each in SPELLINGS for spelling in each.split()}
MEASURE = re.compile(
    r"([$€£¥])?(?<![\w.,])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d++(?:\.\d+)?)"
    r"(?:[ \u00a0\u202f-]?(%|°[CF]|[^\W\d_]++(?:/[^\W\d_]++)?))?"
)
LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class Unit:
    """`allowed` are the units that may stand; a unit in another spelling (`hours` for `h`) is the same.

    `from_source`: a number that the prompt gives with a unit must keep it. `required`: no number without a unit; else
    a number before a word that is no known unit is let be.

    >>> check = Unit(from_source=True)
    >>> [each.message for each in check.findings(prompt="Take 5 ml for 3 days.", output="5 mg, 3 days, 8 mg")]
    ['5 mg: the prompt says ml.']
    >>> [each.message for each in Unit(allowed=["mg"]).findings(prompt="", output="5 mg, then 2 ml at 9")]
    ['2 ml: the unit may be mg.']
    """

    allowed: list[str] | None = None
    from_source: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        if not (self.allowed or self.from_source or self.required):
            raise ValueError("it needs allowed, from_source or required")
        if not all(each.strip() and len(each) <= LONGEST for each in self.allowed or ()):
            raise ValueError(f"each of allowed must have 1 to {LONGEST} characters")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(prompt, output))

    def _found(self, prompt: str, output: str) -> Iterator[finding.Finding]:
        allowed = {_called(each) for each in self.allowed or ()}
        given: dict[Decimal, set[str]] = defaultdict(set)
        if self.from_source:
            for match, called in self._measures(prompt, allowed):
                given[_amount(match)].update({called} if called else ())
        for match, called in self._measures(output, allowed):
            if problem := self._problem(called, allowed, given.get(_amount(match), set())):
                start, end = match.start(), match.end() if called and not match[1] else match.end(2)
                message = f"{finding.quote(match.string[start:end])}{problem}"
                yield finding.Finding(message=message, start=start, end=end)

    def _problem(self, called: str, allowed: set[str], given: set[str]) -> str:
        if not called:
            return " has no unit." if self.required else ""
        if allowed and called not in allowed:
            return f": the unit may be {', '.join(sorted(allowed))}."
        if given and called not in given:
            return f": the prompt says {', '.join(sorted(given))}."
        return ""

    def _measures(self, text: str, allowed: set[str]) -> Iterator[tuple[re.Match[str], str]]:
        """Each number with what its unit is called; an empty text for a number without one."""
        for match in MEASURE.finditer(text):
            said = match[1] or match[3] or ""
            called = _called(said)
            yield match, called if said in CALLED or called in CALLED or called in allowed else ""


def _called(unit: str) -> str:
    """What a spelling's unit is called; capitals count nothing in words, and much in `m` and `MB`."""
    return CALLED.get(unit) or (CALLED.get(unit.casefold()) if len(unit) > 2 else None) or unit


def _amount(match: re.Match[str]) -> Decimal:
    return Decimal(match[2].replace(",", ""))
