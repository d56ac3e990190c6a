"""Account: tokens are shown once, and everything is one's own."""

import re

import pytest
from django.test import Client

from annotate.accounts import actions, queries
from annotate.accounts.models import ApiToken, User
from tests import factories
from tests.factories import NOW, PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    user = factories.user("ada", password=PASSWORD)
    client.force_login(user)
    return user


def test_token_is_shown_once(client: Client, ada: User) -> None:
    response = client.post("/account/tokens/", {"name": "box", "scopes": ["runs:read", "datasets:read"]})
    found = re.search(r"ngt_[\w-]{43}", response.text)
    assert found
    assert "no-store" in response["Cache-Control"]
    token = queries.token_of(plaintext=found.group())
    assert token is not None
    assert (token.user, token.name) == (ada, "box")
    again = client.get("/account/").text
    assert found.group() not in again
    assert token.token_sha256 not in again
    assert token.prefix in again


def test_token_cannot_be_made_by_get(client: Client, ada: User) -> None:
    assert client.get("/account/tokens/?name=box&scopes=runs:read").status_code == 405
    assert not ApiToken.objects.exists()


def test_token_refused_keeps_what_was_typed(client: Client, ada: User) -> None:
    response = client.post("/account/tokens/", {"name": "<b>box", "scopes": []})
    assert response.status_code == 422
    assert "at least one thing" in response.text
    assert 'value="&lt;b&gt;box"' in response.text


def test_revoke_is_for_ones_own(client: Client, ada: User) -> None:
    mine, _ = actions.create_token(user=ada, name="mine", scopes=["runs:read"], now=NOW)
    other, _ = actions.create_token(user=factories.user(), name="other", scopes=["runs:read"], now=NOW)
    assert client.post(f"/account/tokens/{mine.pk}/revoke/").status_code == 302
    assert client.post(f"/account/tokens/{other.pk}/revoke/").status_code == 404
    assert client.get(f"/account/tokens/{mine.pk}/revoke/").status_code == 405
    assert list(ApiToken.objects.filter(revoked_at=None)) == [other]


def test_rename(client: Client, ada: User) -> None:
    assert "Ada &lt;L&gt;" in client.post("/account/name/", {"name": "Ada <L>"}, follow=True).text


def test_password_change_keeps_this_session_only(client: Client, ada: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(ada)
    bad = client.post("/account/password/", {"current": "wrong", "new": "another good one"})
    assert bad.status_code == 422
    assert "not your current password" in bad.text
    assert client.post("/account/password/", {"current": PASSWORD, "new": "another good one"}).status_code == 302
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


def test_account_queries_do_not_grow_with_tokens(
    client: Client, ada: User, django_assert_max_num_queries: object
) -> None:
    for number in range(5):
        actions.create_token(user=ada, name=f"box {number}", scopes=["runs:read"], now=NOW)
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        assert client.get("/account/").text.count("box ") >= 5
