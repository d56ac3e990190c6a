"""Every write to a campaign: its rules, its people and the versions of its tag set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from annotate.accounts import actions as accounts
from annotate.accounts.models import Invitation, User
from annotate.campaigns import queries, tags
from annotate.campaigns.models import Campaign, CampaignInvitation, Membership, Tag, TagSet
from annotate.campaigns.tags import TagDraft, TagError
from annotate.errors import NotFound, RuleError

RULES = (
    "name",
    "description",
    "guidelines",
    "overlap",
    "lease_minutes",
    "order",
    "gold_share",
    "assisted_share",
    "stance",
    "is_sensitive",
)
MOST_GOLD = 50
MOST_ASSISTED = 90  # what is found blind is what checks are measured by
TAG_FIELDS = ("slug", "name", "kind", "key", "severity_rule", "span_rule", "description", "example")


class CampaignRefused(RuleError):
    """A rule of the campaign is not right; `field` says which."""


class TagsRefused(RuleError):
    """The tag set is not right; `errors` has every reason with its place."""

    def __init__(self, errors: Sequence[TagError]) -> None:
        super().__init__(_told(errors), field="tags")
        self.errors = list(errors)


class RoleUnknown(RuleError):
    """Not one of the roles."""


class LastAdmin(RuleError):
    """The campaign would have nobody left who can run it."""


@transaction.atomic
def create(  # noqa: PLR0913 - a campaign is made in one go
    *,
    by: User,
    slug: str,
    name: str,
    tags: Sequence[TagDraft],
    now: datetime,
    description: str = "",
    guidelines: str = "",
    overlap: int = 1,
    order: str = Campaign.Order.DEPTH,
    gold_share: int = 0,
    assisted_share: int = 0,
    stance: str = Campaign.Stance.AS_WRITTEN,
    is_sensitive: bool = False,
) -> Campaign:
    """Make a campaign with version 1 of its tag set; `by` becomes its admin.

    An empty slug is made from the name. Raises CampaignRefused and TagsRefused.
    """
    campaign = Campaign(
        slug=slug.strip() or slugify(name)[:60].strip("-"),
        name=name.strip(),
        description=description.strip(),
        guidelines=guidelines.strip(),
        overlap=overlap,
        order=order,
        gold_share=gold_share,
        assisted_share=assisted_share,
        stance=stance,
        is_sensitive=is_sensitive,
        created_by=by,
        created_at=now,
    )
    _check_campaign(campaign)
    try:
        with transaction.atomic():
            campaign.save()
    except IntegrityError as error:
        raise _slug_taken(campaign.slug) from error
    Membership.objects.create(campaign=campaign, user=by, role=Membership.Role.ADMIN, created_at=now)
    _save_version(campaign, version=1, drafts=_checked(tags), by=by, now=now)
    accounts.record(actor=by, verb="create", subject=_subject(campaign), now=now)
    return campaign


@transaction.atomic
def update_rules(*, campaign: Campaign, by: User, now: datetime, **fields: Any) -> Campaign:
    """Change some of RULES. Locks the campaign's row. Raises CampaignRefused.

    A new overlap reaches the queue through queue.actions.set_overlap, which the door calls in the same transaction.
    """
    unknown = sorted(set(fields) - set(RULES))
    if unknown:
        raise CampaignRefused(f"A campaign has no rule named {unknown[0]}.", field=unknown[0])
    locked = _locked(campaign)
    changed = sorted(field for field, value in fields.items() if getattr(locked, field) != value)
    for field in changed:
        setattr(locked, field, fields[field])
    _check_campaign(locked)
    if changed:
        locked.save(update_fields=changed)
        accounts.record(actor=by, verb="change", subject=_subject(campaign), now=now, detail={"fields": changed})
    for field in RULES:
        setattr(campaign, field, getattr(locked, field))
    return campaign


@transaction.atomic
def set_state(*, campaign: Campaign, by: User, state: str, now: datetime) -> Campaign:
    """Pause, resume, close or reopen. Twice equals once. Raises CampaignRefused."""
    if state not in Campaign.State.values:
        raise CampaignRefused(f'"{state}" is not a state of a campaign.', field="state")
    if Campaign.objects.filter(pk=campaign.pk).exclude(state=state).update(state=state):
        accounts.record(actor=by, verb=f"make {state}", subject=_subject(campaign), now=now)
    campaign.state = state
    return campaign


@transaction.atomic
def save_tag_set(*, campaign: Campaign, by: User | None, tags: Sequence[TagDraft], now: datetime) -> TagSet:
    """Save a new version of the tag set; an unchanged one makes none and is returned. Raises TagsRefused.

    Locks the campaign's row, so that versions are numbered without gaps.
    """
    _locked(campaign)
    drafts = _checked(tags)
    current = campaign.tag_sets.order_by("-version").prefetch_related("tags").first()
    if current is not None and [_values(tag) for tag in current.tags.all()] == [_values(draft) for draft in drafts]:
        return current
    version = 1 if current is None else current.version + 1
    saved = _save_version(campaign, version=version, drafts=drafts, by=by, now=now)
    accounts.record(actor=by, verb="save tags", subject=_subject(campaign), now=now, detail={"version": version})
    return saved


@transaction.atomic
def ensure_tags(*, campaign: Campaign, names: Sequence[str], by: User | None, now: datetime) -> TagSet:
    """The current tag set if every name is a tag of it (by slug or name, whatever the case); else a new version.

    Made tags ask for neither severity nor span. Locks the campaign's row. Raises TagsRefused.
    """
    _locked(campaign)
    current = queries.current_tag_set(campaign=campaign)
    kept = [draft_of(tag) for tag in current.tags.all()]
    known = {text for draft in kept for text in (draft.slug.casefold(), draft.name.casefold())}
    made: list[TagDraft] = []
    for name in names:
        slug = tags.slug_of(name)
        if name.casefold() in known or slug.casefold() in known:
            continue
        known |= {name.casefold(), slug.casefold()}
        made.append(TagDraft(name=name, slug=slug, severity_rule="optional", span_rule="optional"))
    if not made:
        return current
    return save_tag_set(campaign=campaign, by=by, tags=[*kept, *made], now=now)


@transaction.atomic
def invite(*, campaign: Campaign, by: User, name: str, role: str, now: datetime, valid_days: int = 7) -> str:
    """Make a one-time link's token that brings `role` in the campaign. Raises RoleUnknown."""
    _check_role(role)
    invitation, token = accounts.invite(by=by, name=name, now=now, valid_days=valid_days)
    CampaignInvitation.objects.create(invitation=invitation, campaign=campaign, role=role)
    return token


