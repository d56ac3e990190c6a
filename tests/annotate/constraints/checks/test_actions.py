from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from annotate.accounts.models import AuditEntry
from annotate.constraints import actions
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking, running
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Ruling
from annotate.constraints.models import Constraint
from annotate.judgments.models import Judgment
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.factories import NOW

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def rule(life: Check, result: CheckResult, side: str) -> Ruling:
    admin = factories.admin_of(life.constraint.campaign)
    return check_actions.rule(result=result, side=side, by=admin, now=NOW)


def counted(life: Check) -> tuple[int, int, int, int]:
    return (life.hit_count, life.alarm_count, life.miss_count, life.clear_count)


def test_save_keeps_every_version_as_it_was() -> None:
    campaign = checks.world()
    life = checks.saved(campaign)
    checks.saved(campaign, "check: number_in_source\nexceptions: [1]")
    versions = list(CheckVersion.objects.order_by("number"))
    assert [each.number for each in versions] == [1, 2]
    assert versions[0].text == checks.TEXT
    assert versions[0].declared == [{"check": "number_in_source"}]
    assert versions[0].sha256 == checking.sha256(checks.TEXT)
    life.refresh_from_db()
    assert life.current == versions[1]
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        CheckVersion.objects.filter(pk=versions[0].pk).update(text="check: none")


def test_save_twice_is_refused_once_it_says_the_same() -> None:
    campaign = checks.world()
    checks.saved(campaign)
    with pytest.raises(check_actions.Unchanged, match="Version 1"):
        checks.saved(campaign, checks.TEXT.replace("\n", "\r\n\r\n"))
    assert CheckVersion.objects.count() == 1


def test_save_of_something_wrong_stores_nothing() -> None:
    campaign = checks.world()
    with pytest.raises(checking.CheckRefused):
        checks.saved(campaign, "check: no_such_kind")
    assert not Check.objects.exists()


def test_save_for_a_retired_constraint_is_refused() -> None:
    campaign = checks.world()
    Constraint.objects.update(state="retired")
    with pytest.raises(actions.Retired):
        checks.saved(campaign)


def test_run_says_what_it_finds_of_every_output_but_gold_once() -> None:
    campaign = checks.world(hits=3, clear=2)
    factories.outputs(campaign, "In 1999.", is_gold=True)
    life = checks.shadow(campaign)
    assert sorted(said for said, _ in checks.said(life).values()) == [False, False, True, True, True]
    [finding] = CheckResult.objects.filter(violated=True).order_by("pk")[0].findings
    assert (finding["start"], finding["end"]) == (18, 22)
    assert checks.said(checks.run(life)) == checks.said(life)


def test_run_goes_on_where_it_stopped_and_finds_what_came_late(monkeypatch: Any) -> None:
    monkeypatch.setattr(running, "RUN_AT_ONCE", 2)
    campaign = checks.world(hits=3, clear=2)
    life = checks.step(checks.saved(campaign), checking.SHADOW)
    assert running.run(check_id=life.pk, now=NOW)
    assert CheckResult.objects.count() == 2
    life = checks.run(life)
    assert life.run_count == 5
    new = checks.output(campaign, "In 2001.")
    assert check_queries.waiting_ids() == [life.pk]
    checks.run(life)
    assert check_queries.waiting_ids() == []
    CheckResult.objects.filter(output=new).delete()  # as if it had been stored behind the place
    assert not running.run(check_id=life.pk, now=NOW)
    assert running.run_overlooked(check_id=life.pk, now=NOW) == 1
    assert running.run_overlooked(check_id=life.pk, now=NOW) == 0


def test_run_of_a_draft_or_retired_check_does_nothing() -> None:
    campaign = checks.world()
    life = checks.saved(campaign)
    assert not running.run(check_id=life.pk, now=NOW)
    checks.step(life, checking.RETIRED)
    assert not running.run(check_id=life.pk, now=NOW)
    assert check_actions.weigh(check_id=life.pk, now=NOW, asked=checks.nobody_asked) is None
    assert not CheckResult.objects.exists()


