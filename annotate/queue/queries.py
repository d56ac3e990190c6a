"""Reads of the queue. Every answer is bounded: nothing here counts a whole campaign."""

from __future__ import annotations

import uuid

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.queue import policy, sql
from annotate.queue.models import Lease, QueueItem


def held(*, token: uuid.UUID, annotator: User) -> QuerySet[Lease]:
    """Return the lease with this token if it is the annotator's and they may still judge in its campaign.

    The token alone opens nothing: somebody else's token, or one of a campaign the person has left, finds no row.
    """
    mine = Lease.objects.filter(token=token, annotator=annotator)
    if is_trusted(annotator):
        return mine
    member = Membership.objects.filter(campaign=OuterRef("campaign"), user=annotator, role__in=policy.JUDGING_ROLES)
    return mine.filter(Exists(member))


def skipped_by_all(*, campaign: Campaign) -> QuerySet[QueueItem]:
    """Return what somebody skipped and no annotator is left for, by output, for reviewers to judge or set aside.

    Where nobody is an annotator, nobody is left who may judge. Gold is not theirs to look after.
    """
    people = Membership.objects.filter(campaign=campaign, user__is_active=True, user__kind=User.Kind.PERSON)
    everybody = people.filter(role=Membership.Role.ANNOTATOR)
    if not everybody.exists():
        everybody = people.filter(role__in=policy.JUDGING_ROLES)
    done = (Lease.State.SUBMITTED, Lease.State.SKIPPED)
    theirs = Lease.objects.filter(output=OuterRef(OuterRef("pk")), annotator=OuterRef("user"), state__in=done)
    left = everybody.filter(~Exists(theirs))
    skipped = QueueItem.objects.filter(campaign=campaign, skip_count__gt=0, taken_count__lt=F("overlap"))
    return skipped.filter(~Exists(left), shelf__is_gold=False).order_by("output")


def is_trusted(annotator: User) -> bool:
    """Say whether no membership is asked for. Scripts and models hold no login: the code that runs them decides."""
    return annotator.kind != User.Kind.PERSON or annotator.is_superuser


def may_judge(*, campaign: Campaign, annotator: User) -> bool:
    """Say whether the annotator may lease here."""
    if is_trusted(annotator):
        return True
    return Membership.objects.filter(campaign=campaign, user=annotator, role__in=policy.JUDGING_ROLES).exists()


def left(*, campaign: Campaign, annotator: User, at_most: int = 1000) -> int:
    """Return how many outputs are left for this annotator, counting no further than `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNT_FREE, {"campaign": campaign.pk, "annotator": annotator.pk, "at_most": at_most})
        row = cursor.fetchone()
    return int(row[0])
