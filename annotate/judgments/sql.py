"""The statements of a submit: what stands, and what is stored."""

from annotate.queue import sql as queue_sql

# The judgments that the annotator has of the output.
STANDING = """
SELECT id, revision, is_current, is_surplus, idempotency_key
FROM judgments_judgment WHERE output_id = %(output)s AND annotator_id = %(annotator)s
ORDER BY revision
"""

# Stores nothing, and returns nothing, when the key has made another judgment.
STORE = """
WITH {closing}, judgment AS (
    INSERT INTO judgments_judgment (campaign_id, output_id, annotator_id, tag_set_id, revision, is_current, is_surplus,
        is_assisted, verdict, comment, prompt_shown, idempotency_key, seconds, created_at)
    SELECT %(campaign)s, %(output)s, %(annotator)s, %(tag_set)s, closed.revision, true,
        COALESCE(%(was_surplus)s, NOT closed.has_slot),
        %(is_assisted)s, %(verdict)s, %(comment)s, %(prompt_shown)s, %(key)s, %(seconds)s, %(now)s
    FROM closed
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, revision, is_surplus
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
SELECT id, revision, is_surplus FROM judgment
"""


def store() -> str:
    """Return the statement that closes a lease and stores its judgment."""
    return STORE.format(closing=queue_sql.CLOSING)
