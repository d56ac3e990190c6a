"""From violations to a built dataset, as tests ask for it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint, ConstraintSet
from tests import factories
from tests.factories import NOW
from training_bridge.exports import actions
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import rows

TEXT = "Bloom was released on 31 August 2018 by EMI."


def clock() -> datetime:
    return NOW


def judged(admin: User) -> Campaign:
    """Four outputs that were rejected for two reasons, three with nothing wrong."""
    made = factories.campaign("helpdesk", by=admin, overlap=3)
    for number in range(4):
        span = {"start": 22, "end": 36, "critique": "says a date the source does not give", "severity": "critical"}
        factories.judgment(factories.output(made, f"{TEXT}{number}"), violations=[span, {"tag": "ignores-instruction"}])
    for _ in range(3):
        factories.judgment(factories.output(made), "nothing_wrong")
    return made


def approved(campaign: Campaign, admin: User, *, only: str = "") -> ConstraintSet:
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    found = Constraint.objects.living().filter(campaign=campaign)
    for each in found.filter(tag_slug=only) if only else found:
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    return constraint_actions.renew(campaign=campaign, by=admin, now=NOW)


def request(campaign: Campaign, admin: User, format: str = "kto", **more: Any) -> DatasetVersion:
    only = more.pop("only", "")
    return actions.request(
        campaign=campaign, constraint_set=approved(campaign, admin, only=only), format=format, by=admin, now=NOW, **more
    )


def built(campaign: Campaign, admin: User, format: str = "kto", **more: Any) -> DatasetVersion:
    made = actions.build(dataset_id=request(campaign, admin, format, **more).pk, clock=clock)
    assert made.state == "ready", made.reason
    return made


def read(dataset: DatasetVersion, name: str = "train") -> list[dict[str, Any]]:
    return list(rows.read_jsonl(Path(dataset.folder) / f"{name}.jsonl"))
