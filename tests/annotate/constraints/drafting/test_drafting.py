"""Statements drafted by a model, over a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.drafting import actions as drafting
from annotate.constraints.drafting import queries
from annotate.constraints.drafting.models import Draft
from annotate.constraints.models import Constraint
from tests import factories
from tests.annotate.asking import server
from tests.annotate.constraints import rows
from tests.factories import NOW
from worker.tasks import constraint_drafting

pytestmark = pytest.mark.django_db

DRAFTED = "Do not state a date that the source does not give."
TEMPLATE = "Invented fact: says a date"


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[server.Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with server.running() as made:
        settings.MODELS, settings.DRAFTS_BY = {"local": made.model()}, "local"
        made.script = lambda asked: server.completion(DRAFTED)
        yield made


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk")


@pytest.fixture
def candidate(campaign: Campaign) -> Constraint:
    return rows.constraint(campaign, TEMPLATE, members=12, state="candidate")


def sweep(*, minutes: float = 0) -> list[bool]:
    """What the task does so long after NOW."""
    now = NOW + timedelta(minutes=minutes)
    return [drafting.draft(constraint_id=id_, now=now) for id_ in queries.waiting_ids(now=now)]


def test_candidate_that_nobody_named_is_worded_once(local: server.Server, candidate: Constraint) -> None:
    assert (sweep(), sweep()) == ([True], [])
    candidate.refresh_from_db()
    assert (candidate.statement, candidate.drafted_by, candidate.named_by) == (DRAFTED, "local", None)
    [asked] = local.asked
    told = asked["messages"][1]["content"]
    assert told.count(TEMPLATE) == 9
    assert "1. Invented fact: says a date 0" in told


def test_task_drafts_what_waits_and_ends_where_the_model_fails(local: server.Server, candidate: Constraint) -> None:
    rows.constraint(candidate.campaign, "says a year", state="candidate")
    local.script = lambda asked: server.refused(503)
    constraint_drafting.sweep()
    assert len(local.asked) == 1
    Draft.objects.update(again_at=None)
    local.script = lambda asked: server.completion(DRAFTED)
    constraint_drafting.sweep()
    assert [each.drafted_by for each in Constraint.objects.all()] == ["local", "local"]


def test_only_candidates_with_a_medoid_that_nobody_named_wait(local: server.Server, campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    actions.rename(constraint=rows.constraint(campaign, "one", state="candidate"), statement="Ours", by=admin, now=NOW)
    for state in ("accepted", "dismissed", "retired"):
        rows.constraint(campaign, state, state=state)
    Constraint.objects.filter(pk=rows.constraint(campaign, "rest", state="candidate").pk).update(is_residual=True)
    Constraint.objects.filter(pk=rows.constraint(campaign, "told", state="candidate").pk).update(medoid=None)
    assert queries.waiting_ids(now=NOW) == []
    for each in Constraint.objects.all():
        assert drafting.draft(constraint_id=each.pk, now=NOW)
    assert local.asked == []


def test_nothing_is_drafted_where_no_model_is_to(local: server.Server, candidate: Constraint, settings: Any) -> None:
    settings.DRAFTS_BY = ""
    assert sweep() == []
    assert drafting.draft(constraint_id=candidate.pk, now=NOW)
    assert local.asked == []


def test_another_medoid_is_drafted_anew_and_the_same_one_only_put_back(
    local: server.Server, candidate: Constraint
) -> None:
    sweep()
    Constraint.objects.filter(pk=candidate.pk).update(statement=TEMPLATE)  # as a regrouping does
    assert Constraint.objects.get(pk=candidate.pk).drafted_by == ""
    assert sweep() == [True]
    assert Constraint.objects.get(pk=candidate.pk).statement == DRAFTED
    assert len(local.asked) == 1
    medoid = candidate.members.order_by("id").last()
    assert medoid is not None
    Constraint.objects.filter(pk=candidate.pk).update(statement=TEMPLATE, medoid=medoid.violation_id)
    local.script = lambda asked: server.completion("Do not invent a year.")
    assert sweep() == [True]
    assert Constraint.objects.get(pk=candidate.pk).statement == "Do not invent a year."
    assert "1. Invented fact: says a date 11" in local.asked[1]["messages"][1]["content"]


def test_answer_that_cannot_stand_leaves_the_template_and_is_asked_for_three_times(
    local: server.Server, candidate: Constraint
) -> None:
    local.script = lambda asked: server.completion("**Avoid** dates")
    for minutes in range(6):
        sweep(minutes=minutes)
    assert len(local.asked) == queries.MOST_TRIES
    found = Draft.objects.get()
    assert found.problem == "What local drafted cannot stand: it does not begin with “Do not”."
    candidate.refresh_from_db()
    assert (candidate.statement, candidate.drafted_by) == (TEMPLATE, "")


def test_model_that_fails_ends_the_sweep_and_is_asked_again_later(local: server.Server, candidate: Constraint) -> None:
    local.script = lambda asked: server.refused(503)
    assert sweep() == [False]
    assert sweep(minutes=4) == []
    assert Draft.objects.get().problem == "The model “local” answered 503: no."
    local.script = lambda asked: server.completion(DRAFTED)
    assert sweep(minutes=5) == [True]
    assert Constraint.objects.get().drafted_by == "local"


def test_words_that_a_person_gave_are_never_overwritten(local: server.Server, candidate: Constraint) -> None:
    sweep()
    admin = factories.admin_of(candidate.campaign)
    actions.rename(constraint=candidate, statement="No dates of our own", by=admin, now=NOW)
    assert sweep() == []
    candidate.refresh_from_db()
    assert (candidate.statement, candidate.drafted_by) == ("No dates of our own", "")
    actions.accept(constraint=candidate, by=admin, now=NOW)
    assert sweep() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("meanwhile", ["named", "regrouped", "doubled"])
def test_what_happens_while_the_model_thinks_wins(local: server.Server, meanwhile: str) -> None:
    candidate = rows.constraint(factories.campaign("helpdesk"), TEMPLATE, members=2, state="candidate")
    admin, other = factories.admin_of(candidate.campaign), candidate.members.order_by("id").last()
    assert other is not None
    happened: list[object] = []

    def thinks(asked: dict[str, Any]) -> server.Said:
        try:
            with transaction.atomic():
                list(Constraint.objects.select_for_update(nowait=True))
                list(Draft.objects.select_for_update(nowait=True))
            if meanwhile == "named":
                happened.append(actions.rename(constraint=candidate, statement="Ours", by=admin, now=NOW))
            elif meanwhile == "regrouped":
                happened.append(Constraint.objects.update(medoid=other.violation_id, statement="Another"))
            else:
                happened.append(drafting.draft(constraint_id=candidate.pk, now=NOW))
        finally:
            connection.close()
        return server.completion(DRAFTED)

    local.script = thinks
    sweep()
    expected = {"named": "Ours", "regrouped": "Another", "doubled": DRAFTED}[meanwhile]
    assert Constraint.objects.get().statement == expected
    assert len(happened) == len(local.asked) == 1


def test_pages_say_who_drafted_and_cost_the_same_however_many(
    client: Client, local: server.Server, candidate: Constraint, django_assert_max_num_queries: Any
) -> None:
    sweep()
    client.force_login(factories.admin_of(candidate.campaign))
    drafted = 'drafted by <span class="mono">local</span>'
    assert drafted in client.get(f"/c/helpdesk/constraints/{candidate.pk}/").content.decode()
    with django_assert_max_num_queries(60) as few:
        assert drafted in client.get("/c/helpdesk/constraints/").content.decode()
    for number in range(4):
        rows.constraint(candidate.campaign, f"says {number}", state="candidate")
    sweep()
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert client.get("/c/helpdesk/constraints/").content.decode().count(drafted) == 5
