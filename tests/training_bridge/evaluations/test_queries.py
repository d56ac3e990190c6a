"""A checkpoint beside its parent, on judged evaluation outputs."""

from collections.abc import Callable

import pytest
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.models import Constraint, ConstraintSet, Member, SetEntry
from annotate.intake.models import ImportBatch, Output
from tests import factories
from training_bridge.evaluations import queries
from training_bridge.runs import actions, models

pytestmark = pytest.mark.django_db

Sample = Callable[..., list[Output]]


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign(by=factories.superuser("ada"))


@pytest.fixture
def parent() -> models.Checkpoint:
    return actions.register_checkpoint(name="base", location="gpt2", by=None, now=factories.NOW)


@pytest.fixture
def child(parent: models.Checkpoint) -> models.Checkpoint:
    return actions.register_checkpoint(name="child", location="gpt2", by=None, now=factories.NOW, parent=parent)


@pytest.fixture
def script() -> User:
    return factories.user("checker", kind="script")


@pytest.fixture
def facts(campaign: Campaign) -> Constraint:
    return constraint(campaign, "invents facts")


def constraint(campaign: Campaign, statement: str, **more: object) -> Constraint:
    return Constraint.objects.create(
        campaign=campaign,
        tag_slug="invented-fact",
        kind="factual",
        statement=statement,
        created_at=factories.NOW,
        updated_at=factories.NOW,
        **more,
    )


def approve(campaign: Campaign, *constraints: Constraint) -> ConstraintSet:
    by = User.objects.get(username="ada")
    made = ConstraintSet.objects.create(
        campaign=campaign,
        revision=campaign.constraint_sets.count() + 1,
        sha256="0" * 64,
        approved_by=by,
        approved_at=factories.NOW,
    )
    for each in constraints:
        SetEntry.objects.create(
            constraint_set=made, constraint=each, statement=each.statement, tag_slug=each.tag_slug, kind=each.kind
        )
    return made


def sample(checkpoint: models.Checkpoint, campaign: Campaign, prompts: int, purpose: str = "evaluate") -> list[Output]:
    batch = factories.batch(campaign, source="checkpoint", purpose=purpose)
    actions.link_samples(checkpoint=checkpoint, batch=batch)
    return [
        factories.output(campaign, f"{checkpoint} {batch.pk} says {n}", prompt=f"Question {n}", batch=batch)
        for n in range(prompts)
    ]


def judge(outputs: list[Output], wrong: set[int], by: User, constraint: Constraint) -> None:
    for number, output in enumerate(outputs):
        verdict = "rejected" if number in wrong else "nothing_wrong"
        made = factories.judgment(output, verdict, annotator=by)
        for violation in made.violations.all():
            Member.objects.create(constraint=constraint, violation=violation)


