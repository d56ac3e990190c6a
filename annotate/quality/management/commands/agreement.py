"""manage.py agreement CAMPAIGN [--json] [--judgments N] [--kinds KIND...] [--gold]"""

from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from annotate.campaigns.models import Campaign
from annotate.quality import agreement_queries, judges
from annotate.quality.agreement_campaign import Agreement, TagAgreement
from annotate.quality.agreement_queries import Found
from annotate.quality.bootstrap import Figure

MEASURES = {
    "detection": "rejected or not (alpha)",
    "major": "anything major or critical (alpha)",
    "f1": "marked code points (F1 of pairs)",
    "unitised": "marked code points (u-alpha)",
    "tags": "all tags, applied or not (alpha)",
    "severity": "severity, where both applied the tag (ordinal alpha)",
}
OF_TAGS = {"presence": "applied (alpha)", "f1": "F1", "unitised": "u-alpha", "severity": "severity"}
OF_PAIRS = {"detection": "rejected", "f1": "F1", "unitised": "u-alpha", "tags": "tags", "severity": "severity"}


class Command(BaseCommand):
    help = (
        "How far the annotators of a campaign agree, with 95 %% intervals: on whether, where, what and how bad. People "
        "count, and the external annotators of imported files; scripts and models only when they are named."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("campaign", help="the campaign's slug")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--judgments", type=int, help="only outputs with exactly so many judgments")
        parser.add_argument(
            "--kinds", nargs="+", choices=judges.KINDS, default=judges.PEOPLE, help="whose judgments count"
        )
        parser.add_argument("--gold", action="store_true", help="count outputs with known errors, too")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']}.")
        kinds = judges.in_order(options["kinds"])
        found = agreement_queries.agreement_of(
            campaign=campaign, judgments=options["judgments"], kinds=kinds, with_gold=options["gold"]
        )
        if options["json"]:
            said = {"campaign": campaign.slug, "kinds": kinds, **_as_json(found)}
            self.stdout.write(json.dumps(said, ensure_ascii=False, indent=2))
        else:
            _print(campaign, found)


def _as_json(found: Found) -> dict[str, Any]:
    return {
        "outputs": found.outputs,
        "judgments": found.judgments,
        "annotators": found.annotators,
        **_figures(found.overall, MEASURES),
        "by_tag": {name: {"applied": each.applied, **_figures(each, OF_TAGS)} for name, each in found.tags},
        "by_pair": [
            {"annotators": [one.username, other.username], **_figures(each.agreement, OF_PAIRS)}
            for one, other, each in found.pairs
        ],
    }


def _figures(measured: Agreement | TagAgreement, names: dict[str, str]) -> dict[str, dict[str, float | int | None]]:
    return {name: _rounded(getattr(measured, name)) for name in names}


def _rounded(figure: Figure) -> dict[str, float | int | None]:
    values = dataclasses.asdict(figure)
    return {name: round(value, 3) + 0.0 if isinstance(value, float) else value for name, value in values.items()}


def _print(campaign: Campaign, found: Found) -> None:
    console = Console()
    title = (
        f"{campaign.name}: {found.outputs:,} outputs, {found.judgments:,} judgments, {found.annotators:,} annotators"
    )
    table = _table(title, ["", "agreement", "95 % interval", "outputs", "labels"])
    for name, about in MEASURES.items():
        figure: Figure = getattr(found.overall, name)
        table.add_row(about, _shown(figure.value), _interval(figure), f"{figure.outputs:,}", f"{figure.labels:,}")
    console.print(table)
    table = _table("Tags", ["tag", "judgments", *OF_TAGS.values()])
    for tag, each in found.tags:
        table.add_row(tag, f"{each.applied:,}", *(_cell(getattr(each, name)) for name in OF_TAGS))
    console.print(table)
    table = _table("Pairs of annotators", ["pair", "outputs", *OF_PAIRS.values()])
    for one, other, pair in found.pairs:
        cells = (_cell(getattr(pair.agreement, name)) for name in OF_PAIRS)
        table.add_row(f"{one}, {other}", f"{pair.agreement.detection.outputs:,}", *cells)
    console.print(table)


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    return table


def _cell(figure: Figure) -> str:
    return f"{_shown(figure.value)}\n{_interval(figure)}" if figure.value is not None else _shown(None)


def _interval(figure: Figure) -> str:
    return "" if figure.low is None else f"{_shown(figure.low)} to {_shown(figure.high)}"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{round(value, 3) + 0.0:.3f}"
