"""data/train.jsonl, checked row by row: what comes through here has the types and spans it should."""

from __future__ import annotations

from typing import Any

from training_bridge.formats import rows
from training_bridge.trainer import errors, job


def train_rows(*, job: job.Job, text: str) -> list[dict[str, Any]]:
    """All training rows, whose answer stands under the key `text`. Raises Refused naming the line of a bad one."""
    if not job.folder.train_rows.exists():
        raise errors.Refused("The run folder has no data/train.jsonl to train on.")
    found = []
    try:
        for number, row in enumerate(rows.read_jsonl(job.folder.train_rows), start=1):
            if problem := problem_of(row, text=text):
                raise errors.Refused(f"data/train.jsonl, line {number}: {problem}.")
            found.append(row)
    except ValueError as error:
        raise errors.Refused(f"data/{error}.") from error
    if not found:
        raise errors.Refused("data/train.jsonl has no rows.")
    return found


def refuse_without_accepted(*, job: job.Job, accepted: int) -> None:
    """Before anything costly: raises Refused for settings that need accepted answers, where there are none."""
    for name, does in (
        ("retain_weight", "holds accepted answers in place"),
        ("stop_below", "watches accepted answers"),
    ):
        if getattr(job.settings, name) and not accepted:
            raise errors.Refused(
                f"{name} {does}, and no row of this dataset that can be used is accepted. Set it to 0, or use a "
                "dataset with accepted rows."
            )


def problem_of(row: dict[str, Any], *, text: str) -> str:
    """Say what is wrong with a row, or return an empty string."""
    prompt, answer = row.get("prompt"), row.get(text)
    if not is_prompt(prompt):
        return "prompt must be a text or a list of chat messages with role and content, and not empty"
    if not isinstance(answer, str):
        return f"{text} must be a text"
    spans = row.get("spans") or []
    if not isinstance(spans, list):
        return "spans must be a list"
    for span in spans:
        if not _is_span(span, len(answer)):
            return f"the span {span!r} does not lie inside the {len(answer)} characters of {text}"
    critiques = row.get("critiques") or []
    if not isinstance(critiques, list) or not all(isinstance(each, str) for each in critiques):
        return "critiques must be a list of texts"
    return ""


def is_prompt(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, dict) and {"role", "content"} <= each.keys() for each in value)
    return isinstance(value, str) and bool(value)


def _is_span(span: Any, length: int) -> bool:
    if not isinstance(span, dict):
        return False
    start, end = span.get("start"), span.get("end")
    return type(start) is int and type(end) is int and 0 <= start < end <= length
