"""Every write of judgments by their annotators. Imported judgments are written by `imports`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from annotate.accounts.models import User
from annotate.campaigns.models import Tag, TagSet
from annotate.errors import RuleError
from annotate.judgments import drafts, queries
from annotate.judgments.drafts import Problem, ViolationDraft
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions as queue_actions
from annotate.queue.models import Lease

DRAFT_LIMIT_BYTES = 500_000


class NotComplete(RuleError):
    """The judgment breaks a rule of its tags or verdict; `problems` has every reason, the message all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(map(str, problems)), field=problems[0].field)
        self.problems = list(problems)


class KeyUsedElsewhere(RuleError):
    """The idempotency key belongs to a judgment of another output or person."""


class DraftChanged(RuleError):
    """Another tab or device saved the draft in between. `version` is the one stored now."""

    def __init__(self, message: str, *, version: int) -> None:
        super().__init__(message)
        self.version = version


@transaction.atomic
def submit(  # noqa: PLR0913 - what a judgment is made of
    *,
    token: uuid.UUID,
    annotator: User,
    verdict: str,
    violations: Sequence[ViolationDraft],
    idempotency_key: uuid.UUID,
    now: datetime,
    comment: str = "",
) -> Judgment:
    """Store the annotator's verdict with its violations and close the lease, in eight statements.

    The same key again returns the first judgment and changes nothing. Another key on the same lease is a change of
    mind: it appends a revision, which becomes the current one. Work that comes after the lease ran out is kept; it is
    surplus when others took every slot meanwhile. Raises NotFound for a lease that is not theirs, NotComplete with
    every broken rule, KeyUsedElsewhere.
    """
    lease = queue_actions.hold(token=token, annotator=annotator)
    earlier, same = _earlier(lease, idempotency_key)
    if same is not None:
        return same
    tags = queries.tags_in_force(campaign=lease.campaign)
    _check(verdict, violations, comment, lease.output.text, tags)
    previous = earlier[0] if earlier else None
    if previous is not None:
        Judgment.objects.filter(output_id=lease.output_id, annotator=annotator).update(is_current=False)
    is_surplus = queue_actions.close_submitted(lease=lease, now=now)
    judgment = Judgment(
        campaign=lease.campaign,
        output=lease.output,
        annotator=annotator,
        tag_set=_tag_set(lease, tags),
        revision=previous.revision + 1 if previous else 1,
        is_surplus=previous.is_surplus if previous else is_surplus,
        verdict=verdict,
        comment=comment.strip(),
        idempotency_key=idempotency_key,
        seconds=max(0, int((now - lease.leased_at).total_seconds())),
        created_at=now,
    )
    _store(judgment, violations, tags)
    return judgment


@transaction.atomic
def save_draft(*, token: uuid.UUID, annotator: User, payload: Mapping[str, Any], version: int, now: datetime) -> Lease:
    """Keep what is marked so far. `version` is the one the change was made on: 0 when there was none yet.

    The same change again, as a page sends it that was left while saving, changes nothing. The lease runs its full time
    from now. Raises DraftChanged when another tab saved in between, NotFound for a lease
    that is not theirs, RuleError when the draft is too large.
    """
    if len(json.dumps(payload)) > DRAFT_LIMIT_BYTES:
        raise RuleError("This draft is too large to keep. Shorten the critiques, or remove some violations.")
    lease = queue_actions.hold(token=token, annotator=annotator)
    if lease.draft_version == version + 1 and lease.draft == payload:
        return lease
    if lease.draft_version != version:
        raise DraftChanged(
            "This output was changed in another tab or on another device. Reload the page to see the newer marks.",
            version=lease.draft_version,
        )
    queue_actions.keep_draft(lease=lease, draft=dict(payload), now=now)
    return lease


def _earlier(lease: Lease, key: uuid.UUID) -> tuple[list[Judgment], Judgment | None]:
    """Return the annotator's judgments of the output, newest first, and the one that the key has already made."""
    mine = Q(output_id=lease.output_id, annotator_id=lease.annotator_id)
    found = list(Judgment.objects.filter(mine | Q(idempotency_key=key)).order_by("-revision"))
    same = next((judgment for judgment in found if judgment.idempotency_key == key), None)
    if same and (same.output_id, same.annotator_id) != (lease.output_id, lease.annotator_id):
        raise KeyUsedElsewhere("This form was already used for another output. Open the work page again.")
    return found, same


def _check(verdict: str, violations: Sequence[ViolationDraft], comment: str, text: str, tags: Sequence[Tag]) -> None:
    problems = drafts.check_verdict(verdict=verdict, drafts=violations, comment=comment)
    problems += drafts.check(violations, text, tags)
    if problems:
        raise NotComplete(problems)


def _tag_set(lease: Lease, tags: Sequence[Tag]) -> TagSet:
    if tags:
        return tags[0].tag_set
    newest = TagSet.objects.filter(campaign=lease.campaign).order_by("-version").first()
    if newest is None:
        raise RuleError("This campaign has no tag set yet. An admin must save one before anything can be judged.")
    return newest


def _store(judgment: Judgment, violations: Sequence[ViolationDraft], tags: Sequence[Tag]) -> None:
    by_slug = {tag.slug: tag for tag in tags}
    judgment.save(force_insert=True)
    output = judgment.output
    Violation.objects.bulk_create(
        [
            Violation(
                judgment=judgment,
                tag=by_slug[draft.tag_slug],
                position=position,
                scope=draft.scope,
                severity=draft.severity,
                start=draft.start,
                end=draft.end,
                quote="" if draft.start is None else output.text[draft.start : draft.end],
                text_sha256=output.text_sha256,
                critique=draft.critique.strip(),
                correction=draft.correction,
                source=dict(draft.source),
            )
            for position, draft in enumerate(violations)
        ]
    )
