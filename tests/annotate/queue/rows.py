"""Rows that the tests of leases and judgments stand on: tests.factories with tags that have every rule."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.campaigns.tags import TagDraft
from annotate.intake.models import Output
from annotate.judgments import actions as judgment_actions
from annotate.queue.models import Lease
from tests import factories

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TAGS = (
    TagDraft(slug="invented", name="invented fact", kind="factual", key="1"),
    TagDraft(slug="ignores", name="ignores instruction", kind="format", key="2"),
    TagDraft(
        slug="needs-span",
        name="wrong number",
        kind="factual",
        key="3",
        span_rule="required",
        severity_rule="optional",
    ),
    TagDraft(slug="no-span", name="rude tone", key="4", span_rule="none", severity_rule="none"),
)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(username: str, *, campaign: Campaign | None = None, role: str = "annotator") -> User:
    user = factories.user(username, password="a long enough password")
    return user if campaign is None else factories.member(campaign, role, user=user)


def campaign(
    slug: str = "answers", *, overlap: int = 1, tags: bool = True, gold_share: int = 0, **fields: Any
) -> Campaign:
    fields = {"name": "Helpdesk answers", **fields}
    if not tags:
        return Campaign.objects.create(slug=slug, overlap=overlap, gold_share=gold_share, created_at=NOW, **fields)
    made = factories.campaign(slug, tags=TAGS, overlap=overlap, **fields)
    made.gold_share = gold_share  # tests may ask for more than people may
    made.save()
    return made


def outputs(
    campaign: Campaign, *texts: str, queued: bool = True, prompt: str = "Who was it?", **more: Any
) -> list[Output]:
    return factories.outputs(campaign, *texts, prompt=prompt, is_queued=queued, **more)


def judge(lease: Lease, annotator: User) -> None:
    judgment_actions.submit(
        token=lease.token, annotator=annotator, verdict="nothing_wrong", violations=[], idempotency_key=uuid4(), now=NOW
    )


def statements(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in captured.captured_queries if "SAVEPOINT" not in query["sql"]]
