"""One file per method. A new one: copy a neighbour, add its line here and its name and rows to formats/spec.ROWS."""

from __future__ import annotations

from collections.abc import Callable

from training_bridge.trainer import job
from training_bridge.trainer.recipes import (
    bnf,
    cut,
    d2o,
    dpo,
    gradient_ascent,
    kto,
    npo,
    nsr,
    orpo,
    pretrain,
    sample,
    sft,
    simnpo,
    unlikelihood,
    w_reinforce,
)

RECIPES: dict[str, Callable[[job.Job], None]] = {
    "bnf": bnf.run,
    "cut": cut.run,
    "d2o": d2o.run,
    "dpo": dpo.run,
    "gradient_ascent": gradient_ascent.run,
    "kto": kto.run,
    "npo": npo.run,
    "nsr": nsr.run,
    "orpo": orpo.run,
    "pretrain": pretrain.run,
    "sample": sample.run,
    "sft": sft.run,
    "simnpo": simnpo.run,
    "unlikelihood": unlikelihood.run,
    "w_reinforce": w_reinforce.run,
}
