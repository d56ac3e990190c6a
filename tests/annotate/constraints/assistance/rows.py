"""Rows that the tests of assisted work stand on: a check that is trusted, and outputs that nobody judged."""

from __future__ import annotations

import uuid

from annotate.campaigns.models import Campaign
from annotate.constraints.assistance import queries as assistance
from annotate.constraints.checks.models import Check
from annotate.constraints.models import Constraint
from annotate.queue import actions as queue
from annotate.queue.models import Lease
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.factories import NOW

SEED = uuid.UUID(int=7)
TEXT = "Bloom came out in 1984."


def world(slug: str = "helpdesk", *, share: int = 90, is_trusted: bool = True, outputs: int = 1) -> Campaign:
    """A campaign with a trusted check of one constraint and so many outputs like TEXT, of which it finds the year."""
    campaign = checks.world(slug, hits=5)
    (checks.trusted if is_trusted else checks.shadow)(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(assisted_share=share, draw_seed=SEED)
    campaign.refresh_from_db()
    for number in range(outputs):
        factories.output(campaign, f"{TEXT}{'!' * number}", prompt=checks.PROMPT)
    return campaign


def constraint(campaign: Campaign) -> Constraint:
    found: Constraint = Check.objects.get(constraint__campaign=campaign).constraint
    return found


def lease(campaign: Campaign, annotator: factories.User) -> Lease:
    """The annotator's next output, as a page leases it."""
    found = queue.lease_next(campaign=campaign, annotator=annotator, now=NOW, suggest=assistance.for_output)
    assert found is not None
    return found
