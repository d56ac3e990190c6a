"""The writes that only machines' accounts need."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from annotate.accounts import actions as account_actions
from annotate.accounts.models import ApiToken, User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Membership
from annotate.errors import NotAllowed, RuleError

KINDS = (User.Kind.SCRIPT, User.Kind.MODEL)


class AnnotatorRefused(RuleError):
    """The name cannot be a script's or model's, or belongs to something else."""


@transaction.atomic
def give_annotator_token(*, campaign: Campaign, username: str, kind: str, by: User, now: datetime) -> str:
    """Return a new token, which nobody can read again, with which a script or model judges in the campaign.

    Makes the annotator if there is none of this name, and a member of the campaign with the annotator role. Each call
    adds a token; earlier ones stay valid. Raises NotAllowed unless `by` is admin of the campaign, AnnotatorRefused.
    """
    if campaign_queries.role_of(user=by, campaign=campaign) != Membership.Role.ADMIN:
        raise NotAllowed(f"Only an admin of {campaign.name} can let a program judge in it; {by} is none.")
    _check(username, kind)
    annotator = account_actions.ensure_annotator(username=username, name=username, kind=kind)
    campaign_actions.add_member(campaign=campaign, user=annotator, role=Membership.Role.ANNOTATOR, by=by, now=now)
    token, plaintext = account_actions.create_token(
        user=annotator, name=f"Judge in {campaign.slug}", scopes=[ApiToken.Scope.JUDGMENTS_WRITE], now=now
    )
    detail = {"user": annotator.pk, "token": token.pk}
    account_actions.record(actor=by, verb="give token", subject=f"campaign {campaign.pk}", now=now, detail=detail)
    return plaintext


def _check(username: str, kind: str) -> None:
    if kind not in KINDS:
        raise AnnotatorRefused(f'"{kind}" is not a kind of program; choose {" or ".join(KINDS)}.', field="kind")
    try:
        User(username=username, kind=kind).clean_fields(exclude=["password"])
    except ValidationError as error:
        raise AnnotatorRefused(" ".join(error.messages), field="username") from error
    # Whatever the case: two annotators that differ in a capital letter look like one in every list.
    for other in User.objects.filter(username__iexact=username):
        if (other.username, other.kind) != (username, kind):
            message = f'The name "{other.username}" belongs to {other.get_kind_display()}. Choose another one.'
            raise AnnotatorRefused(message, field="username")
        if not other.is_active:
            raise AnnotatorRefused(f'The {kind} "{username}" was switched off. Choose another name.', field="username")
