"""What a person does on the Constraints page, done by the demo's operator: name, merge, accept, approve."""

from __future__ import annotations

from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint, ConstraintSet
from training_bridge.demo import campaign_design
from training_bridge.demo.stage import Stage


def approved(*, stage: Stage, campaign: Campaign) -> ConstraintSet:
    """Group the violations, settle what has enough members, approve; the set approved before is returned again."""
    mine = ConstraintSet.objects.filter(campaign=campaign, approved_by=stage.operator)
    known = mine.order_by("revision").first()
    if known is not None:
        stage.book.note(f"{known.entries.count()} constraints approved")
        return known
    constraint_actions.regroup(campaign_id=campaign.pk, now=stage.now())
    groups = Constraint.objects.living().filter(campaign=campaign, member_count__gt=0).count()
    for slug, statement in campaign_design.STATEMENTS.items():
        _settle_tag(stage, campaign, slug, statement)
    made = constraint_actions.approve(campaign=campaign, by=stage.operator, now=stage.now())
    stage.book.note(f"{groups} groups of violations; {made.entries.count()} constraints named and approved")
    return made


def settle_new(*, stage: Stage, campaign: Campaign, constraint_set: ConstraintSet) -> None:
    """Give new violations their constraint; groups that formed beside an approved one of their tag join it."""
    constraint_actions.regroup(campaign_id=campaign.pk, now=stage.now())
    for entry in constraint_set.entries.select_related("constraint").order_by("id"):
        others = [each for each in _candidates(campaign, entry.tag_slug) if each.pk != entry.constraint_id]
        if others and entry.constraint.state != Constraint.State.RETIRED:
            constraint_actions.merge(into=entry.constraint, others=others, by=stage.operator, now=stage.now())


def _settle_tag(stage: Stage, campaign: Campaign, slug: str, statement: str) -> None:
    """Make one accepted constraint of a tag's candidates. What a person has settled already stays as it is."""
    found = _candidates(campaign, slug)
    if sum(each.member_count for each in found) < campaign_design.LEAST_MEMBERS:
        return
    largest = max(found, key=lambda each: (each.member_count, -each.pk))
    others = [each for each in found if each != largest]
    if others:
        largest = constraint_actions.merge(into=largest, others=others, by=stage.operator, now=stage.now())
    constraint_actions.rename(constraint=largest, statement=statement, by=stage.operator, now=stage.now())
    constraint_actions.accept(constraint=largest, by=stage.operator, now=stage.now())


def _candidates(campaign: Campaign, slug: str) -> list[Constraint]:
    found = Constraint.objects.filter(campaign=campaign, tag_slug=slug, state=Constraint.State.CANDIDATE)
    return list(found.order_by("id"))
