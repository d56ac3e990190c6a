"""Every write to people, invitations, tokens and the audit trail. Secrets are returned once and stored as sha256."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotate.accounts import preferences
from annotate.accounts.models import ApiToken, AuditEntry, Invitation, User
from annotate.errors import NotFound, RuleError

TOKEN_MARK = "ngt_"  # noqa: S105 - says what the string is, as secret scanners like it
TOKEN_USE_STEP = timedelta(minutes=1)


class InvitationUnknown(NotFound):
    """No invitation has this token."""


class InvitationUsed(RuleError):
    """Somebody accepted it before."""


class InvitationExpired(RuleError):
    """Its time is over, or it was withdrawn."""


class UsernameTaken(RuleError):
    """Somebody, a script or an external annotator has this name."""


class WeakPassword(RuleError):
    """The password validators refused it; the message says why."""


class TokenRefused(RuleError):
    """A token needs a name and known scopes."""


class NotAnAnnotator(RuleError):
    """The name belongs to a person, who judges for themselves."""


def digest(token: str) -> str:
    """Tokens carry 256 random bits, so one round of sha256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def record(
    *, actor: User | None, verb: str, subject: str, now: datetime, detail: dict[str, Any] | None = None
) -> AuditEntry:
    """Append to the audit trail inside the caller's transaction: what is undone leaves no entry."""
    return AuditEntry.objects.create(actor=actor, verb=verb, subject=subject[:120], detail=detail or {}, at=now)


@transaction.atomic
def invite(
    *, by: User | None, name: str, now: datetime, makes_admin: bool = False, valid_days: int = 7
) -> tuple[Invitation, str]:
    """Make a one-time link's token. `by` is None only for the first admin, whom the server itself invites."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        token_sha256=digest(token),
        name=name.strip()[:150],
        makes_admin=makes_admin,
        created_by=by,
        created_at=now,
        valid_until=now + timedelta(days=valid_days),
    )
    record(actor=by, verb="invite", subject=f"invitation {invitation.pk}", now=now, detail={"admin": makes_admin})
    return invitation, token


@transaction.atomic
def accept_invitation(*, token: str, username: str, password: str, now: datetime, name: str = "") -> User:
    """Make the person the invitation is for.

    Locks the invitation's row: of two clicks at once the second waits and is refused with InvitationUsed.
    Raises InvitationUnknown, InvitationUsed, InvitationExpired, UsernameTaken, WeakPassword.
    """
    invitation = _open_invitation(token=token, now=now)
    user = _new_person(username=username, name=name.strip() or invitation.name, password=password)
    user.is_staff = user.is_superuser = invitation.makes_admin
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise _taken(user.username) from error
    _close(invitation, user=user, now=now)
    return user


@transaction.atomic
def use_invitation(*, token: str, user: User, now: datetime) -> Invitation:
    """Accept an invitation as somebody who has an account. Raises as accept_invitation does."""
    invitation = _open_invitation(token=token, now=now)
    if invitation.makes_admin and not user.is_superuser:
        user.is_staff = user.is_superuser = True
        user.save(update_fields=["is_staff", "is_superuser"])
    _close(invitation, user=user, now=now)
    return invitation


@transaction.atomic
def withdraw_invitation(*, invitation_id: int, by: User, now: datetime) -> None:
    """End an unused invitation's time. Twice equals once."""
    ended = Invitation.objects.filter(pk=invitation_id, accepted_at=None, valid_until__gt=now).update(valid_until=now)
    if ended:
        record(actor=by, verb="withdraw", subject=f"invitation {invitation_id}", now=now)


@transaction.atomic
def rename(*, user: User, name: str, now: datetime) -> User:
    """Change the name that others see."""
    user.name = name.strip()[:150]
    user.save(update_fields=["name"])
    record(actor=user, verb="rename", subject=f"user {user.pk}", now=now)
    return user


