"""Ask a configured model one thing: one POST of OpenAI's chat completions, read within bounds. Redirects are refused.

Whatever goes wrong is ModelFailed with a sentence for people. Nothing is asked again here: who asks decides when.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from annotate import errors
from annotate.asking import configured

LARGEST = 1_000_000
"""Bytes of an answer, with all that stands around its text."""
LONGEST_TOLD = 200
LONGEST_PAUSE = 3600.0

Messages = Sequence[Mapping[str, str]]


class ModelFailed(errors.OutsideError):
    """There is no answer. `retry_after`: the seconds that the server asks for. `is_of_this`: it may be the fault of
    what was asked (too long, too slow), so that another question may be answered."""

    def __init__(self, message: str, *, retry_after: float | None = None, is_of_this: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_of_this = is_of_this


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the model said, and what it cost, in tokens as the server counts them (0 where it does not)."""

    text: str
    prompt_tokens: int = 0
    answer_tokens: int = 0


@contextlib.contextmanager
def opened(model: configured.Model) -> Iterator[httpx.Client]:
    """Connections to the model's server, which threads may share."""
    limits = httpx.Limits(max_connections=model.parallel)
    with httpx.Client(headers=_headers(model), follow_redirects=False, timeout=model.timeout, limits=limits) as http:
        yield http


def _headers(model: configured.Model) -> dict[str, str]:
    """By itself, so that no frame that an error leaves through holds the key."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if key := model.key.get_secret_value():
        headers["Authorization"] = f"Bearer {key}"
    return headers


def ask(*, http: httpx.Client, model: configured.Model, messages: Messages, seconds: float | None = None) -> Reply:
    """Return the model's answer. `seconds`: less than its own timeout, where somebody waits. Raises ModelFailed."""
    patience = model.timeout if seconds is None else min(model.timeout, seconds)
    until = time.monotonic() + patience
    body = {
        **model.extra,
        "model": model.model,
        "messages": list(messages),
        **{name: value for name in ("temperature", "max_tokens") if (value := getattr(model, name)) is not None},
    }
    url = f"{model.base_url}/chat/completions"
    try:
        with http.stream("POST", url, json=body, timeout=patience) as answer:
            found = _content(answer, model=model, until=until)
            _check_status(answer, found, model=model)
    except httpx.TimeoutException as error:
        raise _too_slow(model) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ModelFailed(f"The model “{model.name}” cannot be reached ({type(error).__name__}).") from error
    return _reply(found, model=model)


def _too_slow(model: configured.Model) -> ModelFailed:
    return ModelFailed(f"The model “{model.name}” did not answer in time.", is_of_this=True)


def _content(answer: httpx.Response, *, model: configured.Model, until: float) -> bytes:
    """Read at most LARGEST bytes, as they come: an answer that was packed could be a thousand times as long."""
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise ModelFailed(f"The model “{model.name}” sent a packed answer, which was not asked for.")
    found = bytearray()
    for chunk in answer.iter_raw():
        found += chunk
        if len(found) > LARGEST:
            raise ModelFailed(f"The model “{model.name}” answered with more than {LARGEST:,} bytes.", is_of_this=True)
        if time.monotonic() > until:
            raise _too_slow(model)
    return bytes(found)


def _check_status(answer: httpx.Response, found: bytes, *, model: configured.Model) -> None:
    status = answer.status_code
    if status == httpx.codes.OK:
        return
    if answer.is_redirect:
        raise ModelFailed(f"The model “{model.name}” points to another address ({status}), which is not followed.")
    told = _told(found, model=model)
    raise ModelFailed(
        f"The model “{model.name}” answered {status}{told}.",
        retry_after=_retry_after(answer.headers),
        is_of_this=status in (400, 413, 422),
    )


def _told(found: bytes, *, model: configured.Model) -> str:
    """What the server says is wrong, cut, and without the key, which some repeat."""
    try:
        error = json.loads(found)["error"]
        said = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(said, str):
        return ""
    key = model.key.get_secret_value()
    said = " ".join((said.replace(key, "…") if key else said).replace("\x00", "").split()).rstrip(".")
    return f": {said[:LONGEST_TOLD]}" if said else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date, which is compared with the server's own."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_PAUSE)
    try:
        until, now = (email.utils.parsedate_to_datetime(each) for each in (said, headers.get("Date", "")))
        return min(max(0.0, (until - now).total_seconds()), LONGEST_PAUSE)
    except (ValueError, TypeError):
        return None


def _reply(found: bytes, *, model: configured.Model) -> Reply:
    try:
        values: Any = json.loads(found)
        text = values["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ModelFailed(f"What the model “{model.name}” answered is no chat completion.") from error
    used = values.get("usage")
    counts = [used.get(name) if isinstance(used, dict) else 0 for name in ("prompt_tokens", "completion_tokens")]
    prompt, answer = (each if type(each) is int and 0 <= each < 10**9 else 0 for each in counts)
    return Reply(text=text if isinstance(text, str) else "", prompt_tokens=prompt, answer_tokens=answer)