def test_run_of_a_check_that_is_no_longer_here_makes_it_a_draft_and_says_why(monkeypatch: Any) -> None:
    name = "tests.annotate.constraints.checks.checks.gone"
    monkeypatch.setattr("tests.annotate.constraints.checks.checks.gone", lambda prompt, output: [], raising=False)
    monkeypatch.setenv("NEGATIVA_CHECKS", name)
    life = checks.step(checks.saved(checks.world(), f"check: python\nfunction: {name}"), checking.SHADOW)
    monkeypatch.delenv("NEGATIVA_CHECKS")
    checks.run(life)
    assert life.state == "draft"
    assert name in life.problem
    assert AuditEntry.objects.get(verb="check draft").actor is None


def test_run_of_a_function_that_fails_makes_the_check_a_draft_and_says_why(monkeypatch: Any) -> None:
    def fails(prompt: str, output: str) -> list[Any]:
        raise KeyError("tone")

    name = "tests.annotate.constraints.checks.checks.fails"
    monkeypatch.setattr(name, fails, raising=False)
    monkeypatch.setenv("NEGATIVA_CHECKS", name)
    life = checks.step(checks.saved(checks.world(), f"check: python\nfunction: {name}"), checking.SHADOW)
    checks.run(life)
    assert (life.state, life.problem) == ("draft", f"{name} failed with KeyError: 'tone'")
    assert not CheckResult.objects.exists()


def test_weigh_counts_hits_alarms_misses_and_what_is_clear() -> None:
    life = checks.shadow(checks.world(hits=4, alarms=3, misses=2, clear=1))
    assert counted(life) == (4, 3, 2, 1)
    assert (life.run_count, life.violated_count, life.weighed_at) == (10, 7, NOW)


def test_weigh_leaves_out_ties_programs_and_who_could_not_tell() -> None:
    campaign = checks.world(hits=1, clear=0)
    tied, unknown, of_program = (checks.output(campaign, f"In {year}.") for year in (2001, 2002, 2003))
    factories.judgment(tied, "nothing_wrong")
    factories.judgment(tied, "rejected")
    checks.group(campaign)
    factories.judgment(unknown, "cannot_tell")
    factories.judgment(of_program, "nothing_wrong", annotator=factories.user(kind="model"))
    life = checks.shadow(campaign)
    assert counted(life) == (1, 0, 0, 0)
    assert life.violated_count == 4


def test_weigh_follows_what_people_say_now() -> None:
    campaign = checks.world(hits=2, clear=0)
    life = checks.shadow(campaign)
    judgment = Judgment.objects.order_by("pk")[0]
    Judgment.objects.filter(pk=judgment.pk).update(is_current=False)
    factories.judgment(judgment.output, "nothing_wrong", annotator=judgment.annotator, revision=2)
    assert counted(checks.run(life)) == (1, 1, 0, 0)


def test_answers_about_the_constraint_count_before_judgments_and_a_split_says_nothing() -> None:
    campaign = checks.world(hits=3, clear=0)
    life = checks.shadow(campaign)
    first, second, _ = sorted(checks.said(life))
    asked = {first: False, second: None}
    check_actions.weigh(check_id=life.pk, now=NOW, asked=lambda constraint_id: asked)
    life.refresh_from_db()
    assert counted(life) == (1, 1, 0, 0)


def test_step_to_trusted_needs_enough_and_a_bound() -> None:
    campaign = checks.world(hits=6, alarms=1)
    admin = factories.admin_of(campaign)
    life = checks.shadow(campaign)
    with pytest.raises(check_actions.NotEarned, match="about 7 of the outputs that it marked, and 30"):
        checks.step(life, checking.TRUSTED)
    check_actions.set_trust_rule(campaign=campaign, precision=0.6, adjudicated=5, by=admin, now=NOW)
    with pytest.raises(check_actions.NotEarned, match=r"above 0\.487"):
        checks.step(life, checking.TRUSTED)
    check_actions.set_trust_rule(campaign=campaign, precision=0.5, adjudicated=5, by=admin, now=NOW)
    with pytest.raises(check_actions.NotEarned):
        checks.step(life, checking.TRUSTED)
    checks.judge(checks.output(campaign, "In 2010."), factories.user(), is_marked=True)
    checks.group(campaign)
    checks.run(life)
    assert checks.step(life, checking.TRUSTED).state == "trusted"


