"""Campaigns of any size, filled by SQL, for the measurements of the queue."""

from __future__ import annotations

import time

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection

from annotate import clock
from annotate.accounts.models import User
from annotate.accounts.sessions import SessionStore
from annotate.campaigns import actions as campaigns
from annotate.campaigns.models import Campaign
from annotate.campaigns.tags import TagDraft
from annotate.intake.models import ImportBatch
from annotate.queue import actions
from annotate.queue.models import Shelf

TAGS = (TagDraft(name="Invented fact"), TagDraft(name="Ignores instruction", severity_rule="optional"))
STEP = 50_000

# A prompt of 60 words for four outputs of 180 words each.
PROMPTS = """
INSERT INTO intake_prompt (campaign_id, sha256, text, messages, twins)
SELECT %(campaign)s, encode(sha256(('p' || n)::bytea), 'hex'), 'Question ' || n || '? ' || repeat('context ', 58),
       '[]', '{}'
FROM generate_series(%(begin)s, %(end)s - 1) AS n WHERE n %% 4 = 0
"""
OUTPUTS = """
WITH stored AS (
    INSERT INTO intake_output
        (campaign_id, batch_id, prompt_id, text, text_sha256, content_key, external_id, model, meta, created_at)
    SELECT %(campaign)s, %(batch)s, prompt.id, 'Answer ' || n || ' ' || repeat('word ', 178), repeat('0', 64),
           encode(sha256(('o' || n)::bytea), 'hex'), '', 'model', '{}', now()
    FROM generate_series(%(begin)s, %(end)s - 1) AS n
    JOIN intake_prompt AS prompt
        ON prompt.campaign_id = %(campaign)s AND prompt.sha256 = encode(sha256(('p' || n - n %% 4)::bytea), 'hex')
    RETURNING id
)
INSERT INTO queue_queueitem
    (output_id, campaign_id, shelf_id, round, order_key, overlap, taken_count, judged_count, skip_count,
     is_set_aside)
SELECT id, %(campaign)s, %(shelf)s, 1, hashint8extended(id, 0), %(overlap)s, 0, 0, 0, false FROM stored
"""
# The history of somebody who judged the first outputs of the queue, each while two more judgments are wanted.
HISTORY = """
WITH done AS (
    SELECT output_id FROM queue_queueitem WHERE campaign_id = %(campaign)s ORDER BY round, order_key LIMIT %(count)s
), leased AS (
    INSERT INTO queue_lease
        (token, campaign_id, output_id, annotator_id, state, skip_reason, stance, draft_version, revision,
         leased_at, expires_at, closed_at)
    SELECT gen_random_uuid(), %(campaign)s, output_id, %(annotator)s, 'submitted', '', 'as_written', 0, 1,
           now(), now(), now()
    FROM done
), judged AS (
    INSERT INTO judgments_judgment (campaign_id, output_id, annotator_id, tag_set_id, revision, is_current, is_surplus,
        verdict, comment, prompt_shown, idempotency_key, created_at)
    SELECT %(campaign)s, output_id, %(annotator)s, %(tag_set)s, 1, true, false, 'nothing_wrong', '', 'as_written',
           gen_random_uuid(), now() - interval '2 days'
    FROM done
)
UPDATE queue_queueitem AS item SET taken_count = 1, judged_count = 1 FROM done WHERE item.output_id = done.output_id
"""


def filled(*, outputs: int, overlap: int) -> Campaign:
    """A new campaign with this many outputs in its queue, vacuumed and analyzed."""
    by = User.objects.get_or_create(username="bench")[0]
    slug = f"bench-{time.time_ns()}"
    campaign = campaigns.create(by=by, slug=slug, name="Bench", tags=TAGS, now=clock.now(), overlap=overlap)
    now = clock.now()
    batch = ImportBatch.objects.create(
        campaign=campaign, source="file", name="rows.jsonl", state="done", created_at=now, updated_at=now
    )
    actions.enqueue(campaign=campaign, output_ids=[], now=now)
    shelf = Shelf.objects.get(campaign=campaign, is_front=False)
    ids = {"campaign": campaign.pk, "batch": batch.pk, "shelf": shelf.pk, "overlap": overlap}
    with connection.cursor() as cursor:
        for begin in range(0, outputs, STEP):
            chunk = {**ids, "begin": begin, "end": min(begin + STEP, outputs)}
            cursor.execute(PROMPTS, chunk)
            if begin == 0:
                cursor.execute("ANALYZE intake_prompt")
            cursor.execute(OUTPUTS, chunk)
        cursor.execute("VACUUM ANALYZE")
    return campaign


def member(campaign: Campaign, name: str) -> User:
    user = User.objects.create(username=f"{name}-{campaign.slug}", name=name)
    campaigns.add_member(campaign=campaign, user=user, role="annotator", now=clock.now())
    return user


def give_history(*, campaign: Campaign, annotator: User, judgments: int) -> None:
    tag_set = campaign.tag_sets.get().pk
    arguments = {"campaign": campaign.pk, "annotator": annotator.pk, "count": judgments, "tag_set": tag_set}
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, arguments)
        cursor.execute("UPDATE queue_shelf SET sealed = 1 WHERE campaign_id = %s AND NOT is_front", [campaign.pk])
        cursor.execute("VACUUM ANALYZE")


def session(user: User) -> str:
    """The cookie of somebody who has signed in."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)
