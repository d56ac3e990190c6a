"""What the form of the Work page says, with and without its script."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict

from annotate.errors import RuleError
from annotate.judgments import drafts
from annotate.judgments.drafts import ViolationDraft

# The fields of the plain form, for one violation; the script fills `violations` instead.
PLAIN = ("tag", "scope", "severity", "quote", "start", "end", "critique", "correction")


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


def read_json(request: HttpRequest) -> tuple[dict[str, Any], int]:
    """Return the draft in a JSON body and the version it was made on. Raises RuleError for any other body."""
    try:
        body = json.loads(request.body, parse_constant=_refuse)
        if not isinstance(body, dict):
            raise drafts.WrongShape("expected an object")
        violations = drafts.from_json(body.get("violations"))
        version = int(body.get("version") or 0)
        said = {name: _said(body, name) for name in ("comment", "verdict")}
    except (ValueError, TypeError, RecursionError) as error:
        raise RuleError(f"The draft arrived damaged ({error}). Reload the page and try again.") from error
    return payload(violations, **said), version


def _said(body: dict[str, Any], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise drafts.WrongShape(f"{name}: expected text")
    return drafts.storable(value, name)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


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
