"""Who is shown what checks found, when that is decided, and that nothing is measured by it which it would flatter."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.assistance import queries as assistance
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks.models import Check, CheckVersion
from annotate.judgments import actions as judgments
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue
from annotate.queue import policy
from annotate.queue.models import Lease
from annotate.verification import actions as verification
from annotate.verification import verdicts
from annotate.verification.models import Turn
from tests import factories
from tests.annotate.constraints.assistance import rows
from tests.annotate.constraints.checks import checks
from tests.annotate.verification import rows as asking
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def drawn(campaign: Campaign, *, share: int = 90) -> User:
    """An annotator who is drawn at this share for the campaign's newest output."""
    output = campaign.outputs.order_by("-pk").values_list("pk", flat=True)[0]
    while True:
        person = factories.member(campaign)
        if policy.is_assisted(seed=rows.SEED, output_id=output, annotator_id=person.pk, share=share):
            return person


def submit(lease: Lease, verdict: str = "nothing_wrong") -> Judgment:
    return judgments.submit(
        token=lease.token,
        annotator=lease.annotator,
        verdict=verdict,
        violations=[],
        idempotency_key=uuid4(),
        now=NOW,
        comment="" if verdict == "nothing_wrong" else "It invents a year.",
    )


def test_the_draw_takes_its_share_and_stays() -> None:
    def chosen(share: int) -> set[tuple[int, int]]:
        pairs = [(output, person) for output in range(100) for person in range(20)]
        return {
            (output, person)
            for output, person in pairs
            if policy.is_assisted(seed=rows.SEED, output_id=output, annotator_id=person, share=share)
        }

    assert not chosen(0)
    assert 900 <= len(chosen(50)) <= 1100, "of 2,000 pairs, ends at 4.5 standard errors"
    assert chosen(20) == chosen(20) <= chosen(50)
    assert {person for _, person in chosen(20)} == set(range(20)), "nobody is always blind"


def test_a_drawn_lease_keeps_what_was_found_and_its_judgment_says_so() -> None:
    campaign = rows.world()
    lease = rows.lease(campaign, drawn(campaign))
    [found] = lease.suggestions or []
    assert (found["tag"], found["scope"], found["severity"]) == ("invented-fact", "span", "major")
    assert lease.output.text[found["start"] : found["end"]] == "1984"
    assert found["statement"] == checks.STATEMENT
    assert Lease.objects.get(pk=lease.pk).suggestions == lease.suggestions
    assert submit(lease).is_assisted
    assert Judgment.objects.get(annotator=lease.annotator).is_assisted
    again = submit(lease, "rejected")
    assert (again.revision, Judgment.objects.get(pk=again.pk).is_assisted) == (2, True), "a change of mind, too"


def test_blind_without_a_share_a_trusted_check_or_a_door_that_shows_it() -> None:
    for slug, share, is_trusted in (("none", 0, True), ("shadow", 90, False)):
        campaign = rows.world(slug, share=share, is_trusted=is_trusted)
        lease = rows.lease(campaign, drawn(campaign))
        assert lease.suggestions is None
        assert not submit(lease).is_assisted
    campaign = rows.world()
    unshown = queue.lease_next(campaign=campaign, annotator=drawn(campaign), now=NOW)
    assert unshown is not None
    assert unshown.suggestions is None


def test_it_is_decided_once_when_the_output_is_taken() -> None:
    campaign = rows.world(share=0)
    person = drawn(campaign)
    assert rows.lease(campaign, person).suggestions is None
    Campaign.objects.update(assisted_share=90)
    campaign.refresh_from_db()
    later = queue.lease_next(
        campaign=campaign, annotator=person, now=NOW + timedelta(minutes=1), suggest=assistance.for_output
    )
    assert later is not None
    assert later.suggestions is None, "they have seen it blind already"


def test_what_was_shown_stays_when_the_share_falls_or_the_check_is_no_longer_trusted() -> None:
    campaign = rows.world()
    lease = rows.lease(campaign, drawn(campaign))
    queue.release(token=lease.token, annotator=lease.annotator, now=NOW)
    Campaign.objects.update(assisted_share=0)
    Check.objects.update(state="shadow")
    campaign.refresh_from_db()
    again = rows.lease(campaign, lease.annotator)
    assert (again.pk, again.suggestions) == (lease.pk, lease.suggestions)
    assert submit(again).is_assisted


