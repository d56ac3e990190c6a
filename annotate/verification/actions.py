"""Every write of verification.

Locks are taken in one order everywhere: the annotator's advisory lock, turns by id, items by id. The sweep skips locked
turns, taking skips locked items. An annotator's own turns are therefore taken and answered one after the other, and
different annotators wait for each other only while one item's counters change.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.assistance import queries as assistance
from annotate.constraints.models import Constraint
from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.queue import policy as queue_policy
from annotate.queue import queries as queue_queries
from annotate.verification import policy, queries, sql
from annotate.verification.models import Answer, Item, Round, Turn

SWEEP_CHUNK = 500


class SizeRefused(RuleError):
    """A number of the round is out of its bounds; `field` says which."""


class NothingToVerify(RuleError):
    """There are no outputs to ask about."""


class AlreadyOpen(RuleError):
    """The constraint has an open round."""


class TooManyOpen(RuleError):
    """The campaign has as many open rounds as it may have."""


class ConstraintRetired(RuleError):
    """The constraint was merged away or emptied."""


class CampaignNotActive(RuleError):
    """The campaign is paused or closed."""


class RoundClosed(RuleError):
    """What was answered in a closed round stays as it is."""


class AnswerUnknown(RuleError):
    """Not one of the three answers."""


@transaction.atomic
def start(  # noqa: PLR0913 - a round is drawn in one go
    *, constraint: Constraint, by: User, now: datetime, tagged: int, random: int, overlap: int, seed: int | None = None
) -> Round:
    """Draw a round: up to `tagged` outputs with a member violation and up to `random` others, in scattered order.

    Reads the ids of all outputs of the campaign, once. Locks the campaign's row. Raises SizeRefused, NothingToVerify,
    ConstraintRetired, AlreadyOpen (a second start changes nothing) and TooManyOpen.
    """
    _check_sizes(tagged=tagged, random=random, overlap=overlap)
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=constraint.campaign_id)
    constraint = Constraint.objects.get(pk=constraint.pk)
    _check_may_start(campaign, constraint)
    made = Round.objects.create(
        campaign=campaign,
        constraint=constraint,
        statement=constraint.statement,
        tagged_count=0,
        random_count=0,
        overlap=overlap,
        seed=secrets.randbits(63) if seed is None else seed,
        created_by=by,
        created_at=now,
    )
    drawn = _draw(made, tagged=tagged, random=random)
    made.tagged_count, made.random_count = drawn.count(True), drawn.count(False)
    if not drawn:
        raise NothingToVerify("This campaign has no outputs to ask about yet. Import some, then start the round.")
    made.save(update_fields=["tagged_count", "random_count"])
    _record(by, "start", made, now, tagged=made.tagged_count, random=made.random_count, overlap=overlap, seed=made.seed)
    return made


@transaction.atomic
def close(*, round: Round, by: User, now: datetime) -> Round:
    """Hand out no more of the round. What is open may still be answered; closing again changes nothing."""
    locked = Round.objects.select_for_update(no_key=True).get(pk=round.pk)
    if locked.state == Round.State.CLOSED:
        return locked
    locked.state, locked.closed_at = Round.State.CLOSED, now
    locked.save(update_fields=["state", "closed_at"])
    _record(by, "close", locked, now)
    return locked


@transaction.atomic
def hand_out(*, campaign: Campaign, annotator: User, now: datetime, wanted: int = 1) -> list[Turn]:
    """Return the annotator's open turns, renewed, and so many new ones that there are `wanted`, the oldest round first.

    Five statements, and when nothing is free four more, which give back what others let lapse. Their work is bounded by
    the open rounds (policy.OPEN_AT_MOST of policy.OUTPUTS_AT_MOST outputs), whatever else there is. Two more where some
    of the new ones are to be shown with what a check found. Raises NotAllowed
    for a person who may not judge here and CampaignNotActive.
    """
    if campaign.state != Campaign.State.ACTIVE:
        raise CampaignNotActive(f"“{campaign.name}” is {campaign.state}: it asks nothing now. Ask one of its admins.")
    if not queue_queries.may_judge(campaign=campaign, annotator=annotator):
        raise NotAllowed(f"You may not judge in “{campaign.name}”. Ask one of its admins for the annotator role.")
    _serialise(annotator)
    arguments: dict[str, Any] = {
        "campaign": campaign.pk,
        "annotator": annotator.pk,
        "now": now,
        "expires_at": policy.until(now=now),
        "stance": campaign.stance,
    }
    held = _ids(sql.RENEW_OWN, arguments)
    missing = min(wanted, policy.HELD_AT_MOST) - len(held)
    if missing > 0:
        taken = _ids(sql.TAKE_NEXT, {**arguments, "wanted": missing})
        if not held and not taken and _expire(now):
            taken = _ids(sql.TAKE_NEXT, {**arguments, "wanted": missing})
        held += taken
        return _assisted(queries.shown_turns(ids=held), campaign, set(taken))
    return queries.shown_turns(ids=held) if held else []


@transaction.atomic
def answer(
    *,
    token: uuid.UUID,
    annotator: User,
    answer: str,
    idempotency_key: uuid.UUID,
    now: datetime,
    seconds: float | None = None,
) -> Answer:
    """Store what the annotator said. The same key again changes nothing; another key stores a change of mind.

    An answer to an expired turn takes a slot back while one is free and is kept as surplus when none is. `seconds` is
    how long the question was in sight. Raises NotFound when the turn is not theirs, AnswerUnknown, and RoundClosed for
    a change of mind; a first answer is kept in a closed round, too.
    """
    turn = _hold(token, annotator)
    if answer not in Answer.Value.values:
        raise AnswerUnknown(f"An answer is one of {', '.join(Answer.Value.values)}.", field="answer")
    before = list(turn.answers.order_by("revision"))
    same = next((each for each in before if each.idempotency_key == idempotency_key), None)
    if same is not None:
        return same
    current = next((each for each in before if each.is_current), None)
    if current is not None:
        _require_open(turn.round)
        Answer.objects.filter(pk=current.pk).update(is_current=False)
    is_surplus = current.is_surplus if current is not None else not _count_in(turn)
    made = Answer.objects.create(
        item_id=turn.item_id,
        annotator=annotator,
        turn=turn,
        revision=before[-1].revision + 1 if before else 1,
        answer=answer,
        is_surplus=is_surplus,
        is_assisted=turn.suggestions is not None,
        prompt_shown=turn.item.output.prompt.shown_as(turn.stance),
        seconds=policy.seconds(told=seconds, given_at=turn.given_at, now=now),
        idempotency_key=idempotency_key,
        created_at=now,
    )
    turn.state = Turn.State.ANSWERED
    turn.save(update_fields=["state"])
    return made


@transaction.atomic
def undo(*, token: uuid.UUID, annotator: User, now: datetime, said: uuid.UUID | None = None) -> Turn:
    """Take the answer back; the question is open again, in the slot it had. Undoing again changes nothing.

    With `said`, the key of the answer that is meant, a later answer stays. Nobody else can have been given the slot: an
    answer holds it. Raises NotFound and RoundClosed.
    """
    turn = _hold(token, annotator)
    current = turn.answers.filter(is_current=True).first()
    if current is None or said not in (None, current.idempotency_key):
        return turn
    _require_open(turn.round)
    Answer.objects.filter(pk=current.pk).update(is_current=False, withdrawn_at=now)
    if not current.is_surplus:
        Item.objects.filter(pk=turn.item_id).update(answered_count=F("answered_count") - 1)
    # A surplus answer held no slot: the turn stays without one.
    turn.state = Turn.State.EXPIRED if current.is_surplus else Turn.State.OPEN
    turn.given_at, turn.expires_at = now, policy.until(now=now)
    turn.save(update_fields=["state", "given_at", "expires_at"])
    return turn


@transaction.atomic
def release(*, tokens: Iterable[uuid.UUID], annotator: User) -> int:
    """Give open turns back, when their page closes. Answered ones and others' stay. Returns how many there were."""
    _serialise(annotator)
    mine = Turn.objects.filter(token__in=list(tokens), annotator=annotator, state=Turn.State.OPEN)
    open_turns = list(mine.select_for_update().order_by("pk").values_list("pk", "item_id"))
    Turn.objects.filter(pk__in=[pk for pk, _ in open_turns]).update(state=Turn.State.EXPIRED)
    _return_slots([item_id for _, item_id in open_turns])
    return len(open_turns)


