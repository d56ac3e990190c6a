"""The statements that store a chunk. The session's staging table is emptied by every commit and before every chunk."""

from __future__ import annotations

STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS intake_staging (
        place integer NOT NULL,
        prompt_sha256 text NOT NULL,
        prompt text NOT NULL,
        messages jsonb NOT NULL,
        twins jsonb NOT NULL,
        content_key text NOT NULL,
        text text NOT NULL,
        text_sha256 text NOT NULL,
        external_id text NOT NULL,
        model text NOT NULL,
        meta jsonb NOT NULL
    ) ON COMMIT DELETE ROWS
"""
EMPTY_STAGING = "TRUNCATE intake_staging"
COPY_STAGING = """
    COPY intake_staging (
        place, prompt_sha256, prompt, messages, twins, content_key, text, text_sha256, external_id, model, meta
    ) FROM STDIN
"""

# Told apart from what is there first, so that importing again does not burn through ids. `campaign_id + 0` keeps the
# planner off the index by campaign: while a new campaign is being filled, its statistics say that it is empty.
INSERT_PROMPTS = """
    INSERT INTO intake_prompt (campaign_id, sha256, text, messages, twins)
    SELECT DISTINCT ON (s.prompt_sha256) %(campaign)s, s.prompt_sha256, s.prompt, s.messages, s.twins
    FROM intake_staging s
    WHERE NOT EXISTS (
        SELECT FROM intake_prompt p WHERE p.campaign_id = %(campaign)s AND p.sha256 = s.prompt_sha256
    )
    ORDER BY s.prompt_sha256, s.twins = '{}', s.place
    ON CONFLICT DO NOTHING
"""
# Of each kind of twin the first one counts, in the file and before it; a prompt that has none yet gets it.
ADD_TWINS = """
    UPDATE intake_prompt p SET twins = t.twins || p.twins
    FROM (
        SELECT prompt_sha256, jsonb_object_agg(stance, twin) AS twins, array_agg(stance) AS stances
        FROM (
            SELECT DISTINCT ON (s.prompt_sha256, e.key) s.prompt_sha256, e.key AS stance, e.value AS twin
            FROM intake_staging s, jsonb_each(s.twins) e
            ORDER BY s.prompt_sha256, e.key, s.place
        ) AS each_kind
        GROUP BY prompt_sha256
    ) AS t
    WHERE p.campaign_id = %(campaign)s AND p.sha256 = t.prompt_sha256 AND NOT p.twins ?& t.stances
"""
INSERT_OUTPUTS = """
    INSERT INTO intake_output
        (campaign_id, batch_id, prompt_id, text, text_sha256, content_key, external_id, model, meta, created_at)
    SELECT %(campaign)s, %(batch)s, p.id, s.text, s.text_sha256, s.content_key, s.external_id, s.model, s.meta, %(now)s
    FROM (SELECT DISTINCT ON (content_key) * FROM intake_staging ORDER BY content_key, place) s
    JOIN intake_prompt p ON p.campaign_id = %(campaign)s AND p.sha256 = s.prompt_sha256
    WHERE NOT EXISTS (
        SELECT FROM intake_output o WHERE o.content_key = s.content_key AND o.campaign_id + 0 = %(campaign)s
    )
    ORDER BY s.place
    ON CONFLICT DO NOTHING
    RETURNING id
"""
STORED = """
    SELECT s.place, o.id, o.text_sha256 = s.text_sha256 AND p.sha256 = s.prompt_sha256, b.purpose = 'gold'
    FROM intake_staging s
    JOIN intake_output o ON o.content_key = s.content_key AND o.campaign_id + 0 = %(campaign)s
    JOIN intake_prompt p ON p.id = o.prompt_id
    JOIN intake_importbatch b ON b.id = o.batch_id
    ORDER BY s.place
"""

TRY_LOCK = "SELECT pg_try_advisory_lock(%s, %s)"
UNLOCK = "SELECT pg_advisory_unlock(%s, %s)"
WAIT_FOR_TURN = "SELECT pg_advisory_xact_lock(%s, %s)"
