"""Reads of people, invitations and tokens."""

from __future__ import annotations

from datetime import datetime

from annotate.accounts import actions
from annotate.accounts.models import ApiToken, Invitation, User


def token_of(*, plaintext: str) -> ApiToken | None:
    """The living token with this plaintext, its user joined; None when unknown, revoked or its user inactive."""
    return (
        ApiToken.objects.select_related("user")
        .filter(token_sha256=actions.digest(plaintext), revoked_at=None, user__is_active=True)
        .first()
    )


def tokens_of(*, user: User) -> list[ApiToken]:
    """A person's living tokens, newest first."""
    return list(ApiToken.objects.filter(user=user, revoked_at=None).order_by("-pk"))


def invitation_of(*, token: str, now: datetime) -> Invitation:
    """The open invitation with this token. Raises what actions.check_invitation raises."""
    invitation = (
        Invitation.objects.select_related("campaign_role__campaign", "created_by")
        .filter(token_sha256=actions.digest(token))
        .first()
    )
    actions.check_invitation(invitation, now=now)
    assert invitation is not None
    return invitation


def is_anybody_here() -> bool:
    """Whether a person who can sign in exists."""
    return User.objects.filter(kind=User.Kind.PERSON, is_active=True).exists()
