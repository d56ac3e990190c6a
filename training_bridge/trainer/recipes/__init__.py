"""One file per method. A new one: copy a neighbour, add its line here and its name to formats/spec.METHODS."""

from __future__ import annotations

from collections.abc import Callable

from training_bridge.trainer import job
from training_bridge.trainer.recipes import d2o, kto, pretrain, sample

RECIPES: dict[str, Callable[[job.Job], None]] = {
    "d2o": d2o.run,
    "kto": kto.run,
    "pretrain": pretrain.run,
    "sample": sample.run,
}
