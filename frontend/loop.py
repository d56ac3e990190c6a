"""Where a campaign stands on the path from an imported output to a new checkpoint, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from annotate.campaigns.models import Campaign
from annotate.constraints.models import ConstraintSet
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Judgment
from frontend import doors
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs.models import Run


@dataclass(frozen=True)
class Step:
    """`url` is empty when the reader's role does not include the page."""

    title: str
    hint: str
    url: str
    is_done: bool
    is_next: bool


def steps(*, campaign: Campaign, role: str) -> list[Step]:
    """The five steps in order; the first one not done is next. Five existence checks."""
    found: list[Step] = []
    for title, hint, url_name, roles, rows in _stations(campaign):
        is_done = rows.exists()
        found.append(
            Step(
                title=title,
                hint=hint,
                url=doors.address(url_name, campaign=campaign) if role in roles else "",
                is_done=is_done,
                is_next=not is_done and all(step.is_done for step in found),
            )
        )
    return found


def _stations(campaign: Campaign) -> list[tuple[str, str, str, tuple[str, ...], QuerySet[Any]]]:
    admins, researchers = (doors.ADMIN,), (doors.ADMIN, doors.RESEARCHER)
    readers = (doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
    gold = intake_queries.gold(campaign_id=campaign.pk)
    judgments: QuerySet[Model] = Judgment.objects.filter(campaign=campaign).exclude(output__in=gold.values("pk"))
    return [
        (
            "Import outputs",
            "A file of prompts and what a model answered.",
            "import",
            admins,
            campaign.batches.filter(new_count__gt=0),
        ),
        (
            "Judge them",
            "Mark what is wrong, and say why.",
            "work",
            doors.JUDGES,
            judgments,
        ),
        (
            "Approve constraints",
            "Violations are grouped into prohibitions; you name and approve them.",
            "constraints",
            readers,
            ConstraintSet.objects.filter(campaign=campaign),
        ),
        (
            "Build a dataset",
            "An immutable export of the approved set.",
            "datasets",
            researchers,
            DatasetVersion.objects.filter(campaign=campaign, state="ready"),
        ),
        (
            "Train a checkpoint",
            "Its outputs come back into this queue.",
            "runs",
            researchers,
            Run.objects.filter(campaign=campaign, state="succeeded").exclude(method="sample"),
        ),
    ]
