"""Judgments by cursor: all of them, in order, at a price that does not grow."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import factories
from tests.annotate.api.conftest import Connect


def test_judgments_come_page_by_page_to_the_end(connect: Connect) -> None:
    admin = factories.user()
    campaign = factories.campaign("helpdesk", by=admin)
    made = [factories.judgment(factories.output(campaign)).pk for _ in range(5)]
    factories.judgment(factories.output(factories.campaign()))
    client = connect(admin, "judgments:read")
    address, seen = reverse("api-judgments", kwargs={"slug": "helpdesk"}) + "?limit=2", []
    while address:
        page = client.get(address).json()
        seen += [each["id"] for each in page["results"]]
        address = page["next"]
    assert seen == made


def test_a_judgment_carries_its_violations_and_who_judged(connect: Connect) -> None:
    admin = factories.user()
    campaign = factories.campaign("helpdesk", by=admin)
    script = factories.user("checker", kind="script")
    output = factories.output(campaign, "It came out in 2018.", model="m1")
    factories.judgment(output, annotator=script, violations=[{"start": 15, "end": 19, "critique": "no"}])
    row = connect(admin, "judgments:read").get(reverse("api-judgments", kwargs={"slug": "helpdesk"})).json()
    judgment = row["results"][0]
    assert (judgment["annotator"], judgment["annotator_kind"], judgment["model"]) == ("checker", "script", "m1")
    violation = judgment["violations"][0]
    assert (violation["quote"], violation["start"], violation["end"]) == ("2018", 15, 19)


def test_judgments_cost_the_same_for_one_row_and_for_many(connect: Connect) -> None:
    admin = factories.user()
    campaign = factories.campaign("helpdesk", by=admin)
    client = connect(admin, "judgments:read")
    client.get(reverse("api-campaigns"))  # writes down that the token was used
    counts = []
    for how_many in (1, 10):
        for _ in range(how_many):
            factories.judgment(factories.output(campaign))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("api-judgments", kwargs={"slug": "helpdesk"}))
        counts.append(len(queries))
    assert counts[0] == counts[1] > 0


def test_judgments_say_what_was_shown_and_what_is_gold_and_leave_out_what_was_withdrawn(connect: Connect) -> None:
    admin = factories.user()
    campaign = factories.campaign("helpdesk", by=admin)
    gold = factories.output(campaign, batch=factories.batch(campaign, purpose="gold"))
    factories.judgment(gold, "nothing_wrong", annotator=factories.user(kind="external"))
    factories.judgment(gold, prompt_shown="flipped")
    normal = factories.output(campaign, batch=factories.batch(campaign))
    factories.judgment(normal, is_current=False, withdrawn_at=factories.NOW)
    factories.judgment(normal)
    rows = connect(admin, "judgments:read").get(reverse("api-judgments", kwargs={"slug": "helpdesk"})).json()["results"]
    told = [(row["annotator_kind"], row["is_gold"], row["prompt_shown"]) for row in rows]
    assert told == [
        ("external", True, "as_written"),
        ("person", True, "flipped"),
        ("person", False, "as_written"),
    ]
