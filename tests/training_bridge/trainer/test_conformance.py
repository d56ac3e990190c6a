"""Every claim about the losses holds, and each can fail: a planted fault breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.training_bridge.trainer import faults
from training_bridge.trainer.conformance import __main__ as command
from training_bridge.trainer.conformance import claims as _claims  # noqa: F401 - registers them
from training_bridge.trainer.conformance import registry


def name_of(check: Callable[..., Any]) -> str:
    return f"{check.__module__.rsplit('.', 1)[1]}.{check.__name__}"


CHECKS = {name_of(claim.check): claim.check for claim in registry.CLAIMS}
FAULTS = faults.every()


def together(claim: str) -> list[pytest.MarkDecorator]:
    """Claims about two processes are checked in one worker, which launches the two once."""
    return [pytest.mark.xdist_group("two-processes")] if claim.startswith("parallel.") else []


@pytest.mark.parametrize(
    "check", [pytest.param(check, id=name, marks=together(name)) for name, check in CHECKS.items()]
)
def test_the_claim_holds(check: registry.Check) -> None:
    check()


@pytest.mark.parametrize(
    "fault",
    [pytest.param(each, id=f"{each.claim}-{each.plant.__name__}", marks=together(each.claim)) for each in FAULTS],
)
def test_a_fault_breaks_the_claim(monkeypatch: pytest.MonkeyPatch, fault: faults.Fault) -> None:
    monkeypatch.setattr(fault.module, fault.name, fault.plant(getattr(fault.module, fault.name)))
    with pytest.raises(AssertionError):
        CHECKS[fault.claim]()


def test_every_claim_was_broken_once() -> None:
    assert CHECKS.keys() == {fault.claim for fault in FAULTS}


def test_the_command_says_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--method", "d2o"]) == 0
    fault = next(each for each in FAULTS if each.claim.startswith("d2o."))
    monkeypatch.setattr(fault.module, fault.name, fault.plant(getattr(fault.module, fault.name)))
    assert command.main(["--method", "d2o"]) == 1
    assert "BROKEN" in capsys.readouterr().out
