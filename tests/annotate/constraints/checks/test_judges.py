"""Checks that ask a model, over a real server on loopback: what they store, what they cost, and what a failure does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from annotate.accounts.models import AuditEntry
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking, judging, judging_queries, running
from annotate.constraints.checks import preview as check_preview
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Judging, Unanswered
from tests import factories
from tests.annotate.asking import server
from tests.annotate.constraints.checks import checks
from tests.factories import NOW
from training_bridge.formats.checks import finding
from worker.tasks import checks as check_tasks

pytestmark = pytest.mark.django_db

TEXT = "check: judge\nmodel: local\nquestion: Does the text state a year?\n"


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[server.Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with server.running() as made:
        settings.MODELS = {"local": made.model()}
        made.script = by_year
        yield made


def by_year(asked: dict[str, Any]) -> server.Said:
    """The judge of these tests sees a year where there is one."""
    has_year = "came out in 19" in server.text_of(asked)
    return server.verdict(violated=has_year, quote="in 19" if has_year else "", why="A year.")


def unless(word: str, said: server.Said) -> Callable[[dict[str, Any]], server.Said]:
    """As `by_year`, but `said` about outputs that hold the word."""
    return lambda asked: said if word in server.text_of(asked) else by_year(asked)


def started(campaign: Campaign, text: str = TEXT) -> Check:
    return checks.step(checks.saved(campaign, text), checking.SHADOW)


def run(life: Check, *, seconds: float = 0) -> Check:
    """What the tasks do when a message arrives so long after NOW."""
    now = NOW + timedelta(seconds=seconds)
    while running.run(check_id=life.pk, now=now):
        continue
    while running.run_overlooked(check_id=life.pk, now=now):
        continue
    check_actions.weigh(check_id=life.pk, now=now, asked=checks.nobody_asked)
    life.refresh_from_db()
    return life


def pauses(life: Check) -> float:
    """The seconds from NOW until the model is asked again."""
    again_at = Judging.objects.get(version=life.current_id).again_at
    assert again_at is not None
    return float((again_at - NOW).total_seconds())


def test_judge_runs_like_any_check_and_its_cost_is_counted(local: server.Server) -> None:
    campaign = checks.world(hits=3, alarms=1, misses=1, clear=2)
    factories.outputs(campaign, "Bloom came out in 1999.", is_gold=True)
    life = run(started(campaign))
    assert (life.hit_count, life.alarm_count, life.miss_count, life.clear_count) == (3, 1, 1, 2)
    finding = CheckResult.objects.filter(violated=True).order_by("pk")[0].findings
    assert finding == [{"message": "The judge: A year.", "start": 15, "end": 20}]
    assert len(local.asked) == 7
    standing = judging_queries.standing(life=life)
    assert standing is not None
    assert (standing.models, standing.unanswered, standing.all_calls) == (["local"], 0, 7)
    cost = standing.judging
    assert (cost.call_count, cost.prompt_token_count, cost.answer_token_count) == (7, 280, 49)
    assert (cost.problem, cost.again_at) == ("", None)
    run(life)
    assert len(local.asked) == 7


def test_task_asks_until_its_budget_is_spent(
    local: server.Server, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WINDOW", timedelta(days=1))
    settings.JUDGE_CALLS = 2
    life = started(checks.world(hits=3, clear=2))
    check_tasks.run(life.pk)
    check_tasks.run(life.pk)
    assert len(local.asked) == 2
    Judging.objects.update(window_at=NOW)
    settings.JUDGE_CALLS = 200
    check_tasks.run(life.pk)
    check_tasks.weigh(life.pk)
    life.refresh_from_db()
    assert life.run_count == 5


def test_judge_is_not_asked_where_another_check_finds_something(local: server.Server) -> None:
    life = run(
        started(checks.world(hits=3, clear=2), f"- check: number_in_source\n- {TEXT.replace(chr(10), chr(10) + '  ')}")
    )
    assert len(local.asked) == 2
    assert sorted(violated for violated, _ in checks.said(life).values()) == [False, False, True, True, True]


def test_two_judges_find_more_than_one_and_no_answer_of_one_is_no_pass(local: server.Server, settings: Any) -> None:
    two = "".join(f"- check: judge\n  model: {name}\n  question: Is it?\n" for name in ("vague", "local"))
    local.script = lambda asked: server.completion("perhaps") if asked["model"] == "vague" else by_year(asked)
    with pytest.raises(checking.CheckRefused, match="there are local"):
        checks.saved(checks.world("one"), two)
    settings.MODELS["vague"] = local.model("vague", model="vague")
    life = run(started(checks.world("two", hits=2, clear=2), two))
    assert [violated for violated, _ in checks.said(life).values()] == [True, True]
    assert Unanswered.objects.count() == 2
    assert CheckResult.objects.filter(violated=True)[0].findings[0]["message"] == "judge 2: The judge: A year."


def test_answer_that_cannot_be_read_is_no_pass_and_is_asked_for_again_a_few_times(local: server.Server) -> None:
    local.script = unless("record!!!", server.completion("It passes, surely."))
    life = run(started(checks.world(hits=2, clear=2)))
    assert life.run_count == 3
    assert len(local.asked) == 4
    [unanswered] = Unanswered.objects.all()
    assert unanswered.problem == "The judge answered with neither the JSON that it was asked for nor yes or no."
    for minutes in range(1, 9):
        run(life, seconds=60 * minutes)
    unanswered.refresh_from_db()
    assert unanswered.try_count == judging_queries.MOST_TRIES
    assert len(local.asked) == 3 + judging_queries.MOST_TRIES
    assert unanswered.output_id not in checks.said(life)


def test_answer_that_comes_later_takes_its_place(local: server.Server) -> None:
    local.script = unless("record!!!", server.completion(None))
    life = run(started(checks.world(hits=2, clear=2)))
    local.script = by_year
    run(life, seconds=59)
    assert life.run_count == 3
    assert run(life, seconds=60).run_count == 4
    assert not Unanswered.objects.exists()


def test_text_too_long_for_a_judge_is_not_asked_about_and_not_passed(local: server.Server) -> None:
    campaign = checks.world(hits=1, clear=0)
    checks.output(campaign, "long " * 20_000)
    life = run(started(campaign))
    assert len(local.asked) == 1
    assert life.run_count == 1
    assert "60,000" in Unanswered.objects.get().problem


def test_model_that_is_down_makes_no_draft_and_is_asked_again_after_growing_pauses(
    local: server.Server, settings: Any
) -> None:
    with server.running() as gone:
        settings.MODELS = {"local": gone.model()}
    life = run(started(checks.world(hits=3, clear=2)))
    for seconds in (20, 60):
        assert life.state == "shadow"
        assert pauses(life) == seconds
        run(life, seconds=seconds - 1)
        assert pauses(life) == seconds
        assert judging_queries.paused_ids(now=NOW + timedelta(seconds=seconds - 1)) == {life.pk}
        assert judging_queries.paused_ids(now=NOW + timedelta(seconds=seconds)) == set()
        run(life, seconds=seconds)
    standing = judging_queries.standing(life=life)
    assert standing is not None
    assert standing.judging.failure_count == 3
    assert standing.judging.problem == "The model “local” cannot be reached (ConnectError)."
    assert not CheckResult.objects.exists()
    assert not Unanswered.objects.exists()
    settings.MODELS = {"local": local.model()}
    assert run(life, seconds=pauses(life)).run_count == 5
    assert Judging.objects.get().failure_count == 0


def test_pauses_do_not_grow_for_ever_and_the_servers_word_counts(local: server.Server) -> None:
    local.script = lambda asked: server.refused(429, "slow down", **{"Retry-After": "300"})
    life = run(started(checks.world(hits=1, clear=0)))
    assert pauses(life) == 300
    Judging.objects.update(failure_count=60, again_at=None)
    run(life)
    assert pauses(life) == running.LONGEST_PAUSE


def test_what_was_answered_before_a_model_failed_is_kept_and_not_asked_again(
    local: server.Server, settings: Any
) -> None:
    settings.MODELS = {"local": local.model(parallel=1)}
    local.script = unless("1901", server.refused(503))
    life = run(started(checks.world(hits=4, clear=0)))
    assert len(local.asked) == 2
    assert CheckResult.objects.count() == 1
    assert check_queries.waiting_ids() == [life.pk]
    local.script = by_year
    run(life, seconds=20)
    assert CheckResult.objects.count() == 4
    assert len(local.asked) == 2 + 3


def test_refusal_of_one_output_is_that_outputs_and_of_all_is_the_models(local: server.Server) -> None:
    local.script = unless("1901", server.refused(400, "maximum context length"))
    life = run(started(checks.world("one", hits=4, clear=0)))
    assert life.run_count == 3
    assert Unanswered.objects.get().problem == "The model “local” answered 400: maximum context length."
    local.script = lambda asked: server.refused(400, "unknown field")
    other = run(started(checks.world("other", hits=4, clear=0)))
    assert Unanswered.objects.count() == 1
    assert pauses(other) == 20
    assert Judging.objects.get(version=other.current).call_count == 4 + 1
    assert Judging.objects.get(version=other.current).problem.endswith("400: unknown field.")


def test_outputs_that_are_all_refused_do_not_hold_up_those_that_follow(local: server.Server) -> None:
    local.script = unless("Bloom came", server.refused(413, "too large"))
    campaign = checks.world(hits=judging.AT_ONCE + 1, clear=2)
    life = run(started(campaign))
    assert Unanswered.objects.count() == judging.AT_ONCE + 1
    assert life.run_count == 2
    assert len(local.asked) == judging.AT_ONCE + 1 + 2 + 1


def test_budget_holds_for_all_messages_and_the_next_window_goes_on(local: server.Server, settings: Any) -> None:
    settings.JUDGE_CALLS = 3
    life = run(started(checks.world(hits=4, clear=3)))
    assert len(local.asked) == 3
    run(life, seconds=19)
    assert len(local.asked) == 3
    assert check_queries.waiting_ids() == [life.pk]
    run(life, seconds=20)
    assert len(local.asked) == 6
    assert run(life, seconds=40).run_count == 7
    assert check_queries.waiting_ids() == []


def test_new_version_starts_without_results_and_adds_to_the_cost(local: server.Server) -> None:
    campaign = checks.world(hits=2, clear=0)
    started(campaign)
    run(Check.objects.get())
    checks.saved(campaign, TEXT.replace("a year", "the year"))
    life = run(Check.objects.get())
    standing = judging_queries.standing(life=life)
    assert standing is not None
    assert (standing.judging.call_count, standing.all_calls) == (2, 4)


def test_model_that_is_no_longer_configured_makes_a_draft(local: server.Server, settings: Any) -> None:
    life = started(checks.world(hits=1))
    settings.MODELS = {"other": local.model("other")}
    assert run(life).state == "draft"
    assert "model is 'local', which is not configured here; there are other" in life.problem
    assert AuditEntry.objects.get(verb="check draft").actor is None
    assert local.asked == []


def test_people_choose_a_name_and_nothing_else(local: server.Server) -> None:
    campaign = checks.world()
    for more in ("base_url: http://127.0.0.1:1/", "api_key: secret"):
        with pytest.raises(checking.CheckRefused, match="has no argument"):
            checks.saved(campaign, f"{TEXT}{more}\n")
    checks.saved(campaign, TEXT)
    assert str(local.http.server_address[1]) not in repr(CheckVersion.objects.values().get())


def test_trusted_judge_screens_and_is_no_reward(local: server.Server) -> None:
    campaign = checks.world(hits=6, clear=2)
    admin = factories.admin_of(campaign)
    check_actions.set_trust_rule(campaign=campaign, precision=0.5, adjudicated=5, by=admin, now=NOW)
    checks.step(run(started(campaign)), checking.TRUSTED)
    actions.accept(constraint=checks.constraint(campaign), by=admin, now=NOW)
    actions.approve(campaign=campaign, by=admin, now=NOW)
    assert campaign.outputs.filter(check_queries.screened(campaign=campaign)).count() == 6
    assert check_queries.rewards(campaign=campaign) == []


def test_preview_asks_about_few_and_stores_nothing(local: server.Server) -> None:
    campaign = checks.world(hits=9, alarms=4, clear=9)
    found = check_preview.preview(constraint=checks.constraint(campaign), text=TEXT, seed=1, asked=checks.nobody_asked)
    assert found.asked == ["local"]
    assert found.looked == found.sampled == found.cost.calls == len(local.asked) <= 8
    assert found.counts.hit + found.counts.alarm == found.violated
    assert not CheckResult.objects.exists()
    assert not Judging.objects.exists()


def test_preview_of_many_judges_looks_at_fewer_outputs(local: server.Server) -> None:
    campaign = checks.world(hits=0, alarms=0, misses=9, clear=9)
    many = "".join(f"- check: judge\n  model: local\n  question: Is it {number}?\n" for number in range(20))
    found = check_preview.preview(constraint=checks.constraint(campaign), text=many, seed=1, asked=checks.nobody_asked)
    assert (found.sampled, found.looked, len(local.asked)) == (1, 1, 20)


def test_preview_says_what_has_no_answer_and_what_is_down(local: server.Server) -> None:
    campaign = checks.world(hits=3, clear=0)
    local.script = unless("1901", server.completion("hm"))

    def preview() -> check_preview.Preview:
        return check_preview.preview(
            constraint=checks.constraint(campaign), text=TEXT, seed=1, asked=checks.nobody_asked
        )

    found = preview()
    assert (found.looked, found.violated, len(found.unanswered)) == (2, 2, 1)
    local.script = lambda asked: server.refused(500)
    with pytest.raises(check_preview.ModelIsDown, match=r"answered 500: no\. Nothing is wrong with the check"):
        preview()


IN_TRANSACTION: list[bool] = []


def notes_transaction(*, prompt: str, output: str) -> list[finding.Finding]:
    IN_TRANSACTION.append(connection.in_atomic_block)
    return []


@pytest.mark.django_db(transaction=True)
def test_function_runs_outside_of_any_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{__name__}.notes_transaction"
    monkeypatch.setenv("NEGATIVA_CHECKS", name)
    life = run(started(checks.world(hits=2, clear=1), f"check: python\nfunction: {name}"))
    assert IN_TRANSACTION == [False] * 3
    assert life.run_count == 3


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_while_a_model_thinks_and_a_doubled_message_asks_nothing(
    local: server.Server, settings: Any
) -> None:
    settings.MODELS = {"local": local.model(parallel=1)}
    life = started(checks.world(hits=2, clear=0))
    went_on: list[bool] = []

    def meanwhile(asked: dict[str, Any]) -> server.Said:
        try:
            with transaction.atomic():
                list(Check.objects.select_for_update(nowait=True))
                list(Judging.objects.select_for_update(nowait=True))
            went_on.append(running.run(check_id=life.pk, now=NOW))
        finally:
            connection.close()
        return by_year(asked)

    local.script = meanwhile
    assert run(life).run_count == 2
    assert went_on == [False, False]
    assert len(local.asked) == 2
