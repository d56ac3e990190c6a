"""Hostile text from every source, on every page that shows it: it is text there, and hidden characters are seen."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern

from annotate.constraints.convergence import actions as convergence
from annotate.constraints.models import Constraint, MergeProposal
from annotate.constraints.scorecard import scoring
from annotate.quality import actions as quality
from frontend import urls as frontend_urls
from tests.security import world

pytestmark = pytest.mark.django_db

MARK = "xq7"
PAYLOAD = (
    f"</script></textarea></title><script>{MARK}()</script><img src={MARK} onerror={MARK}()>"
    f'<b hx-get=/{MARK} hx-on:load={MARK}() style=color:red>"\' onload={MARK}() x=" {{{{7*7}}}} {{% {MARK} %}}'
    f"[{MARK}](javascript:{MARK}()) -->]]>\u202e\u200b=1+1"
)
SHORT = f"\"'><img src={MARK} onerror={MARK}() hx-get=/{MARK}>\u202e"
BIDI_PAGES = {"output", "work", "constraint", "outputs", "run", "constraint-check", "check-disagreements"}
EVIDENCE = {"members": 0.9, "statements": 0.9, "phi": 0.5, "both": 1, "left": 1, "right": 1, "judged": 1}
# Pages that show no stored text of a campaign, or answer with a file or JSON.
SILENT = {"sign-in", "invitation", "demo", "campaign-new", "dataset-file", "run-events"}


class Found(HTMLParser):
    """Collects what a browser would make of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.text: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag if tag in ("script", "style") else ""
        given = dict(attrs)
        is_ours = str(given.get("src", "")).startswith(("/static/", "/admin/jsi18n/"))
        if tag == "style" or (tag == "script" and not is_ours and given.get("type") != "application/json"):
            self.wrong.append(f"<{tag} {given}>")
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or name == "style":
                self.wrong.append(f"<{tag} {name}={value}>")
            if name.startswith("hx-") and MARK in str(value) and "X-CSRF" not in str(value):
                self.wrong.append(f"<{tag} {name}={value}>")
            if name in ("href", "src", "action", "formaction") and "javascript:" in str(value).lower():
                self.wrong.append(f"<{tag} {name}={value}>")
            if name in ("src", "href") and str(value).startswith(MARK):
                self.wrong.append(f"<{tag} {name}={value}>")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip() and not data.lstrip().startswith(("{", "[")):
            self.wrong.append(f"{self.inside}: {data[:60]}")
        self.text.append(data)


@pytest.fixture
def site(client: Client, tmp_path: Path) -> world.World:
    made = world.build(tmp_path, "hostile", text=PAYLOAD, name=SHORT)
    _computed(made)
    client.force_login(made.admin)
    return made


def _computed(site: world.World) -> None:
    """What sweeps store for pages: convergence, scorecards, agreement and reliability, a pair of constraints."""
    campaign = site.campaign
    convergence.redraw_probe(campaign=campaign, by=site.admin, now=world.NOW)
    convergence.look(campaign_id=campaign.pk, clock=lambda: world.NOW)
    convergence.compute(campaign_id=campaign.pk, clock=lambda: world.NOW)
    scoring.measure(campaign_id=campaign.pk, now=world.NOW)
    for assessment in quality.due(now=world.NOW):
        quality.compute(assessment_id=assessment, clock=lambda: world.NOW)
    left, right = Constraint.objects.filter(campaign=campaign).order_by("id")[:2]
    MergeProposal.objects.create(
        campaign=campaign, left=left, right=right, likeness=0.9, evidence=EVIDENCE, updated_at=world.NOW
    )


def _pages(site: world.World) -> list[tuple[str, str]]:
    found = [(str(each.name), site.address(each)) for each in frontend_urls.urlpatterns if isinstance(each, URLPattern)]
    admin = ["accounts/user", "campaigns/campaign", "intake/importbatch", "constraints/constraint", "runs/checkpoint"]
    return [*found, *((f"admin {each}", f"/admin/{each}/") for each in admin)]


def test_hostile_text_is_text_on_every_page(client: Client, site: world.World) -> None:
    seen = set()
    for name, address in _pages(site):
        answer = client.get(address)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            assert answer.status_code in (200, 302, 404, 405), name
            continue
        page = Found()
        page.feed(answer.text)
        assert page.wrong == [], name
        assert "49" not in "".join(page.text).split(), name
        if MARK in answer.text:
            seen.add(name)
            assert f"<img src={MARK}" not in answer.text, name
            assert f"<script>{MARK}" not in answer.text, name
    shown = {"home", "campaign", "campaign-tags", "campaign-tags-edit", "campaign-people", "campaign-settings"}
    shown |= {"outputs", "output", "import", "import-batch", "work", "work-output", "constraints", "constraint"}
    shown |= {
        "constraint-sets",
        "constraint-set",
        "constraint-check",
        "checks",
        "check-disagreements",
        "convergence",
        "scorecard",
        "constraint-similar",
        "constraint-rounds",
        "quality",
        "agreement",
        "reliability",
        "work-mine",
        "dataset",
        "run",
        "checkpoints",
        "checkpoint",
        "schedules",
        "account",
    }
    assert shown <= seen, sorted(shown - seen)


def test_the_reader_of_pages_would_see_an_attack() -> None:
    """The test above can fail: each of these is found."""
    attacks = (
        f"<script>{MARK}()</script>",
        f"<img src={MARK}>",
        f"<p onclick={MARK}()>",
        f"<b hx-get=/{MARK}>",
        "<p style='color:red'>",
        "<style>p{}</style>",
        "<a href=' javascript:x'>",
    )
    for attack in attacks:
        page = Found()
        page.feed(f"<main>{attack}</main>")
        assert page.wrong, attack


def test_hidden_characters_are_seen_where_outputs_are_read(client: Client, site: world.World) -> None:
    for name, address in _pages(site):
        if name not in BIDI_PAGES:
            continue
        page = client.get(address).text
        for character, short in (("\u202e", "RLO"), ("\u200b", "ZWSP")):
            shown = rf'<(span|bdi) class="hidden-character"[^>]* (data-name|title)="{short}"[^>]*>{character}</'
            assert re.search(shown, page), f"{name} {short}"


def test_refused_htmx_answers_are_text_too(client: Client, site: world.World) -> None:
    path = f"/c/{site.campaign.slug}/constraints/{site.constraint.pk}/"
    answer = client.post(path, {"action": "rename", "statement": PAYLOAD * 9}, headers={"HX-Request": "true"})
    page = Found()
    page.feed(answer.text)
    assert (answer.status_code, page.wrong) == (422, [])
