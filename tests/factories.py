"""Rows for tests: plain functions, every argument optional, nothing random. Times are NOW unless a test says else."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from annotate.accounts.models import User
from annotate.campaigns import actions as campaigns
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Membership, Tag
from annotate.campaigns.tags import TagDraft
from annotate.intake.models import ImportBatch, Output, Prompt
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions as queue
from annotate.queue.models import QueueItem

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
TAGS = (
    TagDraft(name="Invented fact", kind="factual", key="1", severity_rule="required", span_rule="optional"),
    TagDraft(name="Contradicts itself", kind="logical", key="2", severity_rule="optional", span_rule="optional"),
    TagDraft(name="Ignores instruction", kind="format", key="3", severity_rule="optional", span_rule="optional"),
)
_numbers = itertools.count(1)


def user(username: str = "", *, password: str = "", **fields: Any) -> User:
    """A person (kind=...), who can sign in with `password` only when one is given: hashing is slow."""
    username = username or f"user{next(_numbers)}"
    made = User(username=username, name=fields.pop("name", username.capitalize()), **fields)
    if password:
        made.set_password(password)
    else:
        made.set_unusable_password()
    made.save()
    return made


def superuser(username: str = "", **fields: Any) -> User:
    return user(username, is_staff=True, is_superuser=True, **fields)


def campaign(
    slug: str = "", *, by: User | None = None, tags: Sequence[TagDraft] = TAGS, overlap: int = 1, **fields: Any
) -> Campaign:
    """An active campaign with version 1 of its tag set; `by` (made if missing) is its admin."""
    slug = slug or f"campaign-{next(_numbers)}"
    name = fields.pop("name", slug.replace("-", " ").capitalize())
    return campaigns.create(by=by or user(), slug=slug, name=name, tags=tags, overlap=overlap, now=NOW, **fields)


def admin_of(campaign: Campaign) -> User:
    """Who made the campaign."""
    assert campaign.created_by is not None
    return campaign.created_by


def member(campaign: Campaign, role: str = "annotator", *, user: User | None = None) -> User:
    """A person with a role in the campaign."""
    person = user or globals()["user"]()
    Membership.objects.create(campaign=campaign, user=person, role=role, created_at=NOW)
    return person


def tag(campaign: Campaign, slug: str = "invented-fact") -> Tag:
    """A tag of the version in force."""
    return campaign_queries.current_tag_set(campaign=campaign).tags.get(slug=slug)


def batch(campaign: Campaign, **fields: Any) -> ImportBatch:
    """A finished import."""
    values: dict[str, Any] = {"source": "file", "name": "outputs.jsonl", "state": "done", **fields}
    return ImportBatch.objects.create(campaign=campaign, created_at=NOW, updated_at=NOW, **values)


def prompt(campaign: Campaign, text: str = "") -> Prompt:
    text = text or f"Question {next(_numbers)}?"
    made, _ = Prompt.objects.get_or_create(campaign=campaign, sha256=_sha256(text), defaults={"text": text})
    return made


def output(
    campaign: Campaign,
    text: str = "",
    *,
    prompt: Prompt | str | None = None,
    batch: ImportBatch | None = None,
    is_queued: bool = True,
    **fields: Any,
) -> Output:
    """A stored output, in the queue with the campaign's overlap unless told otherwise."""
    text = text or f"Answer {next(_numbers)}: Bloom was released in 2018."
    asked = prompt if isinstance(prompt, Prompt) else globals()["prompt"](campaign, prompt or "")
    batch = batch or campaign.batches.order_by("pk").first() or globals()["batch"](campaign)
    key = _sha256(f"{asked.pk} {text} {fields.get('model', '')}")
    made = Output.objects.create(
        campaign=campaign,
        batch=batch,
        prompt=asked,
        text=text,
        text_sha256=_sha256(text),
        content_key=fields.pop("content_key", key),
        created_at=NOW,
        **fields,
    )
    ImportBatch.objects.filter(pk=batch.pk).update(new_count=batch.outputs.count())
    if is_queued:
        queue.enqueue(campaign=campaign, output_ids=[made.pk], now=NOW)
        QueueItem.objects.filter(output=made).update(order_key=made.pk)  # given out in the order they were made
    return made


def outputs(
    campaign: Campaign,
    *texts: str,
    prompt: Prompt | str = "",
    is_queued: bool = True,
    is_gold: bool = False,
    model: str = "secret-model-7b",
) -> list[Output]:
    """Outputs of a batch of their own, stored at once; in the queue in the order that their ids make by chance."""
    asked = prompt if isinstance(prompt, Prompt) else globals()["prompt"](campaign, prompt)
    made_in = batch(campaign, new_count=len(texts), **({"purpose": "gold"} if is_gold else {}))
    made = Output.objects.bulk_create(
        Output(
            campaign=campaign,
            batch=made_in,
            prompt=asked,
            text=text,
            text_sha256=_sha256(text),
            content_key=_sha256(f"{made_in.pk}:{number}:{text}"),
            model=model,
            created_at=NOW,
        )
        for number, text in enumerate(texts)
    )
    if is_queued:
        queue.enqueue(campaign=campaign, output_ids=[output.pk for output in made], now=NOW, is_gold=is_gold)
    return made


def judgment(
    output: Output,
    verdict: str = "rejected",
    *,
    annotator: User | None = None,
    violations: Sequence[dict[str, Any]] = ({},),
    **fields: Any,
) -> Judgment:
    """A current judgment; its queue item counts it. `violations` are used only when it rejects."""
    tag_set = campaign_queries.current_tag_set(campaign=output.campaign)
    made = Judgment.objects.create(
        campaign=output.campaign,
        output=output,
        annotator=annotator or user(),
        tag_set=tag_set,
        verdict=verdict,
        created_at=fields.pop("created_at", NOW),
        **fields,
    )
    if verdict == "rejected":
        for position, values in enumerate(violations):
            violation(made, position=position, **values)
    item = QueueItem.objects.filter(output=output).first()
    if item is not None and item.taken_count < item.overlap:
        item.taken_count += 1
        item.judged_count += 1
        item.save()
    return made


def violation(judgment: Judgment, *, tag: str | Tag = "invented-fact", **fields: Any) -> Violation:
    """A violation of the whole output, or of the span when `start` and `end` are given."""
    text = judgment.output.text
    start, end = fields.get("start"), fields.get("end")
    has_span = start is not None and end is not None
    values: dict[str, Any] = {
        "scope": "span" if has_span else "whole",
        "severity": "major",
        "quote": text[start:end] if has_span else "",
        "critique": "This is not so.",
        **fields,
    }
    found = tag if isinstance(tag, Tag) else judgment.tag_set.tags.get(slug=tag)
    return Violation.objects.create(judgment=judgment, tag=found, text_sha256=judgment.output.text_sha256, **values)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
