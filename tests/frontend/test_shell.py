"""What holds for every page: the headers, the templates, the answers when a rule says no, and long lists."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, path, reverse

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.intake.models import Output
from frontend import doors, paging
from frontend import urls as frontend_urls
from tests import factories

pytestmark = pytest.mark.django_db
FRONTEND = Path(frontend_urls.__file__).parent
TEMPLATES = sorted((FRONTEND / "templates").rglob("*.html"))
STRICT = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


def _no_argument_pages() -> Iterator[str]:
    for each in frontend_urls.urlpatterns:
        if isinstance(each, URLPattern) and not each.pattern.converters:
            yield f"/{each.pattern}"


def _campaign_pages(campaign: Campaign) -> Iterator[str]:
    for each in frontend_urls.urlpatterns:
        if isinstance(each, URLPattern) and list(each.pattern.converters) == ["slug"]:
            yield reverse(each.name or "", args=[campaign.slug])


@pytest.fixture
def admin(client: Client) -> User:
    user = factories.superuser("ada")
    client.force_login(user)
    return user


def test_every_page_has_a_strict_policy_and_refuses_frames(client: Client, admin: User) -> None:
    campaign = factories.campaign(by=admin)
    for address in [*_no_argument_pages(), *_campaign_pages(campaign), "/nowhere/", "/sign-in/"]:
        response = client.get(address)
        policy = {part.strip() for part in response["Content-Security-Policy"].split(";")}
        assert policy == STRICT, address
        assert response["X-Frame-Options"] == "DENY", address
        assert response["X-Content-Type-Options"] == "nosniff", address
        assert response["Referrer-Policy"] == "same-origin", address


def test_every_page_needs_somebody_signed_in(client: Client) -> None:
    campaign = factories.campaign()
    public = {"/sign-in/", "/sign-out/", "/theme/"}
    for address in {*_no_argument_pages(), *_campaign_pages(campaign)} - public:
        response = client.get(address)
        if response.status_code == 405:
            response = client.post(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith("/sign-in/"), address


def test_every_campaign_page_hides_from_outsiders_on_every_verb(client: Client) -> None:
    """Object-level authorisation: a stranger's GET and POST find nothing, whatever ids the address carries."""
    campaign = factories.campaign()
    output = factories.output(campaign)
    client.force_login(factories.user("eve", is_staff=True))
    values = {"int": str(output.pk), "uuid": str(uuid.uuid4()), "string": "x"}
    seen = 0
    for each in frontend_urls.urlpatterns:
        if not isinstance(each, URLPattern) or "slug" not in each.pattern.converters:
            continue
        kinds = {
            name: type(kind).__name__[: -len("Converter")].lower() for name, kind in each.pattern.converters.items()
        }
        given = {name: campaign.slug if name == "slug" else values[kind] for name, kind in kinds.items()}
        address = reverse(each.name or "", kwargs=given)
        answers = [client.get(address), client.post(address)]
        assert {answer.status_code for answer in answers} <= {404, 405}, address
        assert 404 in {answer.status_code for answer in answers}, address
        assert not any(campaign.name in answer.text or output.text in answer.text for answer in answers), address
        seen += 1
    assert seen > 10


def test_every_tab_is_for_those_its_page_lets_in(client: Client) -> None:
    """Nobody is shown a tab that answers 403, and no tab leads nowhere."""
    campaign = factories.campaign()
    for role in doors.EVERYONE:
        client.force_login(factories.member(campaign, role))
        for tab in doors.TABS:
            response = client.get(reverse(tab.url_name, args=[campaign.slug]))
            assert response.status_code == (200 if role in tab.roles else 403), f"{tab.name} for {role}"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.name)
def test_templates_have_nothing_inline_and_nothing_unescaped(template: Path) -> None:
    text = template.read_text()
    for pattern in (
        r"\sstyle\s*=",
        r"<style",
        r"\son[a-z]+\s*=",
        r"<script(?![^>]*\ssrc=)",
        r"javascript:",
        r"\|\s*safe\b",
        r"\|\s*safeseq\b",
        r"autoescape\s+off",
        r"hx-on",
        r"hx-vals\s*=\s*[\"']js:",
        r"\bsrc\s*=\s*[\"']https?:",
        r"\bhref\s*=\s*[\"']https?:[^\"']*\.css",
    ):
        assert not re.search(pattern, text), f"{template.name}: {pattern}"


def test_no_code_marks_text_as_safe() -> None:
    own = [each for each in FRONTEND.rglob("*.py") if "__pycache__" not in each.parts]
    assert own
    for source in own:
        assert not re.search(r"mark_safe|SafeString\(|SafeText|html_safe", source.read_text()), source


def test_htmx_evaluates_nothing_and_asks_only_this_server(client: Client) -> None:
    found = re.search(r"name=\"htmx-config\"\s+content='([^']+)'", client.get("/sign-in/").text)
    assert found
    config = json.loads(found.group(1))
    for key in ("includeIndicatorStyles", "allowEval", "allowScriptTags"):
        assert config[key] is False
    assert config["selfRequestsOnly"] is True


