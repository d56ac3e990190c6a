"""Rows that the tests of verification stand on."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.models import Constraint
from annotate.verification import actions
from annotate.verification.models import Answer, Round, Turn
from tests import factories
from tests.factories import NOW

STATEMENT = "States a year that the source does not give"


def world(slug: str = "helpdesk", *, tagged: int = 3, others: int = 5, **fields: Any) -> Campaign:
    """A campaign in which `tagged` outputs violate the one constraint and `others` were not judged."""
    campaign = factories.campaign(slug, **fields)
    critic = factories.user(f"critic-{slug}")
    for number in range(tagged):
        output = factories.output(campaign, f"Bloom came out in 198{number}.", model="secret-model-7b")
        factories.judgment(output, annotator=critic, violations=[{"start": 0, "end": 5, "critique": "secret-critique"}])
    for number in range(others):
        factories.output(campaign, f"Bloom is album number {number}.", model="secret-model-7b")
    constraints.regroup(campaign_id=campaign.pk, now=NOW)
    found = Constraint.objects.filter(campaign=campaign).first()
    if found is not None:
        constraints.rename(constraint=found, statement=STATEMENT, by=factories.admin_of(campaign), now=NOW)
    return campaign


def constraint(campaign: Campaign) -> Constraint:
    return Constraint.objects.get(campaign=campaign)


def start(campaign: Campaign, *, tagged: int = 3, random: int = 5, overlap: int = 1, seed: int | None = 7) -> Round:
    return actions.start(
        constraint=constraint(campaign),
        by=factories.admin_of(campaign),
        now=NOW,
        tagged=tagged,
        random=random,
        overlap=overlap,
        seed=seed,
    )


def take(campaign: Campaign, annotator: User, *, now: Any = NOW, wanted: int = 1) -> list[Turn]:
    return actions.hand_out(campaign=campaign, annotator=annotator, now=now, wanted=wanted)


def say(turn: Turn, value: str = "violated", *, now: Any = NOW, key: Any = None, **fields: Any) -> Answer:
    return actions.answer(
        token=turn.token, annotator=turn.annotator, answer=value, idempotency_key=key or uuid4(), now=now, **fields
    )