def test_step_out_of_the_table_is_refused_and_so_is_the_same_step_twice() -> None:
    life = checks.saved(checks.world())
    with pytest.raises(checking.WrongState):
        checks.step(life, checking.TRUSTED)
    checks.step(life, checking.SHADOW)
    with pytest.raises(checking.WrongState):
        checks.step(life, checking.SHADOW)


def test_every_step_is_in_the_audit_trail_with_its_numbers() -> None:
    life = checks.trusted(checks.world(hits=6))
    entries = list(check_queries.history(constraint=life.constraint))
    assert [each.verb for each in entries] == ["check trusted", "check shadow", "check version"]
    assert entries[0].detail["from"] == "shadow"
    assert entries[0].detail["precision above"] == 0.61
    assert entries[0].detail["marked and decided"] == 6


def test_trusted_check_falls_back_by_itself_when_its_bound_drops() -> None:
    campaign = checks.world(hits=6)
    life = checks.trusted(campaign)
    assert checks.run(life).state == "trusted"
    for year in (2001, 2002):
        checks.judge(checks.output(campaign, f"In {year}."), factories.user(), is_marked=False)
    assert checks.run(life).state == "shadow"
    entry = AuditEntry.objects.filter(verb="check shadow").latest("pk")
    assert entry.actor is None
    assert "precision is above 0.409" in entry.detail["lacks"]
    assert checks.run(life).state == "shadow"
    assert AuditEntry.objects.filter(verb="check shadow").count() == 2


def test_new_version_of_a_trusted_check_is_in_shadow_and_starts_anew() -> None:
    campaign = checks.world(hits=6)
    checks.trusted(campaign)
    life = checks.saved(campaign, "check: number_in_source\nexceptions: [1901]")
    assert (life.state, life.place, life.run_count, counted(life)) == ("shadow", 0, 0, (0, 0, 0, 0))
    assert counted(checks.run(life)) == (5, 0, 1, 2)


def test_check_of_a_constraint_that_was_merged_away_is_retired() -> None:
    life = checks.trusted(checks.world(hits=6))
    Constraint.objects.update(state="retired")
    assert checks.run(life).state == "retired"


@pytest.mark.parametrize(("side", "expected"), [("check", (4, 0, 0, 0)), ("people", (3, 1, 0, 0))])
def test_rule_decides_between_people_and_the_check(side: str, expected: tuple[int, ...]) -> None:
    campaign = checks.world(hits=3, alarms=1, clear=0)
    life = checks.shadow(campaign)
    [result] = check_queries.disputed(campaign=campaign)
    rule(life, result, side)
    assert not check_queries.disputed(campaign=campaign).exists()
    assert counted(checks.run(life)) == expected


def test_rule_holds_for_later_versions_and_may_be_changed() -> None:
    campaign = checks.world(hits=3, alarms=1, clear=0)
    life = checks.shadow(campaign)
    [result] = check_queries.disputed(campaign=campaign)
    rule(life, result, "people")
    rule(life, result, "check")
    assert Ruling.objects.get().violated
    life = checks.run(checks.saved(campaign, "check: number_in_source\nexceptions: [7]"))
    assert counted(life) == (4, 0, 0, 0)
    assert AuditEntry.objects.filter(verb="check ruling").count() == 2


def test_rule_needs_a_disagreement_and_a_side() -> None:
    campaign = checks.world(hits=1, alarms=1, clear=0)
    life = checks.shadow(campaign)
    agreed = CheckResult.objects.get(people=True)
    with pytest.raises(check_actions.NothingToRule):
        rule(life, agreed, "check")
    with pytest.raises(Exception, match="whether the check is right"):
        rule(life, CheckResult.objects.get(people=False), "both")


@pytest.mark.parametrize("values", [{"precision": 0.2}, {"precision": float("nan")}, {"adjudicated": 1}])
def test_trust_rule_has_bounds(values: dict[str, Any]) -> None:
    campaign = factories.campaign()
    with pytest.raises(check_actions.RuleRefused):
        check_actions.set_trust_rule(
            campaign=campaign,
            by=factories.admin_of(campaign),
            now=LATER,
            **{"precision": 0.8, "adjudicated": 9, **values},
        )
