"""What people answered about one constraint, by output, over all its rounds."""

from __future__ import annotations

from django.db import connection

from annotate.quality.judges import PEOPLE

BY_OUTPUT = """
SELECT output_id, CASE WHEN violated <> not_violated THEN violated > not_violated END FROM (
    SELECT item.output_id, count(*) FILTER (WHERE answer.answer = 'violated') AS violated,
           count(*) FILTER (WHERE answer.answer = 'not_violated') AS not_violated
    FROM verification_round AS round
    JOIN verification_item AS item ON item.round_id = round.id
    JOIN verification_answer AS answer ON answer.item_id = item.id AND answer.is_current
    JOIN accounts_user AS annotator ON annotator.id = answer.annotator_id AND annotator.kind = ANY(%(people)s)
    WHERE round.constraint_id = %(constraint)s AND answer.answer <> 'cannot_tell' AND NOT answer.is_assisted
    GROUP BY 1
) AS answered
"""


def by_output(constraint_id: int) -> dict[int, bool | None]:
    """Return whether most of the people who decided say it is violated, None where they are split. One statement.

    Bounded by the sizes of the constraint's rounds. Who could not tell is left out, as in consensus, and so is who was
    shown what the check found: this is what the check is measured by.
    """
    with connection.cursor() as cursor:
        cursor.execute(BY_OUTPUT, {"constraint": constraint_id, "people": list(PEOPLE)})
        return dict(cursor.fetchall())
