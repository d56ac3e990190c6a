"""One file per format. To add one, copy a neighbour and add its line here and in models.DatasetVersion.Format.

A builder module has NAME, VERSION (raised when the same judgments would give other bytes), ABOUT (one sentence),
VERDICTS (the decisions that become rows), COLUMNS (name -> Arrow type; `prompt` is added) and `row(text, decision)`.
"""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from training_bridge.exports.builders import d2o, kto, pairs
from training_bridge.exports.reading import Decision, Text


class Builder(Protocol):
    NAME: str
    VERSION: int
    ABOUT: str
    VERDICTS: tuple[str, ...]
    COLUMNS: dict[str, pa.DataType]

    def row(self, text: Text, decision: Decision) -> Any: ...


FORMATS: dict[str, Builder] = {"kto": kto, "d2o": d2o, "pairs": pairs}
