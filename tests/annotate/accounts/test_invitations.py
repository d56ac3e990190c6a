"""Invitations: one-time, hashed, and the only way in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from annotate.accounts import actions, queries
from annotate.accounts.models import AuditEntry, Invitation, User
from annotate.errors import RuleError
from tests import factories
from tests.factories import NOW, PASSWORD

pytestmark = pytest.mark.django_db


def test_invite_stores_only_a_hash() -> None:
    invitation, token = actions.invite(by=None, name="Ada", now=NOW)
    stored = Invitation.objects.values().get(pk=invitation.pk)
    assert token not in str(stored)
    assert stored["token_sha256"] == actions.digest(token)
    assert stored["valid_until"] == NOW + timedelta(days=7)


def test_accept_invitation_makes_a_person_who_can_sign_in() -> None:
    _, token = actions.invite(by=None, name="Ada", now=NOW, makes_admin=True)
    user = actions.accept_invitation(token=token, username="ada", password=PASSWORD, now=NOW)
    user.refresh_from_db()
    assert (user.name, user.kind, user.is_staff, user.is_superuser) == ("Ada", "person", True, True)
    assert user.check_password(PASSWORD)
    assert AuditEntry.objects.filter(actor=user, verb="accept").count() == 1


def test_accept_invitation_without_admin_gives_no_rights() -> None:
    _, token = actions.invite(by=None, name="", now=NOW)
    user = actions.accept_invitation(token=token, username="bo", password=PASSWORD, now=NOW, name="Bo")
    assert (user.name, user.is_staff, user.is_superuser) == ("Bo", False, False)


def test_accept_invitation_twice_is_refused() -> None:
    _, token = actions.invite(by=None, name="", now=NOW)
    actions.accept_invitation(token=token, username="ada", password=PASSWORD, now=NOW)
    with pytest.raises(actions.InvitationUsed, match="works once"):
        actions.accept_invitation(token=token, username="eve", password=PASSWORD, now=NOW)
    assert not User.objects.filter(username="eve").exists()


def test_accept_invitation_after_its_time_is_refused() -> None:
    _, token = actions.invite(by=None, name="", now=NOW, valid_days=7)
    with pytest.raises(actions.InvitationExpired):
        actions.accept_invitation(token=token, username="ada", password=PASSWORD, now=NOW + timedelta(days=7))


def test_accept_invitation_after_withdrawal_is_refused() -> None:
    admin = factories.user()
    invitation, token = actions.invite(by=admin, name="", now=NOW)
    actions.withdraw_invitation(invitation_id=invitation.pk, by=admin, now=NOW)
    actions.withdraw_invitation(invitation_id=invitation.pk, by=admin, now=NOW + timedelta(hours=1))
    invitation.refresh_from_db()
    assert invitation.valid_until == NOW
    with pytest.raises(actions.InvitationExpired):
        actions.accept_invitation(token=token, username="ada", password=PASSWORD, now=NOW)


def test_accept_invitation_unknown_is_not_found() -> None:
    with pytest.raises(actions.InvitationUnknown):
        actions.accept_invitation(token="guessed", username="ada", password=PASSWORD, now=NOW)


@pytest.mark.parametrize(
    ("username", "password", "error", "field"),
    [
        ("ADA", PASSWORD, actions.UsernameTaken, "username"),
        ("", PASSWORD, RuleError, "username"),
        ("with space", PASSWORD, RuleError, "username"),
        ("bo", "short", actions.WeakPassword, "password"),
        ("bo", "password1234", actions.WeakPassword, "password"),
    ],
)
def test_accept_invitation_refused_keeps_the_link_good(
    username: str, password: str, error: type[RuleError], field: str
) -> None:
    factories.user("ada")
    _, token = actions.invite(by=None, name="", now=NOW)
    with pytest.raises(error) as caught:
        actions.accept_invitation(token=token, username=username, password=password, now=NOW)
    assert caught.value.field == field
    assert actions.accept_invitation(token=token, username="cleo", password=PASSWORD, now=NOW).pk


@pytest.mark.django_db(transaction=True)
def test_accept_invitation_two_clicks_at_once_make_one_person() -> None:
    _, token = actions.invite(by=None, name="", now=NOW)

    def click(username: str) -> str:
        try:
            actions.accept_invitation(token=token, username=username, password=PASSWORD, now=NOW)
        except actions.InvitationUsed:
            return "used"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(click, ["ada", "eve"])) == ["made", "used"]
    assert User.objects.count() == 1


def test_use_invitation_lets_somebody_with_an_account_in() -> None:
    ada = factories.user("ada")
    for _ in range(2):
        _, token = actions.invite(by=None, name="", now=NOW)
        assert actions.use_invitation(token=token, user=ada, now=NOW).accepted_by == ada
    with pytest.raises(actions.InvitationUsed):
        actions.use_invitation(token=token, user=ada, now=NOW)


def test_ensure_annotator_twice_is_one_who_cannot_sign_in() -> None:
    first = actions.ensure_annotator(username="wmt:rater1", name="rater1", kind="external")
    again = actions.ensure_annotator(username="wmt:rater1", name="rater1", kind="external")
    assert first == again
    assert not first.has_usable_password()


@pytest.mark.parametrize(("username", "kind"), [("ada", "script"), ("new", "person"), ("new", "robot")])
def test_ensure_annotator_never_touches_a_person(username: str, kind: str) -> None:
    factories.user("ada")
    with pytest.raises(actions.NotAnAnnotator):
        actions.ensure_annotator(username=username, name="", kind=kind)


def test_only_people_can_have_a_password() -> None:
    script = actions.ensure_annotator(username="checker", name="", kind="script")
    script.set_password(PASSWORD)
    with pytest.raises(IntegrityError, match="user_only_people_sign_in"), transaction.atomic():
        script.save()


def test_invitation_of_says_what_is_wrong() -> None:
    invitation, token = actions.invite(by=None, name="", now=NOW)
    assert queries.invitation_of(token=token, now=NOW) == invitation
    with pytest.raises(actions.InvitationExpired):
        queries.invitation_of(token=token, now=NOW + timedelta(days=8))
    with pytest.raises(actions.InvitationUnknown):
        queries.invitation_of(token="other", now=NOW)


def test_change_password_needs_the_current_one() -> None:
    ada = factories.user("ada", password=PASSWORD)
    with pytest.raises(RuleError) as caught:
        actions.change_password(user=ada, current="wrong", new="another good password", now=NOW)
    assert caught.value.field == "current"
    with pytest.raises(actions.WeakPassword):
        actions.change_password(user=ada, current=PASSWORD, new="ada", now=NOW)
    actions.change_password(user=ada, current=PASSWORD, new="another good password", now=NOW)
    ada.refresh_from_db()
    assert ada.check_password("another good password")


def test_rename_is_what_others_see() -> None:
    ada = actions.rename(user=factories.user("ada"), name="  Ada L. ", now=NOW)
    assert str(ada) == "Ada L."
