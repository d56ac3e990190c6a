"""How a dead trainer's end is read."""

import signal
from pathlib import Path

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
