"""Rows that the tests of leases and judgments stand on."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership, Tag, TagSet
from annotate.intake.models import ImportBatch, Output, Prompt
from annotate.queue import actions

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(username: str, *, campaign: Campaign | None = None, role: str = "annotator") -> User:
    user = User.objects.create_user(username=username, password="a long enough password", name=username.title())
    if campaign is not None:
        Membership.objects.create(campaign=campaign, user=user, role=role, created_at=NOW)
    return user


def campaign(slug: str = "answers", *, overlap: int = 1, tags: bool = True) -> Campaign:
    made = Campaign.objects.create(slug=slug, name="Helpdesk answers", overlap=overlap, created_at=NOW)
    if tags:
        tag_set = TagSet.objects.create(campaign=made, version=1, created_at=NOW)
        Tag.objects.create(tag_set=tag_set, slug="invented", name="invented fact", kind="factual", key="1", position=0)
        Tag.objects.create(
            tag_set=tag_set, slug="ignores", name="ignores instruction", kind="format", key="2", position=1
        )
        Tag.objects.create(
            tag_set=tag_set,
            slug="needs-span",
            name="wrong number",
            kind="factual",
            key="3",
            span_rule="required",
            severity_rule="optional",
            position=2,
        )
        Tag.objects.create(
            tag_set=tag_set,
            slug="no-span",
            name="rude tone",
            kind="other",
            key="4",
            span_rule="none",
            severity_rule="none",
            position=3,
        )
    return made


def outputs(campaign: Campaign, *texts: str, queued: bool = True, prompt: str = "Who was it?") -> list[Output]:
    batch = ImportBatch.objects.create(
        campaign=campaign, source="file", name="rows.jsonl", state="done", created_at=NOW, updated_at=NOW
    )
    asked, _ = Prompt.objects.get_or_create(campaign=campaign, sha256=sha256(prompt), defaults={"text": prompt})
    made = Output.objects.bulk_create(
        Output(
            campaign=campaign,
            batch=batch,
            prompt=asked,
            text=text,
            text_sha256=sha256(text),
            content_key=sha256(f"{batch.pk}:{number}:{text}"),
            model="secret-model-7b",
            created_at=NOW,
        )
        for number, text in enumerate(texts)
    )
    if queued:
        actions.enqueue(campaign=campaign, output_ids=[output.pk for output in made], now=NOW)
    return made
