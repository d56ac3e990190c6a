# ruff: noqa: S608 - the parts put together here are written here
"""The statements of convergence. Parameters: campaign, people (kinds of annotators), kinds_differ, outputs, margin."""

PEOPLES = """
    FROM judgments_judgment AS judgment JOIN accounts_user AS annotator ON annotator.id = judgment.annotator_id
    WHERE judgment.campaign_id = %(campaign)s AND judgment.is_current
"""

# One row for each output that people have decided on blind, in the order of the first judgments, with what they marked.
# `reason` is why its choice was not left to chance. A merged member's `origin` is the constraint it was in before.
REVIEWED = f"""
WITH judged AS (
    SELECT judgment.output_id, min(judgment.id) AS first, count(*) AS decided, array_agg(judgment.id) AS ids,
           bool_and(annotator.kind = 'external') AS is_imported
    {PEOPLES} AND NOT judgment.is_assisted
      AND judgment.verdict IN ('rejected', 'nothing_wrong') AND annotator.kind = ANY(%(people)s)
      AND (%(outputs)s::bigint[] IS NULL OR judgment.output_id = ANY(%(outputs)s))
    GROUP BY judgment.output_id
)
SELECT judged.output_id, judged.decided, judged.is_imported, output.model, batch.id, batch.name,
       left(coalesce(output.meta->>'language', output.meta->>'lang', ''), 40),
       CASE WHEN batch.purpose = 'gold' OR shelf.is_gold THEN 'gold' WHEN batch.purpose = 'evaluate' THEN 'evaluate'
            WHEN shelf.priority <> 0 THEN 'priority' ELSE '' END AS reason,
       marked.merged, marked.origin, marked.annotators, coalesce(marked.has_other, false), marked.loose, marked.residual
FROM judged
JOIN intake_output AS output ON output.id = judged.output_id
JOIN intake_importbatch AS batch ON batch.id = output.batch_id
LEFT JOIN queue_queueitem AS item ON item.output_id = judged.output_id
LEFT JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
CROSS JOIN LATERAL (
    SELECT array_agg(found.id) FILTER (WHERE found.state <> 'dismissed') AS merged,
           array_agg(before.constraint_id) FILTER (WHERE found.state <> 'dismissed') AS origin,
           array_agg(judgment.annotator_id) FILTER (WHERE found.state <> 'dismissed') AS annotators,
           bool_or(tag.slug ~ '(^|/)other($|-)' OR (%(kinds_differ)s AND tag.kind = 'other')) AS has_other,
           count(*) FILTER (WHERE found.id IS NULL) AS loose,
           count(*) FILTER (WHERE found.is_residual) AS residual
    FROM judgments_violation AS violation
    JOIN judgments_judgment AS judgment ON judgment.id = violation.judgment_id
    JOIN campaigns_tag AS tag ON tag.id = violation.tag_id
    LEFT JOIN constraints_member AS member ON member.violation_id = violation.id
    LEFT JOIN constraints_constraint AS found ON found.id = member.constraint_id
    LEFT JOIN LATERAL (
        SELECT moved.constraint_id FROM constraints_actmember AS moved
        JOIN constraints_constraint AS was ON was.id = moved.constraint_id AND was.merged_into_id IS NOT NULL
        WHERE moved.violation_id = violation.id
        ORDER BY moved.act_id
        LIMIT 1
    ) AS before ON true
    WHERE violation.judgment_id = ANY(judged.ids)
) AS marked
ORDER BY judged.first
"""

# Outputs that only programs judged, and those of which no person could tell.
UNDECIDED = f"""
SELECT count(*) FILTER (WHERE NOT by_people), count(*) FILTER (WHERE by_people AND NOT is_decided) FROM (
    SELECT bool_or(annotator.kind = ANY(%(people)s)) AS by_people,
           bool_or(annotator.kind = ANY(%(people)s) AND judgment.verdict <> 'cannot_tell') AS is_decided
    {PEOPLES}
    GROUP BY judgment.output_id
) AS judged
"""

SKIPPED = """
SELECT count(*) FROM queue_queueitem WHERE campaign_id = %(campaign)s AND skip_count > 0 AND judged_count = 0
"""

