"""Every write of judgments by their annotators. Imported judgments are written by `imports`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Tag
from annotate.errors import RuleError
from annotate.judgments import drafts, queries, sql
from annotate.judgments.drafts import Problem, ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
from annotate.queue import queries as queue_queries
from annotate.queue.models import Lease

DRAFT_LIMIT_BYTES = 500_000
UNDO_WITHIN = timedelta(seconds=10)
UNDO_GRACE = timedelta(seconds=2)  # for the way from the annotator's key to us


@dataclass(frozen=True)
class Seen:
    """What a page knew of an output: itself (`key`), the draft's version and the current judgment's revision."""

    key: uuid.UUID | str | None = None
    version: int = 0
    revision: int = 0


class NotComplete(RuleError):
    """The judgment breaks a rule of its tags or verdict; `problems` has every reason, the message all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(map(str, problems)), field=problems[0].field)
        self.problems = list(problems)


class KeyUsedElsewhere(RuleError):
    """The idempotency key belongs to a judgment of another output or person."""


class ChangedElsewhere(RuleError):
    """Another tab or device marked this output in between. `marked` is what it left, under `version`."""

    def __init__(self, message: str, *, marked: Mapping[str, Any], version: int) -> None:
        super().__init__(message)
        self.marked, self.version = marked, version


class JudgedElsewhere(RuleError):
    """Another tab or device submitted this output in between, otherwise. `judgment` is the current one."""

    def __init__(self, message: str, *, judgment: Judgment) -> None:
        super().__init__(message)
        self.judgment = judgment


class TooLate(RuleError):
    """The submit can no longer be taken back."""


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
    seen: Seen | None = None,
) -> Judgment:
    """Store the annotator's verdict with its violations and close the lease, in four statements.

    The same key again returns the first judgment and changes nothing. Another key on the same lease is a change of
    mind: it appends a revision, which becomes the current one. `seen` is what a page had before it when its annotator
    submitted: what another page marked or submitted since is never replaced unasked. Work that comes after the lease
    ran out is kept; it is surplus when others took every slot meanwhile.

    Raises NotFound for a lease that is not theirs, NotComplete with every broken rule, KeyUsedElsewhere,
    ChangedElsewhere, JudgedElsewhere.
    """
    lease = queue_actions.hold(token=token, annotator=annotator)
    standing = _standing(lease, idempotency_key)
    if standing.same is not None:
        return Judgment.objects.get(pk=standing.same)
    tags = campaign_queries.tags_of(tag_set_id=standing.tag_set)
    _check(verdict, violations, comment, lease.output.text, tags)
    if seen is not None and (again := _unless_seen(lease, standing, seen, verdict, violations, comment)):
        return again
    previous = Judgment.objects.get(pk=standing.current) if standing.current else None
    if previous is not None:
        Judgment.objects.filter(pk=previous.pk).update(is_current=False)
    is_surplus = queue_actions.close_submitted(lease=lease, now=now)
    judgment = Judgment(
        campaign=lease.campaign,
        output=lease.output,
        annotator=annotator,
        tag_set_id=standing.tag_set,
        revision=standing.revision + 1,
        is_surplus=previous.is_surplus if previous else is_surplus,
        verdict=verdict,
        comment=comment.strip(),
        prompt_shown=queue_queries.prompt_shown(lease=lease),
        idempotency_key=idempotency_key,
        seconds=max(0, int((now - lease.leased_at).total_seconds())),
        created_at=now,
    )
    _store(judgment, violations, tags)
    return judgment


@transaction.atomic
def undo_submit(*, token: uuid.UUID, annotator: User, now: datetime) -> Lease:
    """Take the newest judgment under this lease back, within UNDO_WITHIN of it, and go on with what it said.

    The judgment stays, withdrawn; its slot stays the annotator's, so nobody else was given it. A judgment that replaced
    an earlier one gives way to it again. Undoing again changes nothing. Raises TooLate, and NotFound for a lease that
    is not theirs.
    """
    lease = queue_actions.hold(token=token, annotator=annotator)
    mine = Judgment.objects.filter(output_id=lease.output_id, annotator_id=lease.annotator_id)
    judgment = mine.filter(is_current=True).first()
    if judgment is None and lease.state == Lease.State.OPEN:
        return lease
    if judgment is None or judgment.is_surplus or now - judgment.created_at > UNDO_WITHIN + UNDO_GRACE:
        raise TooLate("This judgment can no longer be taken back. Open it among your last ones to change it.")
    judgment.is_current, judgment.withdrawn_at = False, now
    judgment.save(update_fields=["is_current", "withdrawn_at"])
    earlier = mine.filter(withdrawn_at=None, revision__lt=judgment.revision).order_by("-revision").first()
    marked = queries.marked(judgment=judgment)
    if earlier is None:
        queue_actions.reopen(lease=lease, draft=marked, now=now)
    else:
        mine.filter(pk=earlier.pk).update(is_current=True)
        queue_actions.keep_draft(lease=lease, draft=marked, now=now)
    lease.refresh_from_db()
    return lease


