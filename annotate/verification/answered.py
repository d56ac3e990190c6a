"""What was answered about constraints, in the form in which scorecards are measured."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from annotate.constraints.scorecard import tally as scorecard_tally
from annotate.quality.judges import PEOPLE
from annotate.verification.models import Answer

SAID = {
    Answer.Value.VIOLATED: scorecard_tally.YES,
    Answer.Value.NOT_VIOLATED: scorecard_tally.NO,
    Answer.Value.CANNOT_TELL: scorecard_tally.CANNOT,
}
ROWS_AT_ONCE = 5000

_ANSWERED = """
SELECT round.constraint_id, item.output_id, answer.annotator_id, round.id, answer.answer, answer.is_assisted
FROM verification_round AS round
JOIN verification_item AS item ON item.round_id = round.id
JOIN verification_answer AS answer ON answer.item_id = item.id AND answer.is_current
JOIN accounts_user AS annotator ON annotator.id = answer.annotator_id AND annotator.kind = ANY(%(people)s)
WHERE round.campaign_id = %(campaign)s
ORDER BY 1, 2, 3, 4
"""

_LAST = """
SELECT round.campaign_id, max(answer.id)
FROM verification_round AS round
JOIN verification_item AS item ON item.round_id = round.id
JOIN verification_answer AS answer ON answer.item_id = item.id
GROUP BY 1
"""


def last_answers() -> dict[int, int]:
    """Return the last answer of each campaign that has one."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        return dict(cursor.fetchall())


def by_constraint(*, campaign_id: int) -> Iterator[scorecard_tally.Answered]:
    """Yield what people answered, sorted by constraint, output, annotator and round. One streamed statement."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ANSWERED, {"campaign": campaign_id, "people": list(PEOPLE)})
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for constraint, output, annotator, round_id, answer, is_assisted in rows:
                yield scorecard_tally.Answered(constraint, output, annotator, round_id, SAID[answer], is_assisted)