# Members that came into a constraint after another one was merged into it: which of the two they would have joined is
# not on record. A merge that was taken back does not count.
JOINED = """
WITH merged AS (
    SELECT act.constraint_id, min(act.at) AS at FROM constraints_act AS act
    WHERE act.campaign_id = %(campaign)s AND act.verb = 'merge'
      AND NOT EXISTS (SELECT FROM constraints_act AS undo WHERE undo.undoes_id = act.id)
    GROUP BY act.constraint_id
)
SELECT count(*)
FROM merged JOIN constraints_member AS member ON member.constraint_id = merged.constraint_id
JOIN judgments_violation AS violation ON violation.id = member.violation_id
JOIN judgments_judgment AS judgment ON judgment.id = violation.judgment_id AND judgment.is_current
WHERE judgment.created_at > merged.at
  AND NOT EXISTS (SELECT FROM constraints_actmember AS moved WHERE moved.violation_id = violation.id)
"""

# What stands in each campaign that was judged, in one line: another line means other figures. Judgments are counted
# among the last `margin` too: one may be withdrawn, or become visible after one with a higher id.
STATES = """
SELECT campaign.id, last.id, concat_ws('/', last.id, recent.stored, recent.standing, place.grouped_at::timestamp,
           made.updated_at::timestamp, made.living, approved.revision, probe.drawn_at::timestamp),
       convergence.fingerprint, convergence.computed_at, convergence.seconds
FROM campaigns_campaign AS campaign
CROSS JOIN LATERAL (SELECT max(id) AS id FROM judgments_judgment WHERE campaign_id = campaign.id) AS last
CROSS JOIN LATERAL (
    SELECT count(*) AS stored, count(*) FILTER (WHERE is_current) AS standing
    FROM judgments_judgment AS judgment
    WHERE judgment.campaign_id = campaign.id AND judgment.id > last.id - %(margin)s
) AS recent
CROSS JOIN LATERAL (
    SELECT max(updated_at) AS updated_at, count(*) FILTER (WHERE state <> 'retired') AS living
    FROM constraints_constraint WHERE campaign_id = campaign.id
) AS made
CROSS JOIN LATERAL (
    SELECT max(revision) AS revision FROM constraints_constraintset WHERE campaign_id = campaign.id
) AS approved
LEFT JOIN constraints_grouping AS place ON place.campaign_id = campaign.id
LEFT JOIN constraints_probe AS probe ON probe.campaign_id = campaign.id
LEFT JOIN constraints_convergence AS convergence ON convergence.campaign_id = campaign.id
WHERE last.id IS NOT NULL AND (%(campaign)s::bigint IS NULL OR campaign.id = %(campaign)s)
ORDER BY campaign.id
"""

# The same outputs every time they are asked for, near ids apart: by a hash of the id that is nobody's choice.
SCATTERED_BATCH = """
SELECT id FROM intake_output WHERE batch_id = %(batch)s ORDER BY md5(%(campaign)s || ':' || id), id LIMIT %(at_most)s
"""

SCATTERED_REVIEWED = f"""
SELECT judged.output_id
FROM (
    SELECT DISTINCT judgment.output_id
    {PEOPLES} AND NOT judgment.is_assisted
      AND judgment.verdict IN ('rejected', 'nothing_wrong') AND annotator.kind = ANY(%(people)s)
) AS judged
JOIN intake_output AS output ON output.id = judged.output_id
JOIN intake_importbatch AS batch ON batch.id = output.batch_id AND batch.purpose = 'annotate'
LEFT JOIN queue_queueitem AS item ON item.output_id = judged.output_id
LEFT JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
WHERE coalesce(shelf.priority, 0) = 0
ORDER BY md5(%(campaign)s || ':' || judged.output_id), judged.output_id
LIMIT %(at_most)s
"""

EXISTING = "SELECT id FROM intake_output WHERE id = ANY(%(outputs)s::bigint[]) ORDER BY id"

# What each version said of these outputs: an index look-up for each pair.
LOOKED = """
SELECT version.id, said.count, said.marked
FROM unnest(%(versions)s::bigint[]) AS version(id)
CROSS JOIN LATERAL (
    SELECT count(*) AS count, array_agg(result.output_id) FILTER (WHERE result.violated) AS marked
    FROM constraints_checkresult AS result
    WHERE result.version_id = version.id AND result.output_id = ANY(%(outputs)s::bigint[])
) AS said
"""

MISSING = """
SELECT version.id FROM unnest(%(versions)s::bigint[]) AS version(id)
WHERE NOT EXISTS (
    SELECT FROM constraints_checkresult AS result
    WHERE result.version_id = version.id AND result.output_id = %(output)s
)
ORDER BY version.id
"""
