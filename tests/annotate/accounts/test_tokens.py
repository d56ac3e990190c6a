"""API tokens: shown once, stored hashed, limited to scopes."""

from datetime import timedelta

import pytest

from annotate.accounts import actions, queries
from annotate.accounts.models import ApiToken
from annotate.errors import NotFound
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
SCOPES = ["runs:read", "datasets:read"]


def test_create_token_stores_only_a_hash() -> None:
    token, plaintext = actions.create_token(user=factories.user(), name="box", scopes=SCOPES, now=NOW)
    stored = ApiToken.objects.values().get(pk=token.pk)
    assert plaintext not in str(stored)
    assert plaintext.startswith(token.prefix)
    assert sorted(stored["scopes"]) == sorted(SCOPES)
    assert queries.token_of(plaintext=plaintext) == token


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", SCOPES, "name"), ("x" * 101, SCOPES, "name"), ("box", [], "scopes"), ("box", ["runs:read", "all"], "scopes")],
)
def test_create_token_refuses(name: str, scopes: list[str], field: str) -> None:
    with pytest.raises(actions.TokenRefused) as caught:
        actions.create_token(user=factories.user(), name=name, scopes=scopes, now=NOW)
    assert caught.value.field == field


def test_revoke_token_ends_it_and_twice_equals_once() -> None:
    ada = factories.user()
    token, plaintext = actions.create_token(user=ada, name="box", scopes=SCOPES, now=NOW)
    actions.revoke_token(by=ada, token_id=token.pk, now=NOW)
    actions.revoke_token(by=ada, token_id=token.pk, now=NOW + timedelta(days=1))
    token.refresh_from_db()
    assert token.revoked_at == NOW
    assert queries.token_of(plaintext=plaintext) is None
    assert queries.tokens_of(user=ada) == []


def test_revoke_token_of_another_is_not_found() -> None:
    token, plaintext = actions.create_token(user=factories.user(), name="box", scopes=SCOPES, now=NOW)
    with pytest.raises(NotFound):
        actions.revoke_token(by=factories.user(), token_id=token.pk, now=NOW)
    assert queries.token_of(plaintext=plaintext) is not None
    actions.revoke_token(by=factories.superuser(), token_id=token.pk, now=NOW)
    assert queries.token_of(plaintext=plaintext) is None


def test_token_of_an_inactive_user_is_none() -> None:
    _, plaintext = actions.create_token(user=factories.user(is_active=False), name="box", scopes=SCOPES, now=NOW)
    assert queries.token_of(plaintext=plaintext) is None
    assert queries.token_of(plaintext="") is None


def test_note_token_use_writes_once_a_minute() -> None:
    token, _ = actions.create_token(user=factories.user(), name="box", scopes=SCOPES, now=NOW)
    for seconds, expected in ((0, NOW), (30, NOW), (61, NOW + timedelta(seconds=61))):
        actions.note_token_use(token=token, now=NOW + timedelta(seconds=seconds))
        token.refresh_from_db()
        assert token.last_used_at == expected