def test_compare_counts_fixed_persistent_and_new(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    judge(sample(parent, campaign, 10), {0, 1, 2, 3}, script, facts)
    judge(sample(child, campaign, 10), {3, 9}, script, facts)
    found = queries.compare(checkpoint=child, parent=parent, constraint_set=approve(campaign, facts))
    assert found.pairs == 10
    [line] = found.lines
    counts = line.counts
    assert (counts.before, counts.after, counts.fixed, counts.persistent, counts.new) == (4, 2, 3, 1, 1)
    assert line.counts.p_value == line.adjusted_p == 0.625  # 2 (C(4,0) + C(4,1)) / 2^4
    assert (found.rejected.before, found.rejected.after) == (4, 2)
    assert found.after.judges == {"script": 10}
    assert [example.outcome for example in line.examples] == ["new", "fixed", "fixed", "fixed", "persistent"]
    assert all(example.before.prompt_id == example.after.prompt_id for example in line.examples)


def test_compare_takes_only_prompts_judged_for_both(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    judge(sample(parent, campaign, 6)[:4], {0}, script, facts)
    judge(sample(child, campaign, 6)[2:], set(), script, facts)
    assert queries.compare(checkpoint=child, parent=parent, constraint_set=approve(campaign, facts)).pairs == 2


def test_compare_follows_merged_constraints(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    approved = approve(campaign, facts)
    into = constraint(campaign, "makes things up")
    Constraint.objects.filter(pk=facts.pk).update(merged_into=into, state="retired")
    judge(sample(parent, campaign, 3), {0}, script, into)
    judge(sample(child, campaign, 3), set(), script, into)
    [line] = queries.compare(checkpoint=child, parent=parent, constraint_set=approved).lines
    assert line.counts.before == 1


def test_compare_takes_a_violation_that_most_judges_marked(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    before, after = sample(parent, campaign, 2), sample(child, campaign, 2)
    person = factories.user("bo")
    judge(before, {0, 1}, script, facts)
    judge(before, {0}, person, facts)  # of prompt 1, one of two: no majority
    judge(after, set(), script, facts)
    approved = approve(campaign, facts)
    both = ["person", "script"]
    found = queries.compare(checkpoint=child, parent=parent, constraint_set=approved, kinds=both)
    assert found.lines[0].counts.before == found.rejected.before == 1
    assert found.before.judges == {"person": 2, "script": 2}


def test_compare_does_not_mix_people_with_programs_unless_asked(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    before, after = sample(parent, campaign, 3), sample(child, campaign, 3)
    person, approved = factories.user("bo"), approve(campaign, facts)
    judge(before, {0, 1}, script, facts)
    judge(after, {0}, script, facts)
    judge(before, {2}, person, facts)
    by_default = queries.compare(checkpoint=child, parent=parent, constraint_set=approved)
    assert (by_default.kinds, by_default.rejected.before) == (("script", "model"), 2)  # people judged one side only
    judge(after, set(), person, facts)
    by_people = queries.compare(checkpoint=child, parent=parent, constraint_set=approved)
    assert (by_people.kinds, by_people.rejected.before) == (("person", "external"), 1)
    assert by_people.after.judges == {"person": 3}


def test_compare_leaves_training_batches_out_and_takes_the_latest_judged_one(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    judge(sample(parent, campaign, 3, purpose="annotate"), {0, 1, 2}, script, facts)
    judge(sample(parent, campaign, 3), {0, 1}, script, facts)
    judge(sample(parent, campaign, 3), {0}, script, facts)
    sample(parent, campaign, 3)  # nobody has judged it yet
    judge(sample(child, campaign, 3), set(), script, facts)
    found = queries.compare(checkpoint=child, parent=parent, constraint_set=approve(campaign, facts))
    assert found.lines[0].counts.before == 1


def test_compare_says_when_violations_are_not_grouped_yet(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, script: User, facts: Constraint
) -> None:
    judge(sample(parent, campaign, 2), {0}, script, facts)
    factories.judgment(sample(child, campaign, 2)[0], "rejected", annotator=script)
    found = queries.compare(checkpoint=child, parent=parent, constraint_set=approve(campaign, facts))
    assert (found.before.ungrouped, found.after.ungrouped) == (0, 1)


def test_compare_without_samples_has_no_pairs(
    campaign: Campaign, parent: models.Checkpoint, child: models.Checkpoint, facts: Constraint
) -> None:
    found = queries.compare(checkpoint=child, parent=parent, constraint_set=approve(campaign, facts))
    assert (found.pairs, found.before.batch, found.lines[0].counts.verdict) == (0, None, "absent")


def test_compare_asks_as_often_for_many_outputs_as_for_few(
    campaign: Campaign,
    parent: models.Checkpoint,
    child: models.Checkpoint,
    script: User,
    facts: Constraint,
    django_assert_max_num_queries: Callable[[int], CaptureQueriesContext],
) -> None:
    asked = []
    for prompts in (3, 12):
        ImportBatch.objects.all().delete()
        judge(sample(parent, campaign, prompts), {0, 1}, script, facts)
        judge(sample(child, campaign, prompts), {1}, script, facts)
        approved = approve(campaign, facts)
        with django_assert_max_num_queries(20) as seen:
            queries.compare(checkpoint=child, parent=parent, constraint_set=approved)
        asked.append(len(seen))
    assert asked[0] == asked[1]
