"""The scorecard: how discrete, independent, verifiable and stable each constraint is, as last measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from annotate.campaigns.models import Campaign
from annotate.constraints.models import Constraint
from annotate.constraints.scorecard import independence, measures, scoring
from annotate.constraints.scorecard.models import Scorecard
from annotate.quality import judges
from frontend import doors
from training_bridge.evaluations import paired

READERS = (doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
PAGE = 25
LARGEST_COUNT, LARGEST_ID = 2**31 - 1, 2**63 - 1  # what the columns hold

WORDS = {
    "discrete": {"good": "Decisive", "bad": "Splits people"},
    "independent": {"good": "Stands apart", "bad": "Overlaps"},
    "verifiable": {"good": "Agreed on", "bad": "Not agreed on"},
    "stable": {"good": "No difference found", "bad": "Differs"},
}
OTHERWISE = {"unclear": "Unclear", "too_few": "Too few"}
MODES = (("tagging", "tagging"), ("verify", "verify"))
ASSISTED = (("tagging_assisted", "tagging, assisted"), ("verify_assisted", "verify, assisted"))


@dataclass(frozen=True)
class Line:
    """A figure as a page prints it; only the count where it is of too few."""

    label: str
    value: str
    between: str
    count: int


@dataclass(frozen=True)
class Property:
    name: str
    verdict: str
    word: str
    lines: list[Line]


@dataclass(frozen=True)
class Partner:
    """`statement` is empty where the other constraint is no more."""

    pk: int
    statement: str
    phi: str
    between: str
    together: int
    given_this: Line
    given_other: Line
    p: str
    relation: str


@dataclass(frozen=True)
class Context:
    label: str
    rate: Line
    unanimous: Line


@dataclass(frozen=True)
class Dimension:
    name: str
    contexts: list[Context]
    tests: list[tuple[str, str, bool]]


@dataclass(frozen=True)
class Card:
    properties: list[Property]
    rate: Line
    details: dict[str, list[Line]]
    partners: list[Partner]
    dimensions: list[Dimension]
    measured_at: datetime


@dataclass(frozen=True)
class Row:
    constraint: Constraint
    properties: list[Property]


@require_safe
@doors.campaign_page(*READERS)
def scorecards(request: doors.Request, campaign: Campaign) -> HttpResponse:
    key = _key(request.GET.get("from", ""))
    found = list(scoring.by_support(campaign=campaign, after=key)[: PAGE + 1])
    last = found[PAGE - 1] if len(found) > PAGE else None
    place = scoring.of_campaign(campaign=campaign)
    context = {
        "rows": [Row(each, _properties(each)) for each in found[:PAGE]],
        "next_url": f"?{urlencode({'from': f'{last.member_count},{last.pk}'})}" if last else "",
        "is_first": key is None,
        "place": place,
        "is_of_programs": place is not None and place.counted == list(judges.PROGRAMS),
        "bounds": measures,
    }
    return doors.render(request, "scorecard.html", context, campaign=campaign, tab="constraints")


def card_of(constraint: Constraint) -> Card | None:
    """Return all that was measured of a constraint, as a page shows it; None before the first time."""
    found = Scorecard.objects.filter(constraint=constraint).first()
    if found is None:
        return None
    figures = found.figures
    ids = [each["other"] for each in figures["partners"]]
    statements = scoring.statements(campaign=constraint.campaign, ids=ids) if ids else {}
    return Card(
        properties=_of(found),
        rate=_share("violate", figures["rate"]),
        details=_details(figures),
        partners=[_partner(each, statements) for each in figures["partners"]],
        dimensions=[_dimension(each) for each in figures["dimensions"]],
        measured_at=found.measured_at,
    )


def _properties(constraint: Constraint) -> list[Property]:
    found: Scorecard | None = getattr(constraint, "scorecard", None)
    return [] if found is None else _of(found)


def _of(found: Scorecard) -> list[Property]:
    figures = found.figures
    lines = {
        "discrete": [_share(label, figures[mode]["decisive"]) for mode, label in MODES],
        "independent": [_strongest(figures)],
        "verifiable": [*_alphas(figures), *_check(figures)[:1]],
        "stable": [*_extremes(figures), _share("asked again", figures["retest"])],
    }
    return [
        Property(name, found.verdicts[name], {**OTHERWISE, **words}[found.verdicts[name]], lines[name])
        for name, words in WORDS.items()
    ]


def _strongest(figures: Mapping[str, Any]) -> Line:
    """The strongest partner; without one, how many outputs violate and could have had one."""
    partners = figures["partners"]
    if not partners:
        rate = figures["rate"]
        violated = round((rate["value"] or 0) * rate["count"])
        return Line("close partners", "none" if violated >= independence.SUPPORT else "", "", violated)
    first = partners[0]
    return Line(
        "strongest phi", f"{first['phi']:.2f}", _between(first["phi_low"], first["phi_high"]), first["together"]
    )


def _extremes(figures: Mapping[str, Any]) -> Iterable[Line]:
    """The lowest and the highest rate of the way to divide outputs whose parts differ the most clearly."""
    tested = [each for each in figures["dimensions"] if each["rate"]]
    if not tested:
        return [Line("contexts compared", "", "", 0)]
    most = min(tested, key=lambda each: (each["rate"]["p"], each["name"]))
    rates = sorted((each["rate"] for each in most["contexts"] if each["rate"]["value"] is not None), key=_value)
    label = f"by {most['name']}, lowest", f"by {most['name']}, highest"
    return [_share(label[0], rates[0]), _share(label[1], rates[-1])]


def _value(figure: Mapping[str, Any]) -> float:
    return float(figure["value"])


def _details(figures: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Everything that has an interval, by property, the two modes apart."""
    found: dict[str, list[Line]] = {"discrete": [], "verifiable": [], "stable": []}
    for mode, label in MODES:
        given = figures[mode]
        found["discrete"] += [
            _share(f"{label}: decisive, where anybody saw it", given["decisive"]),
            _share(f"{label}: decisive, everywhere", given["decisive_all"]),
            _share(f"{label}: cannot tell", given["cannot_tell"]),
        ]
    found["verifiable"] = [
        _number(f"{label}: Krippendorff's alpha", figures[mode]["alpha"]) for mode, label in (*_blind(), *ASSISTED)
    ] + _check(figures)
    found["stable"].append(_share("the same person, asked again, says the same", figures["retest"]))
    return found


