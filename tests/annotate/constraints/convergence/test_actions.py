"""Convergence of a campaign: what counts, what is left out, the stop rule, the probe set, when figures are behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import AuditEntry, User
from annotate.campaigns.models import Campaign
from annotate.campaigns.tags import TagDraft
from annotate.constraints import actions, acts
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.convergence import queries
from annotate.constraints.convergence.models import Convergence, Probe, StopRule
from annotate.constraints.models import Constraint, Member
from annotate.errors import NotAllowed, NotFound
from annotate.intake.models import Output
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    made = factories.campaign("helpdesk", tags=[*factories.TAGS, TagDraft(name="Taste", kind="other", key="4")])
    factories.batch(made)
    return made


@pytest.fixture
def person() -> User:
    return factories.user("ada")


def constraint(campaign: Campaign, statement: str, **fields: Any) -> Constraint:
    values = {"tag_slug": "invented-fact", "kind": "factual", "state": "accepted", **fields}
    made: Constraint = Constraint.objects.create(
        campaign=campaign, statement=statement, created_at=NOW, updated_at=NOW, **values
    )
    return made


def review(
    campaign: Campaign, *violated: Constraint, annotator: User, output: Output | None = None, **fields: Any
) -> Output:
    """A judged output that violates these constraints."""
    made = output or factories.output(campaign, **fields)
    verdict = "rejected" if violated else "nothing_wrong"
    judgment = factories.judgment(made, verdict, annotator=annotator, violations=[{}] * len(violated))
    for violation, each in zip(judgment.violations.order_by("id"), violated, strict=True):
        Member.objects.create(constraint=each, violation=violation)
    return made


def compute(campaign: Campaign) -> bool:
    return convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)


def report(campaign: Campaign) -> queries.Report:
    compute(campaign)
    found = queries.report(campaign=campaign)
    assert found is not None
    return found


def test_compute_counts_outputs_by_constraint(campaign: Campaign, person: User) -> None:
    dates, units = constraint(campaign, "No dates."), constraint(campaign, "No units.")
    for violated in ((dates,), (dates, units), (), (dates,)):
        review(campaign, *violated, annotator=person)
    whole = report(campaign).whole
    assert whole.units == 4
    assert whole.merged.incidence.frequencies == {1: 1, 3: 1}
    assert whole.separate is None
    assert [point[0] for point in whole.merged.curve][:4] == [1, 2, 3, 4]


def test_compute_leaves_out_what_was_not_drawn_at_random(campaign: Campaign, person: User) -> None:
    dates = constraint(campaign, "No dates.")
    review(campaign, dates, annotator=person)
    for purpose in ("gold", "evaluate"):
        review(campaign, dates, annotator=person, batch=factories.batch(campaign, purpose=purpose))
    urgent = factories.output(campaign, is_queued=False)
    queue.enqueue(campaign=campaign, output_ids=[urgent.pk], now=NOW, priority=5)
    review(campaign, dates, annotator=person, output=urgent)
    review(campaign, dates, annotator=factories.user(kind="model"))
    factories.judgment(factories.output(campaign), "cannot_tell", annotator=person)
    found = report(campaign)
    assert found.whole.units == 1
    assert found.left_out == {
        "gold": 1,
        "evaluate": 1,
        "priority": 1,
        "programs": 1,
        "undecided": 1,
        "skipped": 0,
    }


def test_compute_takes_current_judgments_and_living_constraints_only(campaign: Campaign, person: User) -> None:
    dates, dull = constraint(campaign, "No dates."), constraint(campaign, "No dullness.", state="dismissed")
    replaced = review(campaign, dates, annotator=person)
    Judgment.objects.filter(output=replaced).update(is_current=False)
    review(campaign, dull, annotator=person)
    whole = report(campaign).whole
    assert (whole.units, whole.merged.incidence.observed) == (1, 0)


def test_compute_counts_before_and_after_a_merge(campaign: Campaign, person: User) -> None:
    years, dates = constraint(campaign, "No years."), constraint(campaign, "No dates.")
    for violated in (years, dates, dates):
        review(campaign, violated, annotator=person)
    assert report(campaign).whole.separate is None
    actions.merge(into=dates, others=[years], by=factories.admin_of(campaign), now=NOW + timedelta(minutes=1))
    whole = report(campaign).whole
    assert whole.merged.incidence.frequencies == {3: 1}
    assert whole.separate is not None
    assert whole.separate.incidence.frequencies == {1: 1, 2: 1}


def test_compute_tells_how_many_joined_after_a_merge(campaign: Campaign, person: User) -> None:
    """One was there before, one was moved by the merge, and one came after: only of that one it is not known."""
    years, dates = constraint(campaign, "No years."), constraint(campaign, "No dates.")
    for violated in (years, dates):
        review(campaign, violated, annotator=person)
    assert report(campaign).joined == 0
    admin = factories.admin_of(campaign)
    actions.merge(into=dates, others=[years], by=admin, now=NOW + timedelta(minutes=1))
    late = review(campaign, dates, annotator=person)
    Judgment.objects.filter(output=late).update(created_at=NOW + timedelta(minutes=2))
    assert report(campaign).joined == 1
    acts.undo(campaign=campaign, by=admin, now=NOW + timedelta(minutes=3))
    assert report(campaign).joined == 0


def test_slices_are_by_checkpoint_import_and_language(campaign: Campaign, person: User) -> None:
    dates = constraint(campaign, "No dates.")
    review(campaign, dates, annotator=person, model="round-1", meta={"language": "de"})
    review(campaign, annotator=person, model="round-2")
    found = {(each.kind, each.value.split(" ")[0]): each.units for each in report(campaign).slices}
    assert found == {
        ("all", ""): 2,
        ("model", "round-1"): 1,
        ("model", "round-2"): 1,
        ("batch", "outputs.jsonl"): 2,
        ("language", "de"): 1,
    }


def test_other_counts_a_tag_of_that_name_or_kind(campaign: Campaign, person: User) -> None:
    review(campaign, constraint(campaign, "No dates."), annotator=person)
    output = factories.output(campaign)
    factories.judgment(output, annotator=person, violations=[{"tag": "taste"}, {"tag": "taste"}])
    assert report(campaign).other == queries.Share(count=1, of=2)


def test_other_is_a_name_only_where_every_tag_is_of_that_kind(person: User) -> None:
    campaign = factories.campaign(
        "imported", tags=[TagDraft(name="Fluency", key="f"), TagDraft(name="Fluency/Other", key="x")]
    )
    for tag in ("fluency", "fluency/other", "fluency"):
        factories.judgment(factories.output(campaign), annotator=person, violations=[{"tag": tag}])
    found = report(campaign)
    assert (found.other, found.kinds_differ) == (queries.Share(count=1, of=3), False)


def test_compute_twice_does_nothing_more_until_something_changes(campaign: Campaign, person: User) -> None:
    assert not compute(campaign)
    output = review(campaign, constraint(campaign, "No dates."), annotator=person)
    assert queries.waiting_ids(now=NOW) == [campaign.pk]
    assert compute(campaign) and not compute(campaign)
    assert queries.waiting_ids(now=NOW) == []
    Judgment.objects.filter(output=output).update(is_current=False, withdrawn_at=NOW)
    assert queries.waiting_ids(now=NOW) == [campaign.pk]
    found = queries.report(campaign=campaign)
    assert found is not None and found.is_behind


def test_waiting_ids_lets_a_dear_campaign_rest(campaign: Campaign, person: User) -> None:
    review(campaign, annotator=person)
    compute(campaign)
    Convergence.objects.update(seconds=3)
    review(campaign, annotator=person)
    assert queries.waiting_ids(now=NOW + timedelta(seconds=59)) == []
    assert queries.waiting_ids(now=NOW + timedelta(seconds=60)) == [campaign.pk]


def test_compute_streams_with_as_many_statements_for_ten_outputs_as_for_two(campaign: Campaign, person: User) -> None:
    dates = constraint(campaign, "No dates.")
    taken = []
    for count in (2, 8):
        for _ in range(count):
            review(campaign, dates, annotator=person)
        with CaptureQueriesContext(connection) as captured:
            assert compute(campaign)
        taken.append(len(captured))
    assert taken[1] <= taken[0]


def rule(campaign: Campaign, by: User, **fields: Any) -> StopRule:
    values: dict[str, Any] = {"coverage": 0.95, "expected_new": 1.0, "reviews": 10, **fields}
    return convergence.set_stop_rule(campaign=campaign, by=by, now=NOW, **values)


def test_set_stop_rule_is_shown_as_met_or_not_at_once(campaign: Campaign, person: User) -> None:
    dates = constraint(campaign, "No dates.")
    for _ in range(12):
        review(campaign, dates, annotator=person)
    assert report(campaign).stop is None
    rule(campaign, factories.admin_of(campaign))
    found = report(campaign)
    assert found.stop is not None and found.stop.is_met
    assert found.ahead == 10
    rule(campaign, factories.admin_of(campaign), reviews=20)
    again = report(campaign)
    assert again.stop is not None and again.stop.is_early and not again.stop.is_met
    assert StopRule.objects.count() == 1
    assert AuditEntry.objects.filter(verb="stop rule set", subject=f"campaign {campaign.pk}").count() == 2
    campaign.refresh_from_db()
    assert campaign.state == "active"


@pytest.mark.parametrize("role", ["reviewer", "annotator", "researcher"])
def test_set_stop_rule_and_redraw_probe_are_for_admins(campaign: Campaign, role: str) -> None:
    member = factories.member(campaign, role)
    with pytest.raises(NotAllowed):
        rule(campaign, member)
    with pytest.raises(NotAllowed):
        convergence.remove_stop_rule(campaign=campaign, by=member, now=NOW)
    with pytest.raises(NotAllowed):
        convergence.redraw_probe(campaign=campaign, by=member, now=NOW)
    with pytest.raises(NotFound):
        rule(campaign, factories.user())


@pytest.mark.parametrize(
    ("field", "value"), [("coverage", 1.0), ("coverage", float("nan")), ("expected_new", 0.0), ("reviews", 9)]
)
def test_set_stop_rule_refuses_numbers_out_of_bounds(campaign: Campaign, field: str, value: float) -> None:
    with pytest.raises(convergence.RuleRefused) as refused:
        rule(campaign, factories.admin_of(campaign), **{field: value})
    assert refused.value.field == field
    assert not StopRule.objects.exists()


def test_remove_stop_rule_twice_is_once(campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    rule(campaign, admin)
    for _ in range(2):
        convergence.remove_stop_rule(campaign=campaign, by=admin, now=NOW)
    assert AuditEntry.objects.filter(verb="stop rule removed").count() == 1


def test_probe_is_of_the_latest_outputs_to_be_evaluated_and_stays(campaign: Campaign, person: User) -> None:
    evaluated = factories.batch(campaign, purpose="evaluate")
    chosen = [factories.output(campaign, batch=evaluated) for _ in range(3)]
    review(campaign, annotator=person)
    compute(campaign)
    probe = Probe.objects.get()
    assert (probe.batch, probe.output_ids) == (evaluated, [each.pk for each in chosen])
    factories.output(campaign, batch=factories.batch(campaign, purpose="evaluate"))
    review(campaign, annotator=person)
    compute(campaign)
    assert Probe.objects.get().output_ids == probe.output_ids
    convergence.redraw_probe(campaign=campaign, by=factories.admin_of(campaign), now=NOW)
    assert len(Probe.objects.get().output_ids) == 1


def test_probe_is_of_reviewed_outputs_once_there_are_enough(
    campaign: Campaign, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convergence, "PROBE_LEAST", 3)
    with pytest.raises(convergence.NothingToProbe):
        convergence.redraw_probe(campaign=campaign, by=factories.admin_of(campaign), now=NOW)
    reviewed = [review(campaign, annotator=person).pk for _ in range(2)]
    factories.output(campaign)
    compute(campaign)
    assert not Probe.objects.exists()
    reviewed.append(review(campaign, annotator=person).pk)
    compute(campaign)
    assert Probe.objects.get().output_ids == reviewed


def test_sets_let_fewer_outputs_of_the_probe_survive(campaign: Campaign, person: User) -> None:
    admin = factories.admin_of(campaign)
    evaluated = factories.batch(campaign, purpose="evaluate")
    dates, units = constraint(campaign, "No dates."), constraint(campaign, "No units.", state="candidate")
    for violated in ((dates,), (units,), ()):
        review(campaign, *violated, annotator=person, batch=evaluated)
    factories.output(campaign, batch=evaluated)
    actions.approve(campaign=campaign, by=admin, now=NOW)
    actions.accept(constraint=units, by=admin, now=NOW)
    actions.approve(campaign=campaign, by=admin, now=NOW)
    found = report(campaign)
    assert (found.probe_judged, found.probe and len(found.probe.output_ids)) == (3, 4)
    assert [(each.revision, each.constraints, each.survivors.count, each.holds) for each in found.steps] == [
        (1, 1, 2, None),
        (2, 2, 1, True),
    ]


def test_report_takes_as_many_statements_whatever_was_judged(campaign: Campaign, person: User) -> None:
    taken = []
    for count in (2, 8):
        for number in range(count):
            review(campaign, constraint(campaign, f"No {number}."), annotator=person, model=f"model {number}")
        compute(campaign)
        with CaptureQueriesContext(connection) as captured:
            queries.report(campaign=campaign)
        taken.append(len(captured))
    assert taken[0] == taken[1]
