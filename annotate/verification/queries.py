"""What doors read of verification. Every answer is bounded by the size of a round."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.constraints.models import Constraint
from annotate.errors import NotFound
from annotate.quality import agreement, gold
from annotate.quality.judges import PEOPLE
from annotate.queue import policy as queue_policy
from annotate.queue import queries as queue_queries
from annotate.verification import sql
from annotate.verification.models import Answer, Round, Turn

VIOLATED, NOT_VIOLATED, _ = Answer.Value.values


@dataclass(kw_only=True, slots=True)
class Shares:
    """What was answered of some outputs. `share` leaves out who could not tell, and so does the interval (95 %)."""

    outputs: int = 0
    violated: int = 0
    not_violated: int = 0
    cannot_tell: int = 0

    @property
    def decided(self) -> int:
        return self.violated + self.not_violated

    @property
    def share(self) -> float | None:
        return self.violated / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval with the outputs as its trials: answers about one output are not independent."""
        return None if self.share is None else gold.wilson(self.share * self.outputs, self.outputs)

    @property
    def percent(self) -> int | None:
        return None if self.share is None else round(100 * self.share)

    @property
    def between_percents(self) -> tuple[int, int] | None:
        return None if self.interval is None else (round(100 * self.interval[0]), round(100 * self.interval[1]))


@dataclass(kw_only=True, slots=True)
class Result:
    """What a round says. `alpha` is Krippendorff's, of violated against not violated, None where it is undefined."""

    tagged: Shares = field(default_factory=Shares)
    random: Shares = field(default_factory=Shares)
    alpha: float | None = None
    compared: int = 0

    @property
    def answers(self) -> int:
        return sum(each.decided + each.cannot_tell for each in (self.tagged, self.random))


def rounds(*, constraint: Constraint) -> QuerySet[Round]:
    """Return the rounds about a constraint, the newest first."""
    return Round.objects.filter(constraint=constraint).select_related("created_by").order_by("-pk")


def round_of(*, constraint: Constraint, round_id: int) -> Round:
    """Return a round about this constraint. Raises NotFound."""
    found = rounds(constraint=constraint).filter(pk=round_id).first()
    if found is None:
        raise NotFound("This constraint has no such round.")
    return found


def results(
    *, rounds: Sequence[Round], kinds: Collection[str] = PEOPLE, is_assisted: bool = False
) -> dict[int, Result]:
    """Return what annotators of these kinds answered in each round: blind, or with what a check found. One statement.

    Answers that came late and beyond the overlap count like others: they are opinions about the same question.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            sql.PATTERNS, {"rounds": [each.pk for each in rounds], "kinds": list(kinds), "is_assisted": is_assisted}
        )
        rows = cursor.fetchall()
    return {each.pk: _result(row[1:] for row in rows if row[0] == each.pk) for each in rounds}


def _result(patterns: Iterable[tuple[bool, int, int, int, int]]) -> Result:
    found, nominal = Result(), agreement.Nominal()
    for is_tagged, violated, not_violated, cannot_tell, outputs in patterns:
        shares = found.tagged if is_tagged else found.random
        shares.outputs += outputs if violated or not_violated else 0
        shares.violated += violated * outputs
        shares.not_violated += not_violated * outputs
        shares.cannot_tell += cannot_tell * outputs
        counts: Counter[Hashable] = Counter({VIOLATED: violated, NOT_VIOLATED: not_violated})
        for _ in range(outputs):
            nominal.add_counts(counts)
    found.alpha, found.compared = nominal.alpha, nominal.units
    return found


def progress(*, rounds: Sequence[Round]) -> dict[int, int]:
    """Return how many answers within the overlap each round has, of its outputs times the overlap."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT round_id, sum(answered_count) FROM verification_item WHERE round_id = ANY(%s) GROUP BY 1",
            [[each.pk for each in rounds]],
        )
        found: dict[int, int] = dict(cursor.fetchall())
    return {each.pk: found.get(each.pk, 0) for each in rounds}


def held(*, token: uuid.UUID, annotator: User) -> QuerySet[Turn]:
    """Return the turn with this token if it is the annotator's and they may still judge in its campaign."""
    mine = Turn.objects.filter(token=token, annotator=annotator)
    if queue_queries.is_trusted(annotator):
        return mine
    roles = queue_policy.JUDGING_ROLES
    return mine.filter(
        Exists(Membership.objects.filter(campaign=OuterRef("round__campaign"), user=annotator, role__in=roles))
    )


def shown_turns(*, ids: Collection[int]) -> list[Turn]:
    """Return turns with all that is shown of them, in the order in which they are given out. One statement."""
    turns = Turn.objects.filter(pk__in=ids).select_related("round", "item__output__prompt")
    return list(turns.order_by("round", "place"))


def last_answer(*, campaign: Campaign, token: uuid.UUID, annotator: User) -> Answer | None:
    """Return what the annotator said in this turn of theirs, unless they took it back."""
    mine = held(token=token, annotator=annotator).filter(round__campaign=campaign).values("pk")
    return Answer.objects.filter(turn__in=mine, is_current=True).select_related("turn__round").first()


def left(*, campaign: Campaign, annotator: User) -> int:
    """Return how many questions are left for the annotator besides those they hold."""
    arguments = {"campaign": campaign.pk, "annotator": annotator.pk, "at_most": 10_000}
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNT_FREE, arguments)
        return int(cursor.fetchone()[0])


def answered(*, campaign: Campaign, annotator: User) -> int:
    """Return how many questions of the open rounds the annotator has answered."""
    mine = Turn.objects.filter(annotator=annotator, state=Turn.State.ANSWERED)
    return mine.filter(round__campaign=campaign, round__state=Round.State.OPEN).count()


def with_work(*, campaign_ids: Sequence[int], annotator: User) -> set[int]:
    """Return in which of the campaigns there is a question for the annotator. One statement for all of them."""
    with connection.cursor() as cursor:
        cursor.execute(sql.WITH_WORK, {"campaigns": list(campaign_ids), "annotator": annotator.pk})
        return {campaign_id for (campaign_id,) in cursor.fetchall()}
