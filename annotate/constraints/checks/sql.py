# ruff: noqa: S608 - the parts put together here are written here
"""The statements of executable checks. What people say, and in which order, is told in check_queries."""

# Who said yes to the constraint, and who decided about the output at all.
PEOPLE_SAY = """
asked AS (SELECT * FROM unnest(%(asked)s::bigint[], %(answers)s::boolean[]) AS a(output_id, violated)),
yes AS (
    SELECT DISTINCT violation.judgment_id
    FROM constraints_member AS member JOIN judgments_violation AS violation ON violation.id = member.violation_id
    WHERE member.constraint_id = %(constraint)s
), judged AS (
    SELECT judgment.output_id, count(*) AS decided, count(yes.judgment_id) AS yes
    FROM judgments_judgment AS judgment
    JOIN accounts_user AS annotator ON annotator.id = judgment.annotator_id AND annotator.kind = ANY(%(people)s)
    LEFT JOIN yes ON yes.judgment_id = judgment.id
    WHERE judgment.campaign_id = %(campaign)s AND judgment.is_current AND NOT judgment.is_assisted
      AND judgment.verdict IN ('rejected', 'nothing_wrong')
      AND (%(outputs)s::bigint[] IS NULL OR judgment.output_id = ANY(%(outputs)s::bigint[]))
    GROUP BY 1
)
"""
SAY = """
CASE WHEN ruling.id IS NOT NULL THEN ruling.violated
     WHEN asked.output_id IS NOT NULL THEN asked.violated
     WHEN 2 * judged.yes > judged.decided THEN true
     WHEN 2 * judged.yes < judged.decided THEN false END
"""
SAY_OF = """
LEFT JOIN constraints_ruling AS ruling
       ON ruling.constraint_id = %(constraint)s AND ruling.output_id = looked.output_id
LEFT JOIN asked ON asked.output_id = looked.output_id
LEFT JOIN judged ON judged.output_id = looked.output_id
"""

STORE_SAY = f"""
WITH {PEOPLE_SAY}, said AS (
    SELECT looked.id, {SAY} AS people FROM constraints_checkresult AS looked {SAY_OF}
    WHERE looked.version_id = %(version)s
)
UPDATE constraints_checkresult AS result SET people = said.people FROM said
WHERE result.id = said.id AND result.people IS DISTINCT FROM said.people
"""
READ_SAY = f"""
WITH {PEOPLE_SAY}
SELECT looked.output_id, {SAY} FROM unnest(%(outputs)s::bigint[]) AS looked(output_id) {SAY_OF}
"""

MARKED = """
SELECT output_id FROM (
    SELECT DISTINCT judgment.output_id
    FROM constraints_member AS member
    JOIN judgments_violation AS violation ON violation.id = member.violation_id
    JOIN judgments_judgment AS judgment ON judgment.id = violation.judgment_id AND judgment.is_current
    JOIN intake_output AS output ON output.id = judgment.output_id
    JOIN intake_importbatch AS batch ON batch.id = output.batch_id AND batch.purpose <> 'gold'
    WHERE member.constraint_id = %(constraint)s
) AS marked
ORDER BY md5(%(seed)s || ' ' || output_id), output_id LIMIT %(at_most)s
"""

# Indexed look-ups at drawn places between the first id and the last, so a million outputs cost what a hundred do.
DRAWN = """
SELECT found.id FROM unnest(%(places)s::float8[]) WITH ORDINALITY AS drawn(place, number)
CROSS JOIN (SELECT min(id) AS first, max(id) AS last FROM intake_output WHERE campaign_id = %(campaign)s) AS ends
CROSS JOIN LATERAL (
    SELECT output.id FROM intake_output AS output
    JOIN intake_importbatch AS batch ON batch.id = output.batch_id AND batch.purpose <> 'gold'
    WHERE output.campaign_id = %(campaign)s
      AND output.id >= ends.first + floor(drawn.place * (ends.last - ends.first + 1))
    ORDER BY output.id LIMIT 1
) AS found
ORDER BY drawn.number
"""

WAITING = """
SELECT life.id FROM constraints_check AS life JOIN constraints_constraint AS c ON c.id = life.constraint_id
WHERE life.state IN ('shadow', 'trusted') AND EXISTS (
    SELECT FROM intake_output AS output WHERE output.campaign_id = c.campaign_id AND output.id > life.place
)
ORDER BY life.id
"""

TOGETHER = """
SELECT one.version_id, other.version_id, count(*)
FROM constraints_checkresult AS one
JOIN constraints_checkresult AS other
  ON other.output_id = one.output_id AND other.violated AND other.version_id > one.version_id
WHERE one.violated AND one.version_id = ANY(%(versions)s) AND other.version_id = ANY(%(versions)s)
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