def _alphas(figures: Mapping[str, Any]) -> Iterable[Line]:
    """Return alpha of both modes, blind; those of assisted work where there is some."""
    assisted = [(mode, label) for mode, label in ASSISTED if figures[mode]["outputs"]]
    return [_number(label, figures[mode]["alpha"]) for mode, label in (*_blind(), *assisted)]


def _blind() -> list[tuple[str, str]]:
    return [(mode, f"{label}, blind") for mode, label in MODES]


def _check(figures: Mapping[str, Any]) -> list[Line]:
    named = (("check: precision", "check_precision"), ("check: recall", "check_recall"))
    return [_share(label, figures[name]) for label, name in named if figures[name] is not None]


def _partner(given: Mapping[str, Any], statements: Mapping[int, str]) -> Partner:
    relation = "always comes with" if given["implies"] else "always brings" if given["is_implied"] else ""
    return Partner(
        pk=given["other"],
        statement=statements.get(given["other"], ""),
        phi=f"{given['phi']:.2f}",
        between=_between(given["phi_low"], given["phi_high"]),
        together=given["together"],
        given_this=_share("", dict(zip(("value", "low", "high", "count"), given["given_this"], strict=True))),
        given_other=_share("", dict(zip(("value", "low", "high", "count"), given["given_other"], strict=True))),
        p=paired.shown(given["adjusted"]),
        relation="the same violations" if given["implies"] and given["is_implied"] else relation,
    )


def _dimension(given: Mapping[str, Any]) -> Dimension:
    contexts = [
        Context(each["label"], _share("", each["rate"]), _share("", each["unanimous"])) for each in given["contexts"]
    ]
    tests = [("rate", given["rate"]), ("agreement", given["unanimous"])]
    return Dimension(given["name"], contexts, [(label, *_tested(test)) for label, test in tests])


def _tested(test: Mapping[str, Any] | None) -> tuple[str, bool]:
    if test is None:
        return "too little to compare", False
    is_clear = paired.is_clear(test["adjusted"])
    said = "differs" if is_clear else "no difference found"
    return (
        f"{said}: p {paired.shown(test['adjusted'])}, I² {100 * test['i_squared']:.0f} %, of {test['outputs']}",
        is_clear,
    )


def _share(label: str, given: Mapping[str, Any]) -> Line:
    if given["value"] is None:
        return Line(label, "", "", given["count"])
    between = f"{100 * given['low']:.0f}–{100 * given['high']:.0f}"
    return Line(label, f"{100 * given['value']:.0f} %", between, given["count"])


def _number(label: str, given: Mapping[str, Any]) -> Line:
    if given["value"] is None:
        is_undefined = given["count"] >= measures.FLOOR
        return Line(label, "undefined" if is_undefined else "", "", given["count"])
    return Line(label, f"{given['value']:.2f}", _between(given["low"], given["high"]), given["count"])


def _between(low: float, high: float) -> str:
    return f"{low:.2f}–{high:.2f}" if low >= 0 else f"{low:.2f} to {high:.2f}"


def _key(text: str) -> tuple[int, int] | None:
    """`text` is "members,id" of the last row of the page before; anything else is ignored."""
    parts: Sequence[str] = text.split(",")
    if len(parts) != 2 or not all(each.isascii() and each.isdigit() and len(each) < 20 for each in parts):
        return None
    count, pk = map(int, parts)
    return (count, pk) if count <= LARGEST_COUNT and pk <= LARGEST_ID else None


urls = [path("c/<slug:slug>/constraints/scorecard/", scorecards, name="scorecard")]
