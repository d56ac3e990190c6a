"""What the form of the Work page says, with and without its script."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, QueryDict

from annotate.errors import RuleError
from annotate.judgments import actions as judgment_actions
from annotate.judgments import drafts
from annotate.judgments.drafts import ViolationDraft
from annotate.queue.models import Lease

# The fields of the plain form, for one violation; the script fills `violations` instead.
PLAIN = ("tag", "scope", "severity", "quote", "start", "end", "critique", "correction")


TOKENS_AT_MOST = 10


class NotFilledIn(RuleError):
    """The plain form's violation cannot be read. What was typed stays in the form."""


@dataclass(frozen=True)
class Submission:
    violations: list[ViolationDraft]
    verdict: str
    comment: str
    key: uuid.UUID
    version: int


def read(post: QueryDict) -> Submission:
    """Read the posted form, without the plain form's violation. Raises RuleError when it was not made by the page."""
    try:
        return Submission(
            violations=drafts.from_json(json.loads(post.get("violations") or "[]", parse_constant=_refuse)),
            verdict=post.get("verdict", ""),
            comment=_text(post, "comment"),
            key=uuid.UUID(post.get("idempotency_key", "")),
            version=int(post.get("version") or 0),
        )
    except (ValueError, RecursionError) as error:
        raise RuleError(f"The form arrived damaged ({error}). Reload the page and try again.") from error


def body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object that the page's script sent. Raises RuleError for any other body."""
    if request.content_type != "application/json":
        raise RuleError("This address takes JSON from the page's own script.")
    try:
        sent = json.loads(request.body, parse_constant=_refuse)
        if not isinstance(sent, dict):
            raise drafts.WrongShape("expected an object")
    except (ValueError, RecursionError) as error:
        raise _damaged(error) from error
    return sent


def read_judgment(sent: Mapping[str, Any]) -> SentJudgment:
    """Read what the script submits. Raises RuleError when it was not made by the page."""
    try:
        is_forced = sent.get("force") is True
        key = uuid.UUID(_said(sent, "key"))
        seen = judgment_actions.Seen(key=key, version=_number(sent, "version"), revision=_number(sent, "revision"))
        submission = judgment_actions.Submission(
            verdict=_said(sent, "verdict"),
            violations=drafts.from_json(sent.get("violations")),
            key=key,
            comment=_said(sent, "comment"),
            seen=None if is_forced else seen,
        )
        return SentJudgment(submission=submission, version=seen.version, besides=tokens(sent, "besides"))
    except ValueError as error:
        raise _damaged(error) from error


def read_draft(sent: Mapping[str, Any]) -> SentDraft:
    """Read a draft. `key` names the page that made it. Raises RuleError when it was not made by the page."""
    try:
        marks = payload(
            drafts.from_json(sent.get("violations")), comment=_said(sent, "comment"), verdict=_said(sent, "verdict")
        )
        is_forced = sent.get("force") is True
        return SentDraft(
            payload={**marks, "key": _said(sent, "key")}, version=_number(sent, "version"), is_forced=is_forced
        )
    except ValueError as error:
        raise _damaged(error) from error


def read_revision(sent: Mapping[str, Any]) -> int:
    """Read which judgment is meant. Raises RuleError for anything else."""
    try:
        return _number(sent, "revision")
    except ValueError as error:
        raise _damaged(error) from error


def tokens(sent: Mapping[str, Any], name: str) -> list[uuid.UUID]:
    """Return the leases' tokens in a list of the body. Raises RuleError for anything else."""
    given = sent.get(name) or []
    try:
        return [uuid.UUID(token) for token in given[:TOKENS_AT_MOST]]
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(error) from error


def released(sent: Mapping[str, Any]) -> list[tuple[uuid.UUID, datetime]]:
    """Return the leases to give back, each with the deadline that the page knew. Raises RuleError."""
    given = sent.get("release") or []
    try:
        return [(uuid.UUID(each["lease"]), datetime.fromisoformat(each["until"])) for each in given[:TOKENS_AT_MOST]]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise _damaged(error) from error


def _number(sent: Mapping[str, Any], name: str) -> int:
    value = sent.get(name) or 0
    if not isinstance(value, int):
        raise drafts.WrongShape(f"{name}: expected a whole number")
    return value


def _said(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str):
        raise drafts.WrongShape(f"{name}: expected text")
    return drafts.storable(value, name)


def _damaged(error: Exception) -> RuleError:
    return RuleError(f"What the page sent arrived damaged ({error}). Reload the page and try again.")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


@dataclass(frozen=True)
class SentJudgment:
    submission: judgment_actions.Submission
    version: int
    besides: list[uuid.UUID]


@dataclass(frozen=True)
class SentDraft:
    payload: dict[str, Any]
    version: int
    is_forced: bool


def payload(violations: Sequence[ViolationDraft], *, comment: str, verdict: str) -> dict[str, Any]:
    """Return the draft as it is stored."""
    return {
        "violations": drafts.to_json(violations),
        "comment": comment.replace("\x00", "")[: drafts.TEXT_LIMIT],
        "verdict": verdict[:15],
    }


def plain_violation(post: QueryDict, text: str) -> ViolationDraft | None:
    """Return the violation typed into the plain form, None when no tag is chosen. Raises NotFilledIn."""
    if not post.get("tag"):
        return None
    scope = post.get("scope", "whole")
    start, end = _plain_span(post, text) if scope != "whole" else (None, None)
    return ViolationDraft(
        tag_slug=_text(post, "tag"),
        scope=scope,
        severity=_text(post, "severity"),
        start=start,
        end=end,
        critique=_text(post, "critique"),
        correction=_text(post, "correction"),
    )


def suggested(post: QueryDict, lease: Lease) -> ViolationDraft | None:
    """Return the suggestion whose button was pressed, as a violation; None when none was."""
    number, given = post.get("take", ""), lease.suggestions or []
    if not number.isdecimal() or int(number) >= len(given):
        return None
    taken = given[int(number)]
    named = {name: taken[name] for name in ("scope", "severity", "start", "end")}
    return ViolationDraft(tag_slug=taken["tag"], **named)


def _plain_span(post: QueryDict, text: str) -> tuple[int | None, int | None]:
    start, end = post.get("start", "").strip(), post.get("end", "").strip()
    if start or end:
        if start.isdecimal() and end.isdecimal():
            return int(start), int(end)
        raise NotFilledIn("Give both the first and the end character as whole numbers, or neither.", field="start")
    quote = _text(post, "quote")
    if not quote:
        return None, None
    found = text.find(quote)
    if found < 0:
        raise NotFilledIn("These words are not in the output. Copy them from it exactly.", field="quote")
    if text.find(quote, found + 1) >= 0:
        raise NotFilledIn("These words are in the output more than once. Copy a few words more.", field="quote")
    return found, found + len(quote)


def _text(post: QueryDict, name: str) -> str:
    return post.get(name, "").replace("\r\n", "\n").replace("\x00", "")
