"""Reads of the queue. Every answer is bounded: nothing here counts a whole campaign."""

from __future__ import annotations

import uuid

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.queue import policy, sql
from annotate.queue.models import Lease


def held(*, token: uuid.UUID, annotator: User) -> QuerySet[Lease]:
    """Return the lease with this token if it is the annotator's and they may still judge in its campaign.

    The token alone opens nothing: somebody else's token, or one of a campaign the person has left, finds no row.
    """
    mine = Lease.objects.filter(token=token, annotator=annotator)
    if annotator.kind != User.Kind.PERSON or annotator.is_superuser:
        return mine
    member = Membership.objects.filter(campaign=OuterRef("campaign"), user=annotator, role__in=policy.JUDGING_ROLES)
    return mine.filter(Exists(member))


def may_judge(*, campaign: Campaign, annotator: User) -> bool:
    """Say whether the annotator may lease here. Scripts and models hold no login: the code that runs them decides."""
    if annotator.kind != User.Kind.PERSON or annotator.is_superuser:
        return True
    return Membership.objects.filter(campaign=campaign, user=annotator, role__in=policy.JUDGING_ROLES).exists()


def left(*, campaign: Campaign, annotator: User, at_most: int = 1000) -> int:
    """Return how many outputs are left for this annotator, counting no further than `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNT_FREE, {"campaign": campaign.pk, "annotator": annotator.pk, "at_most": at_most})
        row = cursor.fetchone()
    return int(row[0])
