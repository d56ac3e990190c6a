"""What a line of an import says, checked: from a dictionary of any shape to a Record that can be stored. Pure.

Accepted names (docs/import.md has an example of each):

    prompt: text, or a list of messages          messages: a list of messages; without an output, the last one is it
    output | completion | response: text         id: text or whole number         model: text
    annotations: see marks                       meta: an object                  anything else: kept in meta
    prompt_masked, prompt_flipped: text or a list of messages, the prompt with the user's stance hidden or turned round

A line is refused when its prompt or output cannot be stored. A broken annotation never loses its output: it alone is
left out, whole (a judgment with a mark missing would be another judgment), with its reason in `Record.problems`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotate.intake import marks, texts
from annotate.intake.texts import Refused

OUTPUT_NAMES = ("output", "completion", "response")
TWIN_NAMES = {"prompt_masked": "masked", "prompt_flipped": "flipped"}
KNOWN_NAMES = {"prompt", "messages", *TWIN_NAMES, *OUTPUT_NAMES, "id", "model", "annotations", "meta"}
MAX_NAME = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One output with its prompt. `messages` is empty for a plain text prompt.

    `twins` is what Prompt.twins holds: {"masked": {"text", "messages"}, "flipped": ...}, either, both or none.
    """

    prompt: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    twins: dict[str, Any] = field(default_factory=dict)
    output: str
    external_id: str = ""
    model: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    annotations: tuple[marks.Annotation, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def prompt_sha256(self) -> str:
        """Of the messages as canonical JSON where there are some, else of the text."""
        if not self.messages:
            return _sha256(self.prompt)
        return _sha256("messages:" + json.dumps(self.messages, sort_keys=True, ensure_ascii=False))

    @property
    def output_sha256(self) -> str:
        return _sha256(self.output)

    @property
    def content_key(self) -> str:
        """The same for the same thing: of the id where one is given, else of prompt, output and model."""
        if self.external_id:
            return _sha256("id:" + self.external_id)
        return _sha256(json.dumps([self.prompt_sha256, self.output_sha256, self.model]))


def parse(fields: Mapping[str, Any]) -> Record:
    """Return the checked record. Raises texts.Refused with the reason when the output itself cannot be stored."""
    messages = _messages(fields)
    given = _output(fields, messages)
    if messages and not _has_output(fields):
        messages = messages[:-1]
    prompt = _transcript(messages) if messages else _prompt_text(fields)
    output = texts.normalise(given)
    kept, problems, extras = marks.parse(fields.get("annotations"), given, output)
    return Record(
        prompt=prompt,
        messages=messages,
        twins=_twins(fields),
        output=output.text,
        external_id=_name(fields.get("id"), "id"),
        model=_name(fields.get("model"), "model"),
        meta=_meta(fields, extras),
        annotations=kept,
        problems=problems,
    )


def _has_output(fields: Mapping[str, Any]) -> bool:
    return any(fields.get(name) is not None for name in OUTPUT_NAMES)


def _output(fields: Mapping[str, Any], messages: list[dict[str, Any]]) -> str:
    names = [name for name in OUTPUT_NAMES if fields.get(name) is not None]
    if len(names) > 1:
        raise Refused(f"{' and '.join(names)} are both given; keep one")
    if not names and "messages" in fields and len(messages) > 1 and messages[-1]["role"] == "assistant":
        return str(messages[-1]["content"]) or _refuse_empty("the last message")
    if not names:
        raise Refused("output is missing")
    text = _text(fields[names[0]], names[0])
    return text or _refuse_empty(names[0])


def _refuse_empty(name: str) -> str:
    raise Refused(f"{name} is empty")


def _prompt_text(fields: Mapping[str, Any]) -> str:
    if fields.get("prompt") is None:
        raise Refused("prompt is missing")
    text = texts.normalise(_text(fields["prompt"], "prompt")).text
    return text or _refuse_empty("prompt")


def _messages(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the chat in `messages` or in `prompt`, with LF line ends; an empty list when the prompt is plain text."""
    name = "messages" if fields.get("messages") is not None else "prompt"
    if name == "messages" and fields.get("prompt") is not None:
        raise Refused("prompt and messages are both given; keep one")
    value = fields.get(name)
    if name == "prompt" and not isinstance(value, list):
        return []
    if not isinstance(value, list) or not value:
        raise Refused(f"{name} is {_called(value)}; expected a list of messages")
    return _chat(value, name)


def _chat(value: list[Any], name: str) -> list[dict[str, Any]]:
    return [_message(each, f"{name}[{number}]") for number, each in enumerate(value)]


def _twins(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        stance: _twin(fields[name], name)
        for name, stance in TWIN_NAMES.items()
        if fields.get(name) is not None and fields[name] != ""
    }


def _twin(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, list) and value:
        messages = _chat(value, name)
        return {"text": _transcript(messages), "messages": messages}
    if not isinstance(value, str):
        raise Refused(f"{name} is {_called(value)}; expected text or a list of messages")
    return {"text": texts.normalise(texts.check(value, name)).text, "messages": []}


def _message(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"{name} is {_called(value)}; expected an object with role and content")
    role = _text(value.get("role"), f"{name}.role")
    if not role or len(role) > 40:
        raise Refused(f"{name}.role is empty or too long")
    content = value.get("content")
    if content is None and value.get("tool_calls"):
        content = ""
    content = texts.normalise(_text(content, f"{name}.content")).text
    return {**texts.check_json(value, name), "role": role, "content": content}


def _transcript(messages: list[dict[str, Any]]) -> str:
    return "\n\n".join(f"{message['role']}: {_said(message)}" for message in messages)


def _said(message: dict[str, Any]) -> str:
    """Return the message as text; the calls of tools, where it makes some, as they are written."""
    calls = message.get("tool_calls")
    called = [json.dumps(call, ensure_ascii=False) for call in calls] if isinstance(calls, list) else []
    return "\n".join(part for part in (message["content"], *called) if part)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"{name} is {_called(value)}; expected text")
    return texts.check(value, name)


def _name(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = _text(value, name)
    if len(text) > MAX_NAME:
        raise Refused(f"{name} has {len(text)} characters; at most {MAX_NAME} are taken")
    return text


def _meta(fields: Mapping[str, Any], extras: dict[str, Any]) -> dict[str, Any]:
    """Return `meta` with the unknown columns beside its keys, and what annotations say outside their known keys."""
    given = fields.get("meta")
    if given is not None and not isinstance(given, dict):
        raise Refused(f"meta is {_called(given)}; expected an object")
    meta = dict(given or {})
    for name, value in fields.items():
        if name not in KNOWN_NAMES and value is not None and value != "":
            meta[name if name not in meta else f"{name} (column)"] = value
    if extras:
        meta["annotations" if "annotations" not in meta else "annotations (column)"] = extras
    checked: dict[str, Any] = texts.check_json(meta, "meta")
    return checked


def _called(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "a truth value", type(None): "missing"}
    return names.get(type(value), "a number")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
