"""Coming in: by password, by one-time link, and in no other way."""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from annotate.accounts import actions as accounts
from annotate.accounts.models import User
from annotate.campaigns import actions as campaigns
from annotate.campaigns import queries
from tests import factories
from tests.factories import NOW, PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada", password=PASSWORD)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontend.views.sign_in.clock.now", lambda: NOW)


def _sign_in(client: Client, username: str = "ada", password: str = PASSWORD, **more: str) -> object:
    return client.post("/sign-in/", {"username": username, "password": password, **more})


def test_sign_in_goes_where_one_wanted_to(client: Client, ada: User) -> None:
    response = client.post("/sign-in/", {"username": "ada", "password": PASSWORD, "next": "/account/"})
    assert (response.status_code, response["Location"]) == (302, "/account/")
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong"), ("eve", PASSWORD), ("", "")])
def test_sign_in_says_the_same_whoever_is_missing(client: Client, ada: User, username: str, password: str) -> None:
    response = client.post("/sign-in/", {"username": username, "password": password})
    assert response.status_code == 422
    assert "do not fit together" in response.text
    assert f'value="{username}"' in response.text or not username
    assert password not in response.text or not password


def test_sign_in_new_session_key(client: Client, ada: User) -> None:
    client.get("/sign-in/")
    client.post("/theme/", {"theme": "dark"})
    session = client.session
    session["seen"] = True
    session.save()
    before = session.session_key
    _sign_in(client)
    assert client.session.session_key != before


@pytest.mark.parametrize("kind", ["script", "model", "external"])
def test_sign_in_is_for_people(client: Client, kind: str) -> None:
    factories.user("checker", kind=kind)
    for password in ("", "!", PASSWORD):
        assert client.post("/sign-in/", {"username": "checker", "password": password}).status_code == 422


def test_sign_in_inactive_is_refused(client: Client) -> None:
    factories.user("gone", password=PASSWORD, is_active=False)
    assert client.post("/sign-in/", {"username": "gone", "password": PASSWORD}).status_code == 422


def test_sign_in_closes_after_ten_failures_and_says_for_how_long(client: Client, ada: User) -> None:
    for _ in range(9):
        assert client.post("/sign-in/", {"username": "ada", "password": "wrong"}).status_code == 422
    for password in ("wrong", PASSWORD):
        response = client.post("/sign-in/", {"username": "ada", "password": password})
        assert response.status_code == 429
        assert "Wait 15 minutes" in response.text
        assert 'value="ada"' in response.text
    assert client.get("/account/").status_code == 302
    elsewhere = Client(REMOTE_ADDR="10.0.0.9")
    assert elsewhere.post("/sign-in/", {"username": "ada", "password": PASSWORD}).status_code == 302


def test_sign_out_is_a_post(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/account/").status_code == 302


def test_nobody_can_sign_up(client: Client) -> None:
    """No address of the whole site takes a new account without an invitation."""

    def names(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
        found = []
        for each in patterns:
            here = before + str(each.pattern)
            found += names(each.url_patterns, here) if isinstance(each, URLResolver) else [here]
        return found

    addresses = names(get_resolver().url_patterns)
    assert not [each for each in addresses if any(word in each for word in ("sign-up", "signup", "register"))]
    for address in ("/sign-up/", "/signup/", "/register/", "/accounts/signup/", "/user/signup/"):
        assert client.post(address, {"username": "eve", "password": PASSWORD}).status_code == 404
    for each in ("/invite//", "/invite/guess/"):
        client.post(each, {"username": "eve", "password": PASSWORD, "name": "Eve"})
    assert not User.objects.exists()


def test_admin_cannot_make_people_either(client: Client) -> None:
    client.force_login(factories.superuser("root"))
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get("/admin/accounts/user/add/").status_code == 403


def test_admin_shows_no_hash(client: Client, ada: User) -> None:
    client.force_login(factories.superuser("root"))
    token, _ = accounts.create_token(user=ada, name="box", scopes=["runs:read"], now=NOW)
    invitation, _ = accounts.invite(by=ada, name="Bo", now=NOW)
    for address in (f"apitoken/{token.pk}/change/", f"invitation/{invitation.pk}/change/"):
        response = client.get(f"/admin/accounts/{address}")
        assert response.status_code == 200
        assert token.token_sha256 not in response.text
        assert invitation.token_sha256 not in response.text
        assert client.post(f"/admin/accounts/{address}", {"name": "x"}).status_code == 403


def test_invitation_makes_an_account_and_signs_in(client: Client) -> None:
    campaign = factories.campaign()
    token = campaigns.invite(campaign=campaign, by=factories.admin_of(campaign), name="Bo", role="reviewer", now=NOW)
    page = client.get(f"/invite/{token}/")
    assert page.status_code == 200
    assert campaign.name in page.text
    assert 'value="Bo"' in page.text
    assert "no-store" in page["Cache-Control"]
    response = client.post(f"/invite/{token}/", {"name": "Bo N", "username": "bo", "password": PASSWORD})
    assert response["Location"] == f"/c/{campaign.slug}/"
    assert client.get("/account/").status_code == 200
    assert queries.role_of(user=User.objects.get(username="bo"), campaign=campaign) == "reviewer"


def test_invitation_of_an_admin_leads_home(client: Client) -> None:
    _, token = accounts.invite(by=None, name="", now=NOW, makes_admin=True)
    response = client.post(f"/invite/{token}/", {"name": "Ada", "username": "ada", "password": PASSWORD})
    assert response["Location"] == "/"
    assert User.objects.get().is_superuser


def test_invitation_keeps_what_was_typed(client: Client, ada: User) -> None:
    _, token = accounts.invite(by=None, name="", now=NOW)
    response = client.post(f"/invite/{token}/", {"name": "Ada Two", "username": "ada", "password": PASSWORD})
    assert response.status_code == 422
    assert "is taken" in response.text
    assert 'value="Ada Two"' in response.text
    assert PASSWORD not in response.text


def test_invitation_works_once(client: Client) -> None:
    _, token = accounts.invite(by=None, name="", now=NOW)
    accounts.accept_invitation(token=token, username="ada", password=PASSWORD, now=NOW)
    for response in (
        client.get(f"/invite/{token}/"),
        client.post(f"/invite/{token}/", {"name": "Eve", "username": "eve", "password": PASSWORD}),
    ):
        assert response.status_code == 410
        assert "has been used" in response.text
    assert not User.objects.filter(username="eve").exists()


def test_invitation_unknown_is_a_404(client: Client) -> None:
    response = client.get("/invite/guessed/")
    assert response.status_code == 404
    assert "No invitation has this address" in response.text


def test_invitation_joins_somebody_who_is_signed_in(client: Client, ada: User) -> None:
    campaign = factories.campaign()
    token = campaigns.invite(campaign=campaign, by=factories.admin_of(campaign), name="", role="annotator", now=NOW)
    client.force_login(ada)
    assert "Join as Ada" in client.get(f"/invite/{token}/").text
    assert client.post(f"/invite/{token}/")["Location"] == f"/c/{campaign.slug}/"
    assert queries.role_of(user=ada, campaign=campaign) == "annotator"
    assert User.objects.filter(username="ada").count() == 1