@transaction.atomic
def expire_overdue(*, now: datetime) -> int:
    """Give back the slots of turns that ran out, oldest first, one batch. Returns how many there were."""
    return _expire(now)


def _assisted(turns: list[Turn], campaign: Campaign, taken: set[int]) -> list[Turn]:
    """Put what trusted checks find to those of the turns just taken that are drawn for it, once and for all.

    The draw is that of the Work page: whoever was shown an output's suggestions there is not asked blind here.
    """
    drawn = [turn for turn in turns if turn.pk in taken and turn.suggestions is None and _is_drawn(turn, campaign)]
    checks = assistance.by_constraint({turn.round.constraint_id for turn in drawn}) if drawn else {}
    assisted = [turn for turn in drawn if turn.round.constraint_id in checks]
    for turn in assisted:
        turn.suggestions = assistance.findings(checks[turn.round.constraint_id], turn.item.output)
    Turn.objects.bulk_update(assisted, ["suggestions"])
    return turns


def _is_drawn(turn: Turn, campaign: Campaign) -> bool:
    return queue_policy.is_assisted(
        seed=campaign.draw_seed,
        output_id=turn.item.output_id,
        annotator_id=turn.annotator_id,
        share=campaign.assisted_share,
    )


def _expire(now: datetime) -> int:
    item_ids = _ids(sql.EXPIRE_OVERDUE, {"before": policy.swept_before(now=now), "at_most": SWEEP_CHUNK})
    _return_slots(item_ids)
    return len(item_ids)