@transaction.atomic
def set_preferences(
    *, user: User, changes: Mapping[str, Any], now: datetime, taken: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Change some of what a person prefers, and return all of it; what is not named stays. Locks the person's row.

    `changes` has the shape that preferences.merged() says. `taken` are keys that tags of their campaigns use, each
    with the words that name the tag. Raises preferences.PreferencesRefused; then nothing is changed.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    wanted = preferences.merged(locked.preferences, changes, taken=taken or {})
    if wanted != locked.preferences:
        User.objects.filter(pk=user.pk).update(preferences=wanted)
        record(actor=user, verb="prefer", subject=f"user {user.pk}", now=now, detail={"fields": sorted(changes)})
    user.preferences = wanted
    return wanted


@transaction.atomic
def change_password(*, user: User, current: str, new: str, now: datetime) -> User:
    """Raises RuleError when `current` is wrong, WeakPassword when `new` is refused."""
    if not user.check_password(current):
        raise RuleError("This is not your current password. Nothing was changed.", field="current")
    _check_password(new, user=user, field="new")
    user.set_password(new)
    user.save(update_fields=["password"])
    record(actor=user, verb="change password", subject=f"user {user.pk}", now=now)
    return user


@transaction.atomic
def create_token(*, user: User, name: str, scopes: Sequence[str], now: datetime) -> tuple[ApiToken, str]:
    """Return the stored token and its plaintext, which nobody can read again. Raises TokenRefused."""
    name = name.strip()
    if not name:
        raise TokenRefused("Give the token a name that says where it will be used.", field="name")
    if len(name) > 100:
        raise TokenRefused("The token's name is over 100 characters long. Shorten it.", field="name")
    known = [scope for scope in ApiToken.Scope.values if scope in scopes]
    if not known or len(known) != len(set(scopes)):
        raise TokenRefused("Choose at least one thing the token may do.", field="scopes")
    plaintext = TOKEN_MARK + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name, prefix=plaintext[:12], token_sha256=digest(plaintext), scopes=known, created_at=now
    )
    record(actor=user, verb="create", subject=f"token {token.pk}", now=now, detail={"scopes": known})
    return token, plaintext


@transaction.atomic
def revoke_token(*, by: User, token_id: int, now: datetime) -> None:
    """End a token of one's own (of anybody's, for a superuser). Twice equals once. Raises NotFound."""
    tokens = ApiToken.objects.filter(pk=token_id)
    if not by.is_superuser:
        tokens = tokens.filter(user=by)
    if not tokens.exists():
        raise NotFound("You have no such token.")
    if tokens.filter(revoked_at=None).update(revoked_at=now):
        record(actor=by, verb="revoke", subject=f"token {token_id}", now=now)


@transaction.atomic
def note_token_use(*, token: ApiToken, now: datetime) -> None:
    """Remember when a token was last used, to the minute: a busy client does not write at every request."""
    if token.last_used_at is None or now - token.last_used_at >= TOKEN_USE_STEP:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


@transaction.atomic
def ensure_annotator(*, username: str, name: str, kind: str) -> User:
    """Get or make a script, model or external annotator: a name for judgments, which can never sign in.

    Raises NotAnAnnotator when `kind` is person or the username belongs to a person.
    """
    if kind == User.Kind.PERSON or kind not in User.Kind.values:
        raise NotAnAnnotator(f'"{kind}" is not a kind of annotator that can be made here; people are invited.')
    user, _ = User.objects.get_or_create(
        username=username[:150], defaults={"name": name[:150], "kind": kind, "password": _unusable()}
    )
    if user.kind == User.Kind.PERSON:
        raise NotAnAnnotator(f'The name "{username}" belongs to a person. Give the annotators of the file a namespace.')
    return user


def _open_invitation(*, token: str, now: datetime) -> Invitation:
    invitation = Invitation.objects.select_for_update().filter(token_sha256=digest(token)).first()
    check_invitation(invitation, now=now)
    assert invitation is not None
    return invitation


def check_invitation(invitation: Invitation | None, *, now: datetime) -> None:
    """Raise what is wrong with an invitation, if anything."""
    if invitation is None:
        raise InvitationUnknown("No invitation has this address. Check that the whole link was copied.")
    if invitation.accepted_at is not None:
        raise InvitationUsed("This invitation has been used; each one works once. Sign in, or ask for a new link.")
    if invitation.valid_until <= now:
        raise InvitationExpired("This invitation is no longer valid. Ask the person who sent it for a new link.")


def _close(invitation: Invitation, *, user: User, now: datetime) -> None:
    invitation.accepted_by, invitation.accepted_at = user, now
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    record(actor=user, verb="accept", subject=f"invitation {invitation.pk}", now=now)


def _new_person(*, username: str, name: str, password: str) -> User:
    user = User(username=User.normalize_username(username.strip()), name=name[:150], kind=User.Kind.PERSON)
    if not user.username:
        raise RuleError("Choose a username; you sign in with it.", field="username")
    try:
        user.clean_fields(exclude=["password", "name"])
    except ValidationError as error:
        message = " ".join(error.message_dict.get("username", error.messages))
        raise RuleError(message, field="username") from error
    if User.objects.filter(username__iexact=user.username).exists():
        raise _taken(user.username)
    _check_password(password, user=user, field="password")
    user.set_password(password)
    return user


def _check_password(password: str, *, user: User, field: str) -> None:
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages), field=field) from error


def _taken(username: str) -> UsernameTaken:
    return UsernameTaken(f'The username "{username}" is taken. Choose another one.', field="username")


def _unusable() -> str:
    user = User()
    user.set_unusable_password()
    return user.password
