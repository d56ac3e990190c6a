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
from annotate.campaigns.models import Campaign, Tag
from annotate.errors import RuleError
from annotate.judgments import drafts, queries, sql
from annotate.judgments.drafts import Problem, ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
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


@dataclass(frozen=True)
class Submission:
    """What an annotator submits. `key` stays the same when it is sent again.

    `seen` is what the page had before it: what another page marked or submitted since is never replaced unasked.
    """

    verdict: str
    violations: Sequence[ViolationDraft]
    key: uuid.UUID
    comment: str = ""
    seen: Seen | None = None


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
    """Store the annotator's verdict with its violations and close the lease, in two statements.

    The same key again returns the first judgment and changes nothing. Another key on the same lease is a change of
    mind: it appends a revision, which becomes the current one. Work that comes after the lease ran out is kept; it is
    surplus when others took every slot meanwhile.

    Raises NotFound for a lease that is not theirs, NotComplete with every broken rule, KeyUsedElsewhere.
    """
    sent = Submission(verdict=verdict, violations=violations, key=idempotency_key, comment=comment)
    return _submit(queue_actions.hold(token=token, annotator=annotator), sent, now)


@transaction.atomic
def submit_and_lease_next(  # noqa: PLR0913 - a judgment, and what the next lease is made with
    *,
    token: uuid.UUID,
    annotator: User,
    campaign: Campaign,
    sent: Submission,
    now: datetime,
    besides: Sequence[uuid.UUID] = (),
    suggest: queue_actions.Suggest | None = None,
) -> tuple[Judgment, Lease | None]:
    """As `submit`, and lease the next output besides those held: three statements in one transaction.

    The lease is None for whatever reason there is none; `queue.actions.say_why_not` tells. Raises what `submit` raises,
    and ChangedElsewhere and JudgedElsewhere.
    """
    lease = queue_actions.hold(token=token, annotator=annotator, campaign=campaign)
    judgment = _submit(lease, sent, now)
    following = queue_actions.take_next(
        campaign=campaign, annotator=annotator, now=now, besides=besides, suggest=suggest
    )
    return judgment, following


@transaction.atomic
def undo_submit(*, token: uuid.UUID, annotator: User, revision: int, now: datetime) -> Lease:
    """Take this judgment under the lease back, within UNDO_WITHIN of it, and go on with what it said.

    The judgment stays, withdrawn; its slot stays the annotator's, so nobody else was given it. A judgment that replaced
    an earlier one gives way to it again. Undoing again changes nothing. Raises TooLate, also for a judgment that was
    replaced since, and NotFound for a lease that is not theirs.
    """
    lease = queue_actions.hold(token=token, annotator=annotator)
    mine = Judgment.objects.filter(output_id=lease.output_id, annotator_id=lease.annotator_id)
    judgment = mine.filter(revision=revision).first()
    if judgment is not None and judgment.withdrawn_at:
        return lease
    if (
        judgment is None
        or not judgment.is_current
        or judgment.is_surplus
        or now - judgment.created_at > UNDO_WITHIN + UNDO_GRACE
    ):
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
    """What was judged under a lease before. `current` and `same`, the one that the key has made, are ids."""

    current: int | None = None
    revision: int = 0
    is_surplus: bool | None = None
    same: int | None = None


def _submit(lease: Lease, sent: Submission, now: datetime) -> Judgment:
    standing = _standing(lease, sent.key) if lease.revision else _Standing()
    if standing.same is not None:
        return Judgment.objects.get(pk=standing.same)
    tags = _tags(lease)
    _check(sent, lease.output.text, tags)
    if sent.seen is not None and (again := _unless_seen(lease, standing, sent, sent.seen)):
        return again
    if standing.current is not None:
        Judgment.objects.filter(pk=standing.current).update(is_current=False)
    return _store(lease, standing, sent, tags, now)


