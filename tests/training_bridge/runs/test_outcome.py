"""How a dead trainer's end is read."""

import signal
from pathlib import Path
from typing import Any

import pytest

from training_bridge.formats import rundir
from training_bridge.runs import outcome


def read(
    status: str = "running", code: int | None = None, *, cancelled: bool = False, reason: str = ""
) -> tuple[str, str]:
    said = rundir.Status(state=status, step=7, reason=reason) if status else None
    return outcome.of(status=said, exit_code=code, is_cancelled=cancelled, errors="Traceback\nValueError: no")


@pytest.mark.parametrize(
    ("status", "code", "cancelled", "state"),
    [
        ("succeeded", 0, False, "succeeded"),
        ("succeeded", None, True, "succeeded"),
        ("cancelled", 1, True, "cancelled"),
        ("running", -signal.SIGKILL, True, "cancelled"),
        ("failed", 1, False, "failed"),
        ("running", 1, False, "failed"),
        ("", 1, False, "failed"),
        ("running", 0, False, "failed"),
        ("running", -signal.SIGSEGV, False, "failed"),
        ("running", -signal.SIGKILL, False, "lost"),
        ("running", -signal.SIGTERM, False, "lost"),
        ("running", None, False, "lost"),
        ("", None, False, "lost"),
    ],
)
def test_of(status: str, code: int | None, cancelled: bool, state: str) -> None:
    assert read(status, code, cancelled=cancelled)[0] == state


def test_a_trainer_that_was_told_to_stop_by_somebody_else_is_lost_not_failed() -> None:
    # The machine shuts down: SIGTERM reaches the trainer, which says cancelled and ends with code 1.
    assert read("cancelled", 1)[0] == "lost"


def test_the_reason_is_the_trainers_own_word_where_there_is_one() -> None:
    assert read("failed", 1, reason="The base has no tokenizer.")[1] == "The base has no tokenizer."
    assert "ValueError: no" in read("running", 1)[1]
    assert "SIGKILL" in read("running", -signal.SIGKILL)[1]


def test_last_lines_reads_only_the_end(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    assert outcome.last_lines(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\nlast \xff\0word\n")
    assert outcome.last_lines(log).endswith("last \ufffdword")
    assert len(outcome.last_lines(log)) <= outcome.TAIL_BYTES


STOPPED = {"step": 10, "change": -0.0512, "kept": 8, "kept_change": 0.03, "allowed": 0.05}
ROWS = {"read": 500, "kept": 490, "max_length": 512, "long_rows": "truncate_left", "long": 12, "dropped_long": 3}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, ""),
        ({"steps": 20, "steps_asked": 20, "rows": {**ROWS, "long": 0, "dropped_long": 0}}, ""),
        (
            {"steps": 8, "steps_asked": 20, "stopped": STOPPED, "displaced": {"step": 8, "change": -0.2}},
            "The guard stopped the training: good answers had become less likely than allowed, at step 10 by 0.0812 "
            "nats a token against their best; 0.05 were allowed. The checkpoint is of step 8 of 20, where good answers "
            "were likeliest (0.03 nats a token likelier than at the start). Lower the learning rate or raise the "
            "retain weight.",
        ),
        (
            {"steps": 0, "steps_asked": 20, "stopped": {**STOPPED, "kept": 0, "kept_change": 0.0}},
            "The guard stopped the training: good answers had become less likely than allowed, at step 10 by 0.0512 "
            "nats a token against their best; 0.05 were allowed. The checkpoint is the base as it was: good answers "
            "were never likelier than at the start. Lower the learning rate or raise the retain weight.",
        ),
        (
            {"steps": 20, "steps_asked": 20, "displaced": {"step": 12, "change": -0.125}},
            "Good answers had become less likely by 0.125 nats a token at step 12. Compare the checkpoint with its "
            "base before you use it, lower the learning rate, raise the retain weight, or let the guard stop such a "
            "run (stop when good answers fall).",
        ),
        (
            {"rows": ROWS},
            "12 of 500 rows were longer than 512 tokens: 9 of them lost the beginning of their prompt, 3 of them were "
            "left out.",
        ),
        (
            {"rows": {**ROWS, "dropped_long": 12}},
            "12 of 500 rows were longer than 512 tokens: 12 of them were left out.",
        ),
    ],
)
def test_remark_says_what_is_out_of_the_ordinary(facts: dict[str, Any], says: str) -> None:
    assert outcome.remark(facts) == says
