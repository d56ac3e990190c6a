"""A sheet: everything the Work page shows of one leased output, and nothing that says where it comes from."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annotate.campaigns.models import Tag
from annotate.intake.models import Output
from annotate.judgments import queries as judgment_queries
from annotate.queue.models import Lease
from frontend import visible_text

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
TAG_RULES = ("slug", "name", "kind", "key", "severity_rule", "span_rule")
NOTHING = {"violations": [], "comment": "", "verdict": ""}


def sheet(lease: Lease) -> dict[str, Any]:
    """Return the sheet of a lease that has its output and prompt. One statement when it was judged, else none.

    What is marked so far is the draft, else the judgment that is to be changed, else nothing.
    """
    judged = judgment_queries.last_of(lease=lease) if lease.state == Lease.State.SUBMITTED else None
    marked: Mapping[str, Any] = NOTHING
    if lease.draft is not None:
        marked = {name: lease.draft.get(name, NOTHING[name]) for name in NOTHING}
    elif judged is not None:
        marked = judgment_queries.marked(judgment=judged)
    return {
        "lease": str(lease.token),
        "until": lease.expires_at.isoformat(),
        "key": str(uuid.uuid4()),
        "revision": judged.revision if judged else 0,
        "version": lease.draft_version,
        "marked": marked,
        "prompt": [shown(block) for block in blocks(lease)],
        "output": pieces(lease.output.text),
        "length": len(lease.output.text),
        "suggestions": lease.suggestions,
        "language": language(lease.output),
    }


def tag_rules(tags: Sequence[Tag]) -> list[dict[str, str]]:
    return [{rule: getattr(tag, rule) for rule in TAG_RULES} for tag in tags]


def language(output: Output) -> str:
    """Return the language tag that the output was imported with, when it is one."""
    given = str(output.meta.get("lang") or output.meta.get("language") or "")
    return given if LANGUAGE.fullmatch(given) else ""


def blocks(lease: Lease) -> list[dict[str, Any]]:
    """Return the prompt as readable blocks: `role`, `kind` (text, call or result), `name` of the tool, `text`."""
    text, messages = lease.output.prompt.shown(lease.stance)
    return of_prompt(text, messages)


def of_prompt(text: str, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a prompt as readable blocks; a plain one, without messages, is one block."""
    if not messages:
        return [_block("", "text", text)]
    return [block for message in messages for block in _of_message(message)]


def _of_message(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    role = str(message.get("role") or "")
    content = _content(message.get("content"))
    if role == "tool":
        yield _block(role, "result", content, name=str(message.get("name") or ""))
        return
    calls = message.get("tool_calls")
    if content or not calls:
        yield _block(role, "text", content)
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield _block(role, "call", _arguments(function.get("arguments")), name=str(function.get("name") or ""))
        else:
            yield _block(role, "call", _arguments(call))


def _block(role: str, kind: str, text: str, *, name: str = "") -> dict[str, Any]:
    return {"role": role, "kind": kind, "name": name, "text": text}


def shown(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block as scripts read it, its text in pieces."""
    return {**{name: block[name] for name in ("role", "kind", "name")}, "pieces": pieces(block["text"])}


def _content(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [content]
    return "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in parts)


def _arguments(arguments: object) -> str:
    """Return the arguments of a call, indented when they are JSON."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return str(arguments)
    return json.dumps(arguments, indent=2, ensure_ascii=False)


def pieces(text: str) -> list[str | list[str]]:
    """Return the text in pieces as scripts read them: a text, or a hidden character with its name."""
    return [[piece.text, piece.name] if piece.name else piece.text for piece in visible_text.pieces(text)]
