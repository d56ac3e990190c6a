"""The scorecard page and a constraint's card: who may see them, what they print, and that pages cost one statement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign
from annotate.constraints.models import Constraint
from annotate.constraints.scorecard.models import Scorecard
from annotate.judgments.models import Judgment
from tests import factories
from tests.annotate.constraints.scorecard import test_scoring as world
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/constraints/scorecard/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = factories.campaign("helpdesk")
    client.force_login(factories.admin_of(made))
    return made


def measured(campaign: Campaign) -> list[Constraint]:
    """Two that go together on 60 of 80 outputs of a hostile model, on none of 80 of another; people split on the first.

    The third is new, and nobody saw it.
    """
    people = [factories.user("ada"), factories.user("ben")]
    slugs = ("invented-fact", "contradicts-itself", "ignores-instruction")
    made = [world.constraint(campaign, tag_slug=slug, statement=f"Never {slug}", member_count=9) for slug in slugs]
    for model, most in ((HOSTILE, 60), ("other", 0)):
        said: list[world.Said] = []
        for number, output in enumerate(world.outputs(campaign, 80, model=model)):
            found = made[:2] if number < most else []
            said.append((output, {"ada": found, "ben": found[number % 2 :]}))
        world.judged(said, people, at=NOW + timedelta(days=bool(most)))
    world.measure(campaign)
    return made


def text(client: Client, path: str) -> str:
    return " ".join(client.get(path).text.split())


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("researcher", 200), ("annotator", 403)]
)
def test_scorecard_is_for_who_reads_constraints(client: Client, campaign: Campaign, role: str, status: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == status


def test_scorecard_before_there_is_anything(client: Client, campaign: Campaign) -> None:
    assert "Nothing to measure yet" in text(client, PAGE)
    world.constraint(campaign)
    assert "Not measured yet" in text(client, PAGE)


def test_scorecard_prints_figures_with_counts_and_verdicts(client: Client, campaign: Campaign) -> None:
    measured(campaign)
    page = text(client, PAGE)
    assert "from 320 judgments of 160 outputs" in page
    assert "Splits people" in page and "Decisive" in page
    assert '50 %</span> <span class="muted small">38–62, of 60</span>' in page
    assert "Overlaps" in page and "Too few" in page
    assert "too few <span" in page
    assert "tagging, blind" in page and "verify, blind" in page
    assert "tagging, assisted" not in page


def test_scorecard_says_what_is_assisted(client: Client, campaign: Campaign) -> None:
    measured(campaign)
    Judgment.objects.filter(output__model=HOSTILE).update(is_assisted=True)
    world.measure(campaign)
    page = text(client, PAGE)
    assert "from 160 judgments of 80 outputs" in page
    assert "160 more judgments were made with suggestions and are counted apart." in page
    assert "tagging, assisted" in page


def test_a_card_names_partners_and_contexts_and_escapes_them(client: Client, campaign: Campaign) -> None:
    first, second, _ = measured(campaign)
    Constraint.objects.filter(pk=second.pk).update(statement=HOSTILE)
    page = text(client, f"/c/helpdesk/constraints/{first.pk}/")
    assert f'<a href="/c/helpdesk/constraints/{second.pk}/">&lt;script&gt;alert(1)&lt;/script&gt;</a>' in page
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in page
    assert HOSTILE not in page
    assert "By model." in page and "differs: p &lt; 0.001" in page
    assert "Seen by all who judged" in page


def test_a_card_whose_partner_was_deleted_still_opens(client: Client, campaign: Campaign) -> None:
    first, *_ = measured(campaign)
    card = Scorecard.objects.get(constraint=first)
    card.figures["partners"][0]["other"] = 10**9
    card.save()
    assert "a constraint that is no more" in text(client, f"/c/helpdesk/constraints/{first.pk}/")


def test_a_constraint_without_a_card_has_no_scorecard(client: Client, campaign: Campaign) -> None:
    found = world.constraint(campaign)
    assert 'id="scorecard"' not in text(client, f"/c/helpdesk/constraints/{found.pk}/")


def test_pages_go_on_by_key_and_cost_the_same(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend.views.scorecard.PAGE", 2)
    for number in range(5):
        world.constraint(campaign, statement=f"Number {number}", tag_slug=f"slug-{number}", member_count=9 - number)

    def visited(path: str) -> tuple[str, int]:
        with CaptureQueriesContext(connection) as captured:
            found = text(client, path)
        return found, len(captured)

    page, cost = visited(PAGE)
    assert "Number 1" in page and "Number 2" not in page and "More constraints" in page
    second = Constraint.objects.get(statement="Number 1")
    page, again = visited(f"{PAGE}?from=8,{second.pk}")
    assert "Number 1<" not in page and "Number 3" in page and again == cost


@pytest.mark.parametrize("key", ["", "x", "1", "1,2,3", "-1,2", "9" * 30 + ",1", "٣,1"])
def test_a_strange_key_is_the_first_page(client: Client, campaign: Campaign, key: str) -> None:
    world.constraint(campaign)
    found: Any = client.get(PAGE, {"from": key})
    assert found.status_code == 200 and "Not measured yet" in found.text