def test_an_output_on_which_nothing_is_found_is_assisted_all_the_same() -> None:
    """Else what checks miss would be judged blind more often than what they find, and recall would look low."""
    campaign = rows.world(outputs=0)
    factories.output(campaign, "Bloom is a record.", prompt=checks.PROMPT)
    lease = rows.lease(campaign, drawn(campaign))
    assert lease.suggestions == []
    assert submit(lease).is_assisted


def test_gold_cannot_be_told_by_what_is_suggested() -> None:
    campaign = rows.world(outputs=0)
    gold = factories.output(campaign, rows.TEXT, prompt=checks.PROMPT, batch=factories.batch(campaign, purpose="gold"))
    assert [each["tag"] for each in assistance.for_output(campaign, gold) or []] == ["invented-fact"]


def test_checks_that_ask_a_model_and_checks_that_cannot_be_run_suggest_nothing() -> None:
    campaign = rows.world()
    output = campaign.outputs.latest("pk")
    [life] = Check.objects.select_related("current")
    life.current.declared = [{"check": "python", "name": "gone", "function": "no.such.module"}]
    assert assistance.findings(life, output) == []
    asks = [{"check": "judge", "model": "local", "question": "Is it rude?"}]
    life.current = CheckVersion.objects.create(
        constraint=life.constraint,
        number=2,
        text="-",
        declared=asks,
        created_by=factories.admin_of(campaign),
        created_at=NOW,
    )
    life.save()
    assert assistance.for_output(campaign, output) is None


def test_a_campaign_without_a_share_pays_nothing() -> None:
    campaign = rows.world(share=0, outputs=3)
    person = factories.member(campaign)
    rows.lease(campaign, person)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        rows.lease(campaign, person)
    with CaptureQueriesContext(connection) as bare:
        queue.lease_next(campaign=campaign, annotator=person, now=NOW)
    assert len(seen) == len(bare)


def test_the_question_of_an_assisted_turn_has_what_the_check_found_and_its_answer_says_so() -> None:
    campaign = rows.world(share=50)
    made = verification.start(
        constraint=rows.constraint(campaign), by=factories.admin_of(campaign), now=NOW, tagged=0, random=6, overlap=9
    )
    blind: list[Turn] = []
    assisted: list[Turn] = []
    for person in [factories.member(campaign) for _ in range(6)]:
        for turn in asking.take(campaign, person, wanted=6):
            (blind if turn.suggestions is None else assisted).append(turn)
            is_drawn = policy.is_assisted(
                seed=rows.SEED, output_id=turn.item.output_id, annotator_id=person.pk, share=50
            )
            assert is_drawn == (turn.suggestions is not None), "whoever is shown it on one page is on the other"
            assert asking.say(turn, "violated" if is_drawn else "not_violated").is_assisted == is_drawn
    assert blind
    assert assisted
    assert Turn.objects.filter(suggestions__isnull=False).count() == len(assisted)
    found: dict[str, list[object]] = {turn.item.output.text: turn.suggestions or [] for turn in assisted}
    assert {len(each) for text, each in found.items() if "19" in text} == {1}
    said = verdicts.by_output(made.constraint_id)
    assert said == {turn.item.output_id: False for turn in blind}, "only who was asked blind is heard"


def test_a_check_is_measured_by_blind_judgments_alone() -> None:
    campaign = rows.world(outputs=0)
    life = Check.objects.get()
    before = life.hit_count
    output = factories.output(campaign, rows.TEXT, prompt=checks.PROMPT)
    violation = {"start": 0, "end": 5, "critique": "states a year"}
    judgment = factories.judgment(output, "rejected", annotator=factories.user(), violations=[violation])
    checks.group(campaign)
    Judgment.objects.filter(pk=judgment.pk).update(is_assisted=True)
    checks.run(life)
    assert life.hit_count == before, "they agree with the check because they saw it"
    Judgment.objects.filter(pk=judgment.pk).update(is_assisted=False)
    check_actions.weigh(check_id=life.pk, now=NOW, asked=checks.nobody_asked)
    life.refresh_from_db()
    assert life.hit_count == before + 1