@transaction.atomic
def withdraw_invitation(*, campaign: Campaign, invitation_id: int, by: User, now: datetime) -> None:
    """End a link of this campaign. Twice equals once. Raises NotFound."""
    if not campaign.invitations.filter(invitation=invitation_id).exists():
        raise NotFound(f"{campaign.name} has no such invitation.")
    accounts.withdraw_invitation(invitation_id=invitation_id, by=by, now=now)


@transaction.atomic
def accept_invitation(*, token: str, username: str, password: str, now: datetime, name: str = "") -> User:
    """Make the person and give them the role the link brings, if it brings one. Raises as accounts' action does."""
    user = accounts.accept_invitation(token=token, username=username, password=password, now=now, name=name)
    _grant(invitation=Invitation.objects.get(token_sha256=accounts.digest(token)), user=user, now=now)
    return user


@transaction.atomic
def join(*, token: str, user: User, now: datetime) -> Campaign | None:
    """Accept a link as somebody who has an account: the campaign it leads to. Raises as accept_invitation does."""
    invitation = accounts.use_invitation(token=token, user=user, now=now)
    return _grant(invitation=invitation, user=user, now=now)


@transaction.atomic
def add_member(*, campaign: Campaign, user: User, role: str, now: datetime, by: User | None = None) -> Membership:
    """Make `user` a member; somebody who is one keeps the role they have. Raises RoleUnknown."""
    _check_role(role)
    membership, is_new = Membership.objects.get_or_create(
        campaign=campaign, user=user, defaults={"role": role, "created_at": now}
    )
    if is_new:
        detail = {"user": user.pk, "role": role}
        accounts.record(actor=by or user, verb="add member", subject=_subject(campaign), now=now, detail=detail)
    return membership


