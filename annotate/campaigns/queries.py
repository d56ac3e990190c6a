"""Reads of campaigns, roles and tag sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import cast

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery, Value

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, CampaignInvitation, Membership, Tag, TagSet
from annotate.errors import NotAllowed, NotFound
from annotate.joined import Joined

MEMBER = Joined(("membership", Membership, None), ("person", User, None), ("campaign", Campaign, None))
MEMBERSHIP = """
SELECT {columns}, session.session_data
FROM accounts_session AS session
JOIN accounts_user AS person ON person.id = session.user_id
JOIN campaigns_membership AS membership ON membership.user_id = person.id
JOIN campaigns_campaign AS campaign ON campaign.id = membership.campaign_id
WHERE session.session_key = %(session)s AND session.expire_date > %(now)s
  AND person.is_active AND NOT person.is_superuser AND campaign.slug = %(slug)s
"""


class NoSuchCampaign(NotFound):
    """It does not exist, or the asker is not a member: the two look the same from outside."""


class WrongRole(NotAllowed):
    """A member whose role does not include this."""


def require(*, user: User, slug: str, roles: Sequence[str]) -> Campaign:
    """The campaign, if `user` has one of `roles` in it. Raises NoSuchCampaign, WrongRole."""
    return require_with_role(user=user, slug=slug, roles=roles)[0]


def require_with_role(*, user: User, slug: str, roles: Sequence[str]) -> tuple[Campaign, str]:
    """As require, with the role the user has: one query. Superusers are admin everywhere."""
    campaign = campaigns_of(user=user).filter(slug=slug).first()
    if campaign is None:
        raise NoSuchCampaign(f'There is no campaign "{slug}", or you are not a member of it.')
    role = cast(str, campaign.my_role)  # type: ignore[attr-defined]
    if role not in roles:
        wanted = " or ".join(roles)
        raise WrongRole(f"Your role in {campaign.name} is {role}; this needs {wanted}. Ask an admin of the campaign.")
    return campaign, role


def signed_in_member(*, session_key: str, slug: str, now: datetime) -> tuple[Membership, str] | None:
    """The membership of whoever has this session, user and campaign joined, and the session's data: one query.

    Only of an active person who is no superuser. The data is as the session store encoded it.
    """
    with connection.cursor() as cursor:
        cursor.execute(MEMBERSHIP.format(columns=MEMBER.columns), {"session": session_key, "slug": slug, "now": now})
        row = cursor.fetchone()
    if row is None:
        return None
    found, user, campaign = MEMBER.read(row[:-1])
    assert isinstance(found, Membership)
    found.user, found.campaign = user, campaign
    return found, row[-1]


def role_of(*, user: User, campaign: Campaign) -> str | None:
    """admin, reviewer, annotator, researcher, or None for outsiders."""
    if user.is_superuser:
        return Membership.Role.ADMIN
    return Membership.objects.filter(user=user, campaign=campaign).values_list("role", flat=True).first()


def campaigns_of(*, user: User) -> QuerySet[Campaign]:
    """The campaigns a user may see, newest first, each with `my_role`."""
    if user.is_superuser:
        return Campaign.objects.annotate(my_role=Value(Membership.Role.ADMIN.value)).order_by("-pk")
    mine = Membership.objects.filter(user=user.pk, campaign=OuterRef("pk"))
    return (
        Campaign.objects.filter(memberships__user=user.pk)
        .annotate(my_role=Subquery(mine.values("role")[:1]))
        .order_by("-pk")
    )


def current_tag_set(*, campaign: Campaign) -> TagSet:
    """The version in force, its tags prefetched in order. Every campaign is made with one."""
    tag_set = campaign.tag_sets.order_by("-version").prefetch_related("tags").first()
    if tag_set is None:
        raise NotFound(f"{campaign.name} has no tag set yet. Save one on its Tags page.")
    return tag_set


@lru_cache(maxsize=1000)
def tags_of(*, tag_set_id: int) -> tuple[Tag, ...]:
    """The tags of one version, in order. Kept in the process: the database lets no saved version change."""
    return tuple(Tag.objects.filter(tag_set=tag_set_id).order_by("position", "id"))


def tags_in_force(*, campaign: Campaign) -> tuple[Tag, ...]:
    """The tags of the campaign's newest version; none when it has none yet."""
    return version_in_force(campaign=campaign)[1]


def version_in_force(*, campaign: Campaign) -> tuple[int, tuple[Tag, ...]]:
    """The number and the tags of the campaign's newest version; 0 and none when it has none yet."""
    newest = TagSet.objects.filter(campaign=campaign).order_by("-version").values_list("pk", "version").first()
    return (newest[1], tags_of(tag_set_id=newest[0])) if newest else (0, ())


def tags_by_slug(*, campaign: Campaign) -> dict[str, Tag]:
    """Every tag the campaign ever had, as the newest tag set that has it names it."""
    newest = Tag.objects.filter(tag_set__campaign=campaign).order_by("slug", "-tag_set__version").distinct("slug")
    return {tag.slug: tag for tag in newest}


def tag_set_version(*, campaign: Campaign, version: int) -> TagSet:
    tag_set = campaign.tag_sets.filter(version=version).prefetch_related("tags").first()
    if tag_set is None:
        raise NotFound(f"{campaign.name} has no version {version} of its tag set.")
    return tag_set


def tag_set_versions(*, campaign: Campaign) -> QuerySet[TagSet]:
    """All versions, newest first."""
    return campaign.tag_sets.select_related("created_by").order_by("-version")


def members(*, campaign: Campaign) -> QuerySet[Membership]:
    """People first, then those that cannot sign in, each by name."""
    return campaign.memberships.select_related("user").order_by("user__kind", "user__username")


def member(*, campaign: Campaign, user_id: int) -> Membership:
    found = campaign.memberships.select_related("user").filter(user=user_id).first()
    if found is None:
        raise NotFound(f"There is no such member of {campaign.name}.")
    return found


def open_invitations(*, campaign: Campaign, now: datetime) -> QuerySet[CampaignInvitation]:
    """Links that were made and neither used, withdrawn nor expired."""
    return (
        campaign.invitations.filter(invitation__accepted_at=None, invitation__valid_until__gt=now)
        .select_related("invitation__created_by")
        .order_by("-pk")
    )


def tag_keys_of(*, user: User) -> dict[str, str]:
    """The keys of tags in the campaigns a person is a member of, closed ones left out: key to what names the tag."""
    theirs = TagSet.objects.filter(campaign__memberships__user=user).exclude(campaign__state=Campaign.State.CLOSED)
    newest = theirs.order_by("campaign", "-version").distinct("campaign").values("pk")
    keyed = Tag.objects.filter(tag_set__in=newest).exclude(key="").order_by("key", "-tag_set")
    found: dict[str, list[str]] = {}
    for key, name, campaign in keyed.values_list("key", "name", "tag_set__campaign__name"):
        found.setdefault(key, []).append(f"“{name}” in {campaign}")
    return {key: names[0] + (" and others" if names[1:] else "") for key, names in found.items()}
