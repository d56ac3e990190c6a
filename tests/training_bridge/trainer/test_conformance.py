"""Every claim about the losses holds, and each can fail: a planted fault breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from training_bridge.trainer.conformance import __main__ as command
from training_bridge.trainer.conformance import claims as _claims  # noqa: F401 - registers them
from training_bridge.trainer.conformance import registry
from training_bridge.trainer.losses import d2o

# A claim's function, the module and name of what it checks, and a fault that it must find.
Fault = tuple[str, Any, str, Callable[[Any], Any]]


def divides_twice(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, anchors: Tensor, **rest: Any) -> Tensor:
        return loss(anchors=anchors / anchors.shape[1], **rest)

    return faulty


FAULTS: list[Fault] = [
    ("d2o.equals_the_formula", d2o, "loss", divides_twice),
]


def name_of(check: Callable[..., Any]) -> str:
    return f"{check.__module__.rsplit('.', 1)[1]}.{check.__name__}"


@pytest.mark.parametrize("claim", registry.CLAIMS, ids=[name_of(each.check) for each in registry.CLAIMS])
def test_the_claim_holds(claim: registry.Claim) -> None:
    claim.check()


@pytest.mark.parametrize(("claim", "module", "name", "fault"), FAULTS, ids=[f"{f[0]}-{f[3].__name__}" for f in FAULTS])
def test_a_fault_breaks_the_claim(
    monkeypatch: pytest.MonkeyPatch, claim: str, module: Any, name: str, fault: Callable[[Any], Any]
) -> None:
    check = {name_of(each.check): each.check for each in registry.CLAIMS}[claim]
    monkeypatch.setattr(module, name, fault(getattr(module, name)))
    with pytest.raises(AssertionError):
        check()


def test_the_command_says_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--method", "d2o"]) == 0
    monkeypatch.setattr(d2o, "loss", divides_twice(d2o.loss))
    assert command.main(["--method", "d2o"]) == 1
    assert "BROKEN" in capsys.readouterr().out