@transaction.atomic
def change_role(*, campaign: Campaign, user_id: int, role: str, by: User, now: datetime) -> Membership:
    """Twice equals once. Locks the campaign's row. Raises NotFound, RoleUnknown, LastAdmin."""
    _check_role(role)
    _locked(campaign)
    membership = queries.member(campaign=campaign, user_id=user_id)
    if membership.role == role:
        return membership
    if role != Membership.Role.ADMIN:
        _check_admin_remains(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    detail = {"user": user_id, "role": role}
    accounts.record(actor=by, verb="change role", subject=_subject(campaign), now=now, detail=detail)
    return membership


@transaction.atomic
def remove_member(*, campaign: Campaign, user_id: int, by: User, now: datetime) -> None:
    """End a membership; what the member judged stays. Locks the campaign's row. Raises NotFound, LastAdmin."""
    _locked(campaign)
    membership = queries.member(campaign=campaign, user_id=user_id)
    _check_admin_remains(membership)
    membership.delete()
    detail = {"user": user_id}
    accounts.record(actor=by, verb="remove member", subject=_subject(campaign), now=now, detail=detail)


def draft_of(tag: Tag) -> TagDraft:
    """A stored tag as a value that can be edited and saved again."""
    return TagDraft(**{field: getattr(tag, field) for field in TAG_FIELDS})


def _locked(campaign: Campaign) -> Campaign:
    return Campaign.objects.select_for_update().get(pk=campaign.pk)


def _subject(campaign: Campaign) -> str:
    return f"campaign {campaign.pk}"


def _checked(drafts: Sequence[TagDraft]) -> tuple[TagDraft, ...]:
    ready = tags.prepared(drafts)
    errors = tags.errors_of(ready)
    if errors:
        raise TagsRefused(errors)
    return tags.allocate_keys(ready)


def _save_version(
    campaign: Campaign, *, version: int, drafts: Sequence[TagDraft], by: User | None, now: datetime
) -> TagSet:
    tag_set = TagSet.objects.create(campaign=campaign, version=version, created_by=by, created_at=now)
    Tag.objects.bulk_create(
        Tag(tag_set=tag_set, position=position, **_values(draft)) for position, draft in enumerate(drafts)
    )
    return tag_set


def _values(tag: Tag | TagDraft) -> dict[str, str]:
    return {field: getattr(tag, field) for field in TAG_FIELDS}


def _told(errors: Sequence[TagError]) -> str:
    first = errors[0]
    place = "" if first.index is None else f"Tag {first.index + 1}: "
    others = f" ({len(errors) - 1} more below.)" if len(errors) > 1 else ""
    return f"The tags were not saved. {place}{first.message}{others}"


def _check_campaign(campaign: Campaign) -> None:
    if not campaign.name:
        raise CampaignRefused("Give the campaign a name.", field="name")
    if not campaign.slug:
        raise CampaignRefused("Give the campaign an address of Latin letters, digits and hyphens.", field="slug")
    _check_choices(campaign)
    try:
        campaign.clean_fields(exclude=["created_by", "created_at", "state"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise CampaignRefused(f"{field.replace('_', ' ').capitalize()}: {messages[0]}", field=field) from error
    if Campaign.objects.filter(slug=campaign.slug).exclude(pk=campaign.pk).exists():
        raise _slug_taken(campaign.slug)


def _check_choices(campaign: Campaign) -> None:
    if not isinstance(campaign.gold_share, int) or not 0 <= campaign.gold_share <= MOST_GOLD:
        raise CampaignRefused(
            f"The share of gold is a whole number from 0 to {MOST_GOLD} of 100 outputs.", field="gold_share"
        )
    if not isinstance(campaign.assisted_share, int) or not 0 <= campaign.assisted_share <= MOST_ASSISTED:
        raise CampaignRefused(
            f"The share that is judged with suggestions is a whole number from 0 to {MOST_ASSISTED} of 100 outputs.",
            field="assisted_share",
        )
    if campaign.order not in Campaign.Order.values:
        raise CampaignRefused(
            f'Outputs are handed out by {" or ".join(Campaign.Order.values)}, not by "{campaign.order}".', field="order"
        )
    if campaign.stance not in Campaign.Stance.values:
        known = ", ".join(Campaign.Stance.values)
        raise CampaignRefused(f'A stance is shown as one of {known}, not "{campaign.stance}".', field="stance")


def _slug_taken(slug: str) -> CampaignRefused:
    return CampaignRefused(f'There is already a campaign at the address "{slug}". Choose another one.', field="slug")


def _check_role(role: str) -> None:
    if role not in Membership.Role.values:
        raise RoleUnknown(f'"{role}" is not a role. Choose one of {", ".join(Membership.Role.values)}.', field="role")


def _check_admin_remains(membership: Membership) -> None:
    others = Membership.objects.filter(campaign=membership.campaign_id, role=Membership.Role.ADMIN)
    if membership.role == Membership.Role.ADMIN and not others.exclude(pk=membership.pk).exists():
        raise LastAdmin(f"{membership.user} is the only admin. Make somebody else admin first.", field="role")


def _grant(*, invitation: Invitation, user: User, now: datetime) -> Campaign | None:
    brings = CampaignInvitation.objects.select_related("campaign").filter(invitation=invitation).first()
    if brings is None:
        return None
    add_member(campaign=brings.campaign, user=user, role=brings.role, now=now)
    return brings.campaign
