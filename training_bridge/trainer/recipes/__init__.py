"""One file per method. A new one: copy a neighbour, add its line here and its name to formats/spec.METHODS."""

from __future__ import annotations

from collections.abc import Callable

from training_bridge.trainer import job
from training_bridge.trainer.recipes import pretrain, sample

RECIPES: dict[str, Callable[[job.Job], None]] = {
    "pretrain": pretrain.run,
    "sample": sample.run,
}