@transaction.atomic
def save_draft(
    *,
    token: uuid.UUID,
    annotator: User,
    payload: Mapping[str, Any],
    version: int,
    now: datetime,
    is_forced: bool = False,
) -> Lease:
    """Keep what is marked so far. `version` is the one the change was made on: 0 when there was none yet.

    A page names itself in the payload's `key`: it may change its own draft whatever the version, for it sends its
    changes one after the other. The same change again changes nothing. The lease runs its full time from now. Raises
    ChangedElsewhere when another page saved in between, unless `is_forced`; NotFound for a lease that is not theirs;
    RuleError when the draft is too large.
    """
    if len(json.dumps(payload)) > DRAFT_LIMIT_BYTES:
        raise RuleError("This draft is too large to keep. Shorten the critiques, or remove some violations.")
    lease = queue_actions.hold(token=token, annotator=annotator)
    if lease.draft == payload:
        return lease
    if not is_forced:
        _check_draft(lease, Seen(key=payload.get("key"), version=version))
    queue_actions.keep_draft(lease=lease, draft=dict(payload), now=now)
    return lease


@dataclass(frozen=True)
class _Standing:
    """What there is before a submit. `revision` is the highest, withdrawn ones too; `current` and `same` are ids."""

    tag_set: int
    revision: int = 0
    current: int | None = None
    current_revision: int = 0
    same: int | None = None


def _standing(lease: Lease, key: uuid.UUID) -> _Standing:
    arguments: dict[str, Any] = {"campaign": lease.campaign_id, "output": lease.output_id}
    arguments |= {"annotator": lease.annotator_id, "key": key}
    with connection.cursor() as cursor:
        cursor.execute(sql.STANDING, arguments)
        rows = cursor.fetchall()
    if rows[0][0] is None:
        raise RuleError("This campaign has no tag set yet. An admin must save one before anything can be judged.")
    standing = _Standing(tag_set=rows[0][0])
    for _, id_, revision, is_current, its_key, is_mine in rows:
        if id_ is None:
            continue
        if its_key == key and not is_mine:
            raise KeyUsedElsewhere("This form was already used for another output. Open the work page again.")
        standing = replace(standing, revision=max(standing.revision, revision))
        if is_current:
            standing = replace(standing, current=id_, current_revision=revision)
        if its_key == key:
            standing = replace(standing, same=id_)
    return standing


def _unless_seen(
    lease: Lease,
    standing: _Standing,
    seen: Seen,
    verdict: str,
    violations: Sequence[ViolationDraft],
    comment: str,
) -> Judgment | None:
    """Return the current judgment when it says the same and came from elsewhere; None when nothing came between."""
    sent = queries.marks(violations=violations, comment=comment.strip(), verdict=verdict)
    if standing.current and standing.current_revision != seen.revision:
        current = Judgment.objects.prefetch_related("violations__tag").get(pk=standing.current)
        if queries.marked(judgment=current) == sent:
            return current
        raise JudgedElsewhere(
            "You judged this output in another tab or on another device, otherwise.", judgment=current
        )
    if lease.draft is None or _said(lease.draft) != sent:
        _check_draft(lease, seen)
    return None


def _check_draft(lease: Lease, seen: Seen) -> None:
    is_own = seen.key and lease.draft is not None and lease.draft.get("key") == str(seen.key)
    if lease.draft is None or lease.draft_version == seen.version or is_own:
        return
    raise ChangedElsewhere(
        "This output was changed in another tab or on another device.",
        marked=_said(lease.draft),
        version=lease.draft_version,
    )


def _said(draft: Mapping[str, Any]) -> dict[str, Any]:
    return {name: draft[name] for name in ("violations", "comment", "verdict") if name in draft}


def _check(verdict: str, violations: Sequence[ViolationDraft], comment: str, text: str, tags: Sequence[Tag]) -> None:
    problems = drafts.check_verdict(verdict=verdict, drafts=violations, comment=comment)
    problems += drafts.check(violations, text, tags)
    if problems:
        raise NotComplete(problems)


def _store(judgment: Judgment, violations: Sequence[ViolationDraft], tags: Sequence[Tag]) -> None:
    by_slug = {tag.slug: tag.pk for tag in tags}
    text = judgment.output.text
    given = [
        {
            "tag": by_slug[draft.tag_slug],
            "position": position,
            "scope": draft.scope,
            "severity": draft.severity,
            "start": draft.start,
            "end": draft.end,
            "quote": "" if draft.start is None else text[draft.start : draft.end],
            "critique": draft.critique.strip(),
            "correction": draft.correction,
            "source": dict(draft.source),
        }
        for position, draft in enumerate(violations)
    ]
    names = ("campaign_id", "output_id", "annotator_id", "tag_set_id", "revision", "is_surplus", "verdict", "comment")
    arguments = {name.removesuffix("_id"): getattr(judgment, name) for name in (*names, "prompt_shown", "seconds")}
    arguments |= {"key": judgment.idempotency_key, "now": judgment.created_at}
    arguments |= {"text_sha256": judgment.output.text_sha256, "violations": json.dumps(given)}
    with connection.cursor() as cursor:
        cursor.execute(sql.STORE, arguments)
        (judgment.pk,) = cursor.fetchone()
    judgment._state.adding = False
