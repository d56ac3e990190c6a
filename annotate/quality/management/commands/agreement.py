"""manage.py agreement CAMPAIGN [--json] [--judgments N] [--kinds KIND...] [--gold]"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from annotate.campaigns.models import Campaign
from annotate.quality import judges, queries


class Command(BaseCommand):
    help = (
        "How far the annotators of a campaign agree: Krippendorff's alpha, nominal, per output. People count, and the "
        "external annotators of imported files; scripts and models only when they are named."
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
        found = queries.agreement_of(
            campaign=campaign, judgments=options["judgments"], kinds=kinds, with_gold=options["gold"]
        )
        if options["json"]:
            self.stdout.write(json.dumps({**_as_json(campaign, found), "kinds": kinds}, ensure_ascii=False, indent=2))
        else:
            _print(campaign, found)


def _as_json(campaign: Campaign, found: queries.Agreement) -> dict[str, Any]:
    return {
        "campaign": campaign.slug,
        "measure": "Krippendorff's alpha, nominal, presence per output",
        "outputs": found.outputs,
        "judgments": found.judgments,
        "annotators": found.annotators,
        "any_violation": _rounded(found.any_violation),
        "any_major": _rounded(found.any_major),
        "tags": {name: {"alpha": _rounded(alpha), "applied": applied} for name, alpha, applied in found.tags},
    }


def _print(campaign: Campaign, found: queries.Agreement) -> None:
    table = Table(
        title=f"{campaign.name}: {found.outputs:,} outputs, {found.judgments:,} judgments", title_justify="left"
    )
    table.add_column("label")
    table.add_column("applied", justify="right")
    table.add_column("alpha", justify="right")
    table.add_row("any violation", "", _shown(found.any_violation))
    table.add_row("any major or critical", "", _shown(found.any_major), end_section=True)
    for name, alpha, applied in found.tags:
        table.add_row(name, f"{applied:,}", _shown(alpha))
    Console().print(table)


def _rounded(alpha: float | None) -> float | None:
    return None if alpha is None else round(alpha, 3)


def _shown(alpha: float | None) -> str:
    return "undefined" if alpha is None else f"{alpha:.3f}"