def _standing(lease: Lease, key: uuid.UUID) -> _Standing:
    with connection.cursor() as cursor:
        cursor.execute(sql.STANDING, {"output": lease.output_id, "annotator": lease.annotator_id})
        rows = cursor.fetchall()
    standing = _Standing()
    for id_, revision, is_current, is_surplus, its_key in rows:
        if is_current:
            standing = replace(standing, current=id_, revision=revision, is_surplus=is_surplus)
        if its_key == key:
            standing = replace(standing, same=id_)
    return standing


def _unless_seen(lease: Lease, standing: _Standing, sent: Submission, seen: Seen) -> Judgment | None:
    """Return the current judgment when it says the same and came from elsewhere; None when nothing came between."""
    said = queries.marks(violations=sent.violations, comment=sent.comment.strip(), verdict=sent.verdict)
    if standing.current and standing.revision != seen.revision:
        current = Judgment.objects.prefetch_related("violations__tag").get(pk=standing.current)
        if queries.marked(judgment=current) == said:
            return current
        raise JudgedElsewhere(
            "You judged this output in another tab or on another device, otherwise.", judgment=current
        )
    if lease.draft is None or _said(lease.draft) != said:
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


def _tags(lease: Lease) -> Sequence[Tag]:
    tag_set_id = lease.campaign.tag_set_id  # type: ignore[attr-defined]
    if tag_set_id is None:
        raise RuleError("This campaign has no tag set yet. An admin must save one before anything can be judged.")
    return campaign_queries.tags_of(tag_set_id=tag_set_id)


def _check(sent: Submission, text: str, tags: Sequence[Tag]) -> None:
    problems = drafts.check_verdict(verdict=sent.verdict, drafts=sent.violations, comment=sent.comment)
    problems += drafts.check(sent.violations, text, tags)
    if problems:
        raise NotComplete(problems)


def _store(lease: Lease, standing: _Standing, sent: Submission, tags: Sequence[Tag], now: datetime) -> Judgment:
    judgment = Judgment(
        campaign=lease.campaign,
        output=lease.output,
        annotator_id=lease.annotator_id,
        tag_set_id=lease.campaign.tag_set_id,  # type: ignore[attr-defined]
        verdict=sent.verdict,
        comment=sent.comment.strip(),
        prompt_shown=_prompt_shown(lease),
        is_assisted=lease.suggestions is not None,
        idempotency_key=sent.key,
        seconds=max(0, int((now - lease.leased_at).total_seconds())),
        created_at=now,
    )
    names = (
        "campaign_id",
        "annotator_id",
        "tag_set_id",
        "verdict",
        "comment",
        "prompt_shown",
        "is_assisted",
        "seconds",
    )
    arguments = {name.removesuffix("_id"): getattr(judgment, name) for name in names}
    arguments |= {**queue_actions.closing(lease=lease), "was_surplus": standing.is_surplus, "key": sent.key, "now": now}
    arguments |= {"text_sha256": lease.output.text_sha256, "violations": _as_rows(sent, lease.output.text, tags)}
    with connection.cursor() as cursor:
        cursor.execute(sql.store(), arguments)
        row = cursor.fetchone()
    if row is None:
        raise KeyUsedElsewhere("This form was already used for another output. Open the work page again.")
    judgment.pk, judgment.revision, judgment.is_surplus = row
    judgment._state.adding = False
    return judgment


def _prompt_shown(lease: Lease) -> str:
    """Say which twin of the prompt they saw. Only where twins are shown at all is the prompt read for it."""
    as_written: str = Campaign.Stance.AS_WRITTEN
    return as_written if lease.stance == as_written else lease.output.prompt.shown_as(lease.stance)


def _as_rows(sent: Submission, text: str, tags: Sequence[Tag]) -> str:
    by_slug = {tag.slug: tag.pk for tag in tags}
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
        for position, draft in enumerate(sent.violations)
    ]
    return json.dumps(given)
