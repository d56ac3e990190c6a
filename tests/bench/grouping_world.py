"""Campaigns of any size for the measurements of grouping: violations of eight tags, with planted kinds of complaints.

Each tag has 40 kinds, a fifth of its violations are unlike anything. Two violations a judgment, one judgment an output.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import accumulate

from django.db import connection

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import actions as campaigns
from annotate.campaigns.models import Campaign, Tag
from annotate.campaigns.tags import TagDraft
from annotate.intake.models import ImportBatch, Prompt

SHARES = (30, 20, 15, 10, 10, 5, 5, 5)
"""Per cent of the violations that are of each tag."""
KINDS = 40
STEP = 50_000
WORDS = [
    a + b + c for a in ("ba", "ke", "li", "mo", "nu", "ra") for b in "dfgklmnprst" for c in ("an", "er", "in", "os")
]

_JUDGED = """
WITH stored AS (
    INSERT INTO intake_output
        (campaign_id, batch_id, prompt_id, text, text_sha256, content_key, external_id, model, meta, created_at)
    SELECT %(campaign)s, %(batch)s, %(prompt)s, 'Answer ' || n, repeat('0', 64),
           encode(sha256(('o' || n)::bytea), 'hex'), '', '', '{}', now()
    FROM generate_series(%(begin)s, %(end)s - 1) AS n RETURNING id
)
INSERT INTO judgments_judgment (campaign_id, output_id, annotator_id, tag_set_id, revision, is_current, is_surplus,
    verdict, comment, prompt_shown, idempotency_key, created_at)
SELECT %(campaign)s, id, %(annotator)s, %(tag_set)s, 1, true, false, 'rejected', '', 'as_written', gen_random_uuid(),
       now()
FROM stored RETURNING id
"""
_COPY = """
COPY judgments_violation
    (judgment_id, tag_id, position, scope, severity, quote, text_sha256, critique, correction, source) FROM STDIN
"""


class World:
    """One campaign that grows; the same on every run."""

    def __init__(self) -> None:
        now = clock.now()
        self.by = User.objects.get_or_create(username="bench")[0]
        drafts = [TagDraft(name=f"Tag {number}", severity_rule="optional") for number in range(len(SHARES))]
        slug = f"bench-{time.time_ns()}"
        self.campaign: Campaign = campaigns.create(by=self.by, slug=slug, name="Bench", tags=drafts, now=now)
        batch = ImportBatch.objects.create(
            campaign=self.campaign, source="file", name="rows", state="done", created_at=now, updated_at=now
        )
        prompt = Prompt.objects.create(campaign=self.campaign, sha256="0" * 64, text="Question?")
        tags = Tag.objects.filter(tag_set__campaign=self.campaign).order_by("id")
        self._tags = [tag.pk for tag in tags]
        self._ids = {"campaign": self.campaign.pk, "batch": batch.pk, "prompt": prompt.pk, "annotator": self.by.pk}
        self._ids |= {"tag_set": tags[0].tag_set_id}
        self._pick, self._outputs = random.Random(0), 0
        self._said = [[" ".join(self._pick.sample(WORDS, 6)) for _ in range(KINDS)] for _ in SHARES]

    def add(self, violations: int) -> None:
        """Store so many more, 50,000 at a time."""
        for begin in range(0, violations, STEP):
            self._add(min(STEP, violations - begin) // 2)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def _add(self, judgments: int) -> None:
        values = {**self._ids, "begin": self._outputs, "end": self._outputs + judgments}
        self._outputs += judgments
        with connection.cursor() as cursor:
            cursor.execute(_JUDGED, values)
            ids = [id_ for (id_,) in cursor.fetchall()]
            with cursor.copy(_COPY) as copy:
                for judgment_id in ids:
                    for position in range(2):
                        copy.write_row((judgment_id, *self._violation(position)))

    def _violation(self, position: int) -> Iterator[object]:
        pick = self._pick
        [tag] = pick.choices(range(len(SHARES)), cum_weights=list(accumulate(SHARES)))
        is_odd, kind = pick.random() < 0.2, pick.randrange(KINDS)
        said = " ".join(pick.sample(WORDS, 8)) if is_odd else f"{self._said[tag][kind]} {pick.choice(WORDS)}"
        source = json.dumps({} if is_odd else {"kind": kind})
        quote = " ".join(pick.choices(WORDS, k=3))
        yield from (self._tags[tag], position, "whole", "", quote, "0" * 64, said, pick.choice(WORDS), source)
