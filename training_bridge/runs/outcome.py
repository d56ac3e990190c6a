"""How a trainer that no longer lives has ended, told from what it left behind."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_bridge.formats import rundir
from training_bridge.runs import states

# These signals come from a fault in the program itself; every other one was sent by somebody.
FAULTS = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})
TAIL_BYTES = 8192
TAIL_LINES = 12
RESUME = "Resume continues from the last saved step."


def of(*, status: rundir.Status | None, exit_code: int | None, is_cancelled: bool, errors: str) -> tuple[str, str]:
    """Return (state, reason). `failed`: trying again will not help; `lost`: it was ended from outside, and may.

    `exit_code` is negative for a signal and None when nobody saw the end; `errors` are the last lines of stderr.
    """
    word = status.state if status else ""
    if word == states.SUCCEEDED:
        return states.SUCCEEDED, ""
    if is_cancelled:
        return states.CANCELLED, f"Cancelled at step {_step(status)}. {RESUME}"
    if word == states.FAILED and status:
        return states.FAILED, status.reason or _with("The trainer failed without giving a reason.", errors)
    if word == states.CANCELLED:
        return (
            states.LOST,
            f"The trainer was told to stop from outside this platform, at step {_step(status)}. {RESUME}",
        )
    if exit_code is None:
        return states.LOST, f"The trainer vanished: the machine restarted, or everything was killed at once. {RESUME}"
    return _by_code(exit_code, errors)


def remark(facts: Mapping[str, Any]) -> str:
    """Say what a person should know of a checkpoint from its manifest; empty where nothing is out of the ordinary."""
    return " ".join(filter(None, [_on_the_watched(facts), _on_long_rows(facts.get("rows") or {})]))


def _on_the_watched(facts: Mapping[str, Any]) -> str:
    taken, asked = facts.get("steps", 0), facts.get("steps_asked", 0)
    stopped, displaced = facts.get("stopped") or {}, facts.get("displaced") or {}
    if taken < asked:
        advice = "Lower the learning rate or raise the retain weight."
        return f"{_why_stopped(stopped)} {_what_is_kept(taken, asked, stopped)} {advice}"
    if displaced:
        return (
            f"Good answers had become less likely by {_lost(displaced, 'change')} at step {displaced['step']}. Compare "
            "the checkpoint with its base before you use it, lower the learning rate, raise the retain weight, or let "
            "the guard stop such a run (stop when good answers fall)."
        )
    return ""


def _why_stopped(stopped: Mapping[str, Any]) -> str:
    word = "The guard stopped the training: good answers had become less likely than allowed"
    if not stopped:
        return f"{word}."
    fallen = stopped["kept_change"] - stopped["change"]
    return (
        f"{word}, at step {stopped['step']} by {fallen:.3g} nats a token against their best; "
        f"{stopped['allowed']:g} were allowed."
    )


def _what_is_kept(taken: int, asked: int, stopped: Mapping[str, Any]) -> str:
    if not taken:
        return "The checkpoint is the base as it was: good answers were never likelier than at the start."
    gained = f" ({stopped['kept_change']:.3g} nats a token likelier than at the start)" if stopped else ""
    return f"The checkpoint is of step {taken} of {asked}, where good answers were likeliest{gained}."


def _lost(event: Mapping[str, Any], name: str) -> str:
    return f"{-event.get(name, 0.0):.3g} nats a token"


def _on_long_rows(rows: Mapping[str, Any]) -> str:
    long, dropped = rows.get("long", 0), rows.get("dropped_long", 0)
    if not long:
        return ""
    cut = f"{dropped} of them were left out"
    if dropped < long:
        cut = f"{long - dropped} of them lost the beginning of their prompt" + (f", {cut}" if dropped else "")
    return f"{long} of {rows['read']} rows were longer than {rows['max_length']} tokens: {cut}."


def _step(status: rundir.Status | None) -> int:
    return status.step if status else 0


def _by_code(exit_code: int, errors: str) -> tuple[str, str]:
    if exit_code < 0 and -exit_code not in FAULTS:
        name = _signal_name(-exit_code)
        cause = " (often the system, when memory runs out)" if -exit_code == signal.SIGKILL else ""
        return states.LOST, f"The trainer was ended from outside by {name}{cause}. {RESUME}"
    if exit_code < 0:
        return states.FAILED, _with(f"The trainer crashed with {_signal_name(-exit_code)}.", errors)
    if exit_code == 0:
        return states.FAILED, _with("The trainer ended without saying that it had finished.", errors)
    return states.FAILED, _with(f"The trainer ended with code {exit_code}.", errors)


def last_lines(path: Path) -> str:
    """Return the end of a log: at most TAIL_LINES lines of its last TAIL_BYTES bytes."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    # PostgreSQL text cannot hold NUL.
    return "\n".join(text.replace("\0", "").rstrip().splitlines()[-TAIL_LINES:])


def _with(sentence: str, errors: str) -> str:
    return f"{sentence} Its last words:\n{errors}" if errors else f"{sentence} It left no error message."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