def _check_sizes(*, tagged: int, random: int, overlap: int) -> None:
    at_most = policy.OUTPUTS_AT_MOST
    if tagged < 0:
        raise SizeRefused("The number of tagged outputs cannot be below 0.", field="tagged")
    if random < 1:
        raise SizeRefused(
            "Add at least one output at random: where all are tagged, annotators learn that “yes” is always right.",
            field="random",
        )
    if tagged + random > at_most:
        raise SizeRefused(f"A round has {at_most} outputs at most; these are {tagged + random}.", field="random")
    if not 1 <= overlap <= policy.OVERLAP_AT_MOST:
        raise SizeRefused(
            f"Overlap must be between 1 and {policy.OVERLAP_AT_MOST} annotators per output.", field="overlap"
        )


def _check_may_start(campaign: Campaign, constraint: Constraint) -> None:
    if constraint.state == Constraint.State.RETIRED:
        raise ConstraintRetired("This constraint was merged into another one. Start the round there.")
    open_rounds = list(Round.objects.filter(campaign=campaign, state=Round.State.OPEN).values_list("constraint"))
    if (constraint.pk,) in open_rounds:
        raise AlreadyOpen("This constraint has an open round. Close it before you start another one.")
    if len(open_rounds) >= policy.OPEN_AT_MOST:
        raise TooManyOpen(f"{campaign.name} has {policy.OPEN_AT_MOST} open rounds, as many as it may. Close one first.")


def _draw(made: Round, *, tagged: int, random: int) -> list[bool]:
    """Fill the round. Returns for each output whether it was tagged."""
    arguments: dict[str, Any] = {
        "round": made.pk,
        "campaign": made.campaign_id,
        "constraint": made.constraint_id,
        "tagged": tagged,
        "random": random,
        "overlap": made.overlap,
        "seed": str(made.seed),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.DRAW, arguments)
        return [is_tagged for (is_tagged,) in cursor.fetchall()]


def _hold(token: uuid.UUID, annotator: User) -> Turn:
    """Lock the annotator's turn until the transaction ends, with its round, output and prompt. Raises NotFound."""
    _serialise(annotator)
    mine = queries.held(token=token, annotator=annotator)
    turn = mine.select_for_update(of=("self",)).select_related("round__campaign", "item__output__prompt").first()
    if turn is None:
        raise NotFound("This question is not yours to answer. Open the page again to get your next one.")
    return turn


def _count_in(turn: Turn) -> bool:
    more = 0 if turn.state == Turn.State.OPEN else 1
    return bool(_ids(sql.COUNT_IN, {"item": turn.item_id, "more": more}))


def _require_open(round: Round) -> None:
    if round.state != Round.State.OPEN:
        raise RoundClosed("This round is closed; its answers stay as they are.")


def _return_slots(item_ids: list[int]) -> None:
    if item_ids:
        with connection.cursor() as cursor:
            cursor.execute(sql.RETURN_SLOTS, {"items": item_ids})


def _serialise(annotator: User) -> None:
    """Wait for the annotator's other requests, to the end of the transaction: two tabs never take two questions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [policy.lock_key(annotator_id=annotator.pk)])


def _ids(statement: str, arguments: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [row[0] for row in cursor.fetchall()]


def _record(by: User, verb: str, round: Round, now: datetime, **detail: object) -> None:
    subject = f"verification round {round.pk}"
    detail = {**detail, "constraint": round.constraint_id}
    account_actions.record(actor=by, verb=f"verification {verb}", subject=subject, now=now, detail=detail)