def test_vendored_files_are_what_was_written_down() -> None:
    vendor = FRONTEND / "static" / "vendor"
    entries = json.loads((vendor / "VENDOR.json").read_text())
    for entry in entries:
        assert hashlib.sha256((vendor / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]
        assert entry["licence"], entry["file"]
    there = {each.relative_to(vendor).as_posix() for each in vendor.rglob("*") if each.is_file()}
    assert there == {"VENDOR.json", *(entry["file"] for entry in entries)}


def test_cookies_are_shut_to_scripts_and_other_sites(client: Client) -> None:
    factories.user("ada", password=factories.PASSWORD)
    response = client.post("/sign-in/", {"username": "ada", "password": factories.PASSWORD})
    session = response.cookies["sessionid"]
    assert (session["httponly"], session["samesite"]) == (True, "Lax")
    theme = client.post("/theme/", {"theme": "dark"}).cookies["theme"]
    assert (theme["httponly"], theme["samesite"]) == (True, "Lax")


def test_cookies_are_for_https_when_the_server_is() -> None:
    source = (FRONTEND.parent / "annotate" / "settings.py").read_text()
    assert "SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.https" in source


def test_theme_is_a_form_and_a_cookie(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/sign-in/"}, follow=True)
    assert '<html lang="en" data-theme="dark">' in response.text
    response = client.post("/theme/", {"theme": "", "next": "/sign-in/"}, follow=True)
    assert '<html lang="en">' in response.text
    client.cookies["theme"] = '"><script>'
    assert "<script>" not in client.get("/sign-in/").text


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil"])
def test_next_never_leaves_this_site(client: Client, address: str) -> None:
    assert client.post("/theme/", {"theme": "", "next": address})["Location"] == "/"


def test_forms_need_their_token() -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/sign-in/", {"username": "ada", "password": "x"})
    assert response.status_code == 403
    assert "The form was too old" in response.text


def test_error_pages_keep_the_frame(client: Client) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.text
    assert 'class="wordmark"' in response.text


def test_a_crash_shows_a_page_and_no_details(client: Client, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("frontend.views.home.campaigns.campaigns_of", fail)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert "Something broke on our side" in response.text
    assert "secret" not in response.text


def _raises(error: Exception) -> HttpResponse:
    raise error


def _refused(request: HttpRequest) -> HttpResponse:
    return _raises(RuleError("The <b>dose</b> is too high.", field="dose"))


def _forbidden(request: HttpRequest) -> HttpResponse:
    return _raises(NotAllowed("Only admins."))


def _missing(request: HttpRequest) -> HttpResponse:
    return _raises(NotFound("No such thing."))


urlpatterns = [
    *frontend_urls.urlpatterns,
    path("refused/", _refused),
    path("forbidden/", _forbidden),
    path("missing/", _missing),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("address", "status"), [("/refused/", 422), ("/forbidden/", 403), ("/missing/", 404)])
def test_rule_errors_become_pages(client: Client, address: str, status: int) -> None:
    response = client.get(address)
    assert response.status_code == status
    assert "<h1>" in response.text
    assert "<b>dose" not in response.text


@pytest.mark.urls(__name__)
def test_rule_errors_become_a_notice_for_htmx(client: Client) -> None:
    response = client.post("/refused/", headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Retarget"]) == (422, "#notices")
    assert "<html" not in response.text
    assert "The &lt;b&gt;dose&lt;/b&gt; is too high." in response.text


@pytest.mark.urls(__name__)
def test_rule_errors_become_json_for_a_script(client: Client) -> None:
    response = client.post("/refused/", headers={"Accept": "application/json"})
    assert response.status_code == 422
    assert response.json() == {"message": "The <b>dose</b> is too high.", "field": "dose"}


def test_signed_out_answers_fit_who_asks(client: Client) -> None:
    assert client.get("/account/")["Location"] == "/sign-in/?next=%2Faccount%2F"
    assert client.get("/account/", headers={"Accept": "application/json"}).status_code == 401
    response = client.get(
        "/account/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/campaigns/new/"}
    )
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fcampaigns%2Fnew%2F"


def test_paging_walks_down_and_up_by_key(rf: RequestFactory) -> None:
    campaign = factories.campaign()
    ids = [factories.output(campaign).pk for _ in range(7)][::-1]
    outputs = Output.objects.filter(campaign=campaign)

    def page(address: str) -> paging.Page[Output]:
        return paging.by_id(outputs, rf.get(address), size=3)

    first = page("/x/?tag=a%26b")
    assert [each.pk for each in first.items] == ids[:3]
    assert (first.previous_url, first.next_url) == ("", f"/x/?tag=a%26b&before={ids[2]}")
    second = page(first.next_url)
    assert [each.pk for each in second.items] == ids[3:6]
    last = page(second.next_url)
    assert [each.pk for each in last.items] == ids[6:]
    assert last.next_url == ""
    back = page(last.previous_url)
    assert [each.pk for each in back.items] == ids[3:6]
    top = page(back.previous_url)
    assert [each.pk for each in top.items] == ids[:3]
    assert top.previous_url == ""


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=" + "9" * 40, "after=%00", "before=1;drop"])
def test_paging_ignores_what_is_no_key(rf: RequestFactory, query: str) -> None:
    campaign = factories.campaign()
    output = factories.output(campaign)
    page = paging.by_id(Output.objects.filter(campaign=campaign), rf.get(f"/x/?{query}"))
    assert list(page.items) == [output]


def test_query_strings_never_reach_the_orm(client: Client, admin: User) -> None:
    """A lookup in the address (doccano's and others' mistake) changes nothing on any page."""
    mine = factories.campaign("mine", by=admin)
    factories.campaign("other")
    for address in [*_no_argument_pages(), *_campaign_pages(mine)]:
        plain = client.get(address)
        tried = client.get(f"{address}?user__password__startswith=p&campaign__slug=other&created_by__is_superuser=1")
        assert plain.status_code == tried.status_code, address
