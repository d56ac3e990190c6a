"""Rows that the tests of executable checks stand on."""

from __future__ import annotations

from collections.abc import Mapping

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking, running
from annotate.constraints.checks.models import Check, CheckResult
from annotate.constraints.models import Constraint, Member
from annotate.intake.models import Output
from annotate.judgments.models import Violation
from tests import factories
from tests.factories import NOW

TEXT = "check: number_in_source\n"
STATEMENT = "States a number that the question does not give"
PROMPT = "When was Bloom released?"


def nobody_asked(constraint_id: int) -> Mapping[int, bool | None]:
    """Nobody was asked about any constraint."""
    return {}


def world(slug: str = "helpdesk", *, hits: int = 3, alarms: int = 0, misses: int = 0, clear: int = 2) -> Campaign:
    """A campaign in which so many outputs are one constraint's hits, false alarms, misses or clear for TEXT."""
    campaign = factories.campaign(slug)
    critic = factories.user(f"critic-{slug}")
    for number, (has_number, is_marked) in enumerate(
        [(True, True)] * hits + [(True, False)] * alarms + [(False, True)] * misses + [(False, False)] * clear
    ):
        text = f"Bloom came out in {1900 + number}." if has_number else f"Bloom is a record{'!' * number}"
        judge(output(campaign, text), critic, is_marked=is_marked)
    group(campaign)
    return campaign


def group(campaign: Campaign) -> None:
    """Put every violation that is nowhere yet into the one constraint of its tag."""
    for violation in Violation.objects.filter(judgment__campaign=campaign, constraint_member=None):
        into, _ = Constraint.objects.get_or_create(
            campaign=campaign,
            tag_slug=violation.tag.slug,
            defaults={"statement": STATEMENT, "kind": violation.tag.kind, "created_at": NOW, "updated_at": NOW},
        )
        Member.objects.create(constraint=into, violation=violation)


def output(campaign: Campaign, text: str) -> Output:
    return factories.output(campaign, text, prompt=PROMPT)


def judge(output: Output, critic: User, *, is_marked: bool) -> None:
    mark = {"start": 0, "end": 5, "critique": "states a number that was not given"}
    factories.judgment(output, "rejected" if is_marked else "nothing_wrong", annotator=critic, violations=[mark])


def constraint(campaign: Campaign) -> Constraint:
    found: Constraint = Constraint.objects.get(campaign=campaign)
    return found


def constraint_of(campaign: Campaign, tag_slug: str) -> Constraint:
    found: Constraint = Constraint.objects.living().get(campaign=campaign, tag_slug=tag_slug)
    return found


def saved_for(constraint: Constraint, text: str) -> Check:
    return check_actions.save(constraint=constraint, text=text, by=factories.admin_of(constraint.campaign), now=NOW)


def saved(campaign: Campaign, text: str = TEXT) -> Check:
    return check_actions.save(constraint=constraint(campaign), text=text, by=factories.admin_of(campaign), now=NOW)


def shadow(campaign: Campaign, text: str = TEXT) -> Check:
    """The check in shadow, run on all that is there, and weighed."""
    return run(step(saved(campaign, text), checking.SHADOW))


def trusted(campaign: Campaign) -> Check:
    """As `shadow`, and trusted by a rule that asks for little."""
    admin = factories.admin_of(campaign)
    check_actions.set_trust_rule(campaign=campaign, precision=0.5, adjudicated=5, by=admin, now=NOW)
    return step(shadow(campaign), checking.TRUSTED)


def step(life: Check, to: str) -> Check:
    admin = factories.admin_of(life.constraint.campaign)
    return check_actions.step(life=life, to=to, by=admin, now=NOW, asked=nobody_asked)


def run(life: Check) -> Check:
    while running.run(check_id=life.pk, now=NOW):
        continue
    check_actions.weigh(check_id=life.pk, now=NOW, asked=nobody_asked)
    life.refresh_from_db()
    return life


def said(life: Check) -> dict[int, tuple[bool, bool | None]]:
    """What the current version and people say, by output."""
    rows = CheckResult.objects.filter(version=life.current_id).values_list("output", "violated", "people")
    return {output: (violated, people) for output, violated, people in rows}
