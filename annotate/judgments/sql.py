"""The statements of a submit: what stands, and what is stored."""

# The tag set in force, beside each judgment that the annotator has of the output or that the key has made.
STANDING = """
SELECT (SELECT id FROM campaigns_tagset WHERE campaign_id = %(campaign)s ORDER BY version DESC LIMIT 1),
       judgment.id, judgment.revision, judgment.is_current, judgment.idempotency_key,
       judgment.output_id = %(output)s AND judgment.annotator_id = %(annotator)s
FROM (VALUES (1)) AS always
LEFT JOIN judgments_judgment AS judgment
    ON judgment.output_id = %(output)s AND judgment.annotator_id = %(annotator)s
    OR judgment.idempotency_key = %(key)s
ORDER BY judgment.revision
"""

STORE = """
WITH judgment AS (
    INSERT INTO judgments_judgment (campaign_id, output_id, annotator_id, tag_set_id, revision, is_current, is_surplus,
        verdict, comment, prompt_shown, idempotency_key, seconds, created_at)
    VALUES (%(campaign)s, %(output)s, %(annotator)s, %(tag_set)s, %(revision)s, true, %(is_surplus)s,
        %(verdict)s, %(comment)s, %(prompt_shown)s, %(key)s, %(seconds)s, %(now)s)
    RETURNING id
), violations AS (
    INSERT INTO judgments_violation (judgment_id, tag_id, "position", scope, severity, "start", "end", quote,
        text_sha256, critique, correction, source)
    SELECT judgment.id, given.tag, given."position", given.scope, given.severity, given."start", given."end",
           given.quote, %(text_sha256)s, given.critique, given.correction, given.source
    FROM judgment, jsonb_to_recordset(%(violations)s) AS given(
        tag bigint, "position" smallint, scope text, severity text, "start" integer, "end" integer, quote text,
        critique text, correction text, source jsonb
    )
)
SELECT id FROM judgment
"""
