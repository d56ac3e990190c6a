"""What a run of each method starts from: seen at one size, carried to others by published figures.

Seen: the demo's checkable tasks, 0.8 million parameters, all weights trained, 60 steps of 16 rows, ten seeds, five of
them fresh (docs/evidence.md has the figures and their intervals). `small` was chosen there from 5e-5, 2e-4 and 8e-4,
the lower one where two were close. CUT learnt nothing there at any rate: its base cannot read critiques. Nothing larger
was trained.

Published: `large` is what was used at about seven billion parameters: KTO 1e-6, NPO 1e-5, gradient ascent 2e-6, SFT
1e-5. The others have the figure of their nearest relative and no paper's: D2O, DPO, ORPO, BNF, CUT, NSR and W-REINFORCE
KTO's, SimNPO NPO's, unlikelihood gradient ascent's.

Between the two sizes the rate falls in proportion on a double logarithmic scale, which is a convention and no finding;
outside of them it stays. An adapter (LoRA) is usually trained at about ten times the rate of all weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

SMALL_SIZE, LARGE_SIZE = 8e5, 7e9
STOP_BELOW, HOLD_OUT = 0.01, 0.2


@dataclass(frozen=True, kw_only=True)
class Start:
    """Learning rates at the two sizes, and what else differs from the spec's own first values."""

    small: float
    large: float
    more: dict[str, Any]

    def rate(self, parameters: float) -> float:
        """The rate for a model of so many parameters, to two digits.

        >>> STARTS["kto"].rate(8e5), STARTS["kto"].rate(5e8), STARTS["kto"].rate(7e10)
        (0.0002, 4.7e-06, 1e-06)
        """
        size = min(max(parameters, SMALL_SIZE), LARGE_SIZE)
        share = math.log(size / SMALL_SIZE) / math.log(LARGE_SIZE / SMALL_SIZE)
        return float(f"{self.small * (self.large / self.small) ** share:.1e}")


RETAINED = {"retain_weight": 1.0}
STARTS = {
    "kto": Start(small=2e-4, large=1e-6, more={}),
    "d2o": Start(small=2e-4, large=1e-6, more={}),
    "npo": Start(small=2e-4, large=1e-5, more=RETAINED),
    "simnpo": Start(small=2e-4, large=1e-5, more={**RETAINED, "beta": 2.5}),
    "gradient_ascent": Start(
        small=5e-5, large=2e-6, more={**RETAINED, "mismatch_weight": 0.0, "divergence_weight": 0.0}
    ),
    "unlikelihood": Start(small=5e-5, large=2e-6, more=RETAINED),
    "cut": Start(small=5e-5, large=1e-6, more={}),
    "bnf": Start(small=2e-4, large=1e-6, more={}),
    "sft": Start(small=2e-4, large=1e-5, more={}),
    "dpo": Start(small=2e-4, large=1e-6, more={}),
    "orpo": Start(small=2e-4, large=1e-6, more={}),
    "nsr": Start(small=2e-4, large=1e-6, more={"rollouts": 4}),
    "w_reinforce": Start(small=2e-4, large=1e-6, more={"rollouts": 4}),
}
# KTO without accepted rows has nothing to hold or to watch it: at 2e-4 it lost greedy accuracy, at 5e-5 it gained.
REJECTED_ONLY = Start(small=5e-5, large=1e-6, more={})
# What is watched are answers of the base itself: there is nothing to hold out.
WATCHES_ITSELF = ("d2o", "nsr", "w_reinforce")
NAMES = frozenset({"learning_rate", "stop_below", "hold_out"}.union(*(start.more for start in STARTS.values())))


def of(method: str, *, parameters: float, has_accepted: bool = True) -> dict[str, Any]:
    """Return the hyperparameters in which a first run should differ from the spec's own; empty for other methods.

    `has_accepted`: whether the rows have accepted answers (KTO rows may be rejected alone). Without them there is
    nothing to watch, and a guard would be refused.

    >>> of("npo", parameters=8e5)
    {'learning_rate': 0.0002, 'stop_below': 0.01, 'hold_out': 0.2, 'retain_weight': 1.0}
    >>> of("kto", parameters=7e9, has_accepted=False)
    {'learning_rate': 1e-06}
    """
    if method not in STARTS:
        return {}
    if not has_accepted:
        start = REJECTED_ONLY if method == "kto" else STARTS[method]
        return {"learning_rate": start.rate(parameters), **start.more}
    start = STARTS[method]
    held = {} if method in WATCHES_ITSELF else {"hold_out": HOLD_OUT}
    return {"learning_rate": start.rate(parameters), "stop_below": STOP_BELOW, **held, **start.more}
