"""Characters that cannot be stored and bodies of another shape, at every page: refused, never a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from annotate.judgments.models import Judgment
from annotate.queue.models import Lease
from frontend import urls as frontend_urls
from tests import factories
from tests.security import world

pytestmark = pytest.mark.django_db

NAMES = """
    name username password current new token next theme slug description guidelines overlap lease_minutes role state
    order gold_share assisted_share stance is_sensitive judges
    tags tag kind key comment verdict violations idempotency_key version reason reason_text scope severity quote start
    end critique correction statement action constraint violation into location parent base dataset method format
    seed holdout kinds min_judgments constraint_set at_time min_new_judgments every_days enabled namespace purpose
    sample_count sample_prompt_batch from after before after_line batch judgment with set like tag-0-name tag-0-slug
    text previewed result side precision adjudicated check take_checks
""".split()  # noqa: SIM905 - every field name of every form and address
ADDRESSES = [each for each in frontend_urls.urlpatterns if isinstance(each, URLPattern)]
BROKEN = {"NUL": "a\x00b", "bytes that are not UTF-8": "\xff", "half a surrogate pair": "\ud800"}


def _encoded(value: str) -> str:
    return "%FF%FE" if value == "\xff" else quote(value.encode(errors="surrogatepass"))


@pytest.fixture
def site(client: Client, tmp_path: Any) -> Iterator[world.World]:
    made = world.build(tmp_path, "broken", text="plain")
    client.force_login(made.admin)
    client.raise_request_exception = False
    yield made


def _crashes(client: Client, site: world.World, value: str) -> Iterator[str]:
    """Ask every address with every field broken, and post it with all of them broken and with each that matters."""
    everything = "&".join(f"{name}={_encoded(value)}" for name in NAMES)
    for address in ADDRESSES:
        path = site.address(address)
        sent = [
            everything,
            *(f"action={action}&statement={_encoded(value)}" for action in ("rename", "split", "preview")),
        ]
        sent += [f"name={_encoded(value)}", f"reason={_encoded(value)}", f"violations=%5B%5D&comment={_encoded(value)}"]
        for query, body in [(everything, None), *(("", each) for each in sent)]:
            client.force_login(site.admin)
            kind = "application/x-www-form-urlencoded"
            answer = client.generic("GET" if body is None else "POST", f"{path}?{query}", body or "", content_type=kind)
            if answer.status_code >= 500:
                yield f"{address.name} {(body or 'GET')[:40]}"


@pytest.mark.parametrize("what", BROKEN)
def test_no_page_crashes_on_text_that_cannot_be_stored(client: Client, site: world.World, what: str) -> None:
    assert list(_crashes(client, site, BROKEN[what])) == []


@pytest.mark.parametrize("charset", ["nonsense", "utf-16", "utf-7"])
def test_no_page_crashes_on_the_charset_of_a_header(client: Client, site: world.World, charset: str) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        for method in ("GET", "POST"):
            answer = client.generic(
                method, "/sign-in/?next=%41", b"--x--\r\n", content_type=f"{kind}; charset={charset}"
            )
            assert answer.status_code < 500, kind


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "theme", "messages"])
def test_no_page_crashes_on_a_cookie(site: world.World, name: str) -> None:
    broken = Client(raise_request_exception=False)
    for value in (r'"\000\001aaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "\xff" * 40, "x" * 5000):
        for path in ("/", "/sign-in/"):
            assert broken.get(path, headers={"Cookie": f"{name}={value}"}).status_code < 500, value


DRAFTS = [
    b"",
    b"[]",
    b"null",
    b"3",
    b'"text"',
    b"\xff\xfe",
    b'{"violations": {}}',
    b'{"violations": [[]]}',
    b'{"violations": [{"tag": 3}]}',
    b'{"violations": [{"tag": "t", "scope": "span", "start": "0", "end": 1.5}]}',
    b'{"violations": [{"tag": "t", "scope": "span", "start": true}]}',
    rb'{"violations": [{"tag": "t", "critique": "\u0000"}]}',
    rb'{"violations": [{"tag": "t", "critique": "\ud800"}]}',
    rb'{"violations": [{"tag": "\udfff"}]}',
    rb'{"violations": [], "comment": "\ud800"}',
    rb'{"violations": [], "comment": "\u0000"}',
    b'{"violations": [], "comment": {"a": 1}}',
    rb'{"violations": [], "verdict": "\ud800"}',
    b'{"violations": [], "verdict": ["rejected"]}',
    b'{"violations": [], "version": Infinity}',
    b'{"violations": [], "version": "one"}',
    b'{"violations": [], "version": ' + b"9" * 5000 + b"}",
    b"[" * 100_000 + b"]" * 100_000,
    b'{"violations": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"violations": [' + b",".join([b"{}"] * 300) + b"]}",
]


@pytest.mark.parametrize("body", DRAFTS, ids=lambda body: repr(body[:40]))
def test_a_draft_of_another_shape_is_422(client: Client, site: world.World, body: bytes) -> None:
    path = reverse("work-draft", args=[site.campaign.slug, site.lease.token])
    answer = client.post(path, body, content_type="application/json", headers={"Accept": "application/json"})
    assert answer.status_code == 422, answer.content
    assert answer.json()["message"]
    assert not Lease.objects.exclude(draft=None).exists()


@pytest.mark.parametrize("violations", [each for each in DRAFTS if each[:1] in (b"[", b"3", b'"')] + [b"{}", b"NaN"])
def test_a_judgment_of_another_shape_is_422(client: Client, site: world.World, violations: bytes) -> None:
    path = reverse("work-output", args=[site.campaign.slug, site.lease.token])
    before = Judgment.objects.count()
    sent = violations.decode() if violations != b"[]" else '[{"tag": 1}]'
    answer = client.post(path, {"violations": sent, "idempotency_key": str(uuid4()), "verdict": "rejected"})
    assert answer.status_code == 422
    assert Judgment.objects.count() == before


def test_a_span_outside_the_text_is_422(client: Client, site: world.World) -> None:
    path = reverse("work-output", args=[site.campaign.slug, site.lease.token])
    tag = factories.tag(site.campaign, "hostile").slug
    before = Judgment.objects.count()
    for start, end in ((-1, 2), (0, 10**30), (5, 2), (10**9, 10**9 + 1), (3, 3)):
        violation = {"tag": tag, "scope": "span", "severity": "major", "start": start, "end": end}
        fields = {"violations": json.dumps([violation]), "idempotency_key": str(uuid4()), "verdict": "rejected"}
        assert client.post(path, fields).status_code == 422, (start, end)
    assert Judgment.objects.count() == before
    assert Lease.objects.get(pk=site.lease.pk).state == Lease.State.OPEN


def test_a_form_over_the_limit_is_refused_with_a_page(client: Client, site: world.World, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = client.post("/account/name/", {"name": "x" * 2000})
    assert answer.status_code == 400
    assert 'class="wordmark"' in answer.text
    many = "&".join(f"f{number}=" for number in range(2000))
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10**6
    assert (
        client.generic("POST", "/account/name/", many, content_type="application/x-www-form-urlencoded").status_code
        == 400
    )
