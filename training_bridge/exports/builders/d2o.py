"""D2O: rejected outputs only; the trainer samples the anchors they are weighed against."""

from __future__ import annotations

import pyarrow as pa

from training_bridge.exports import reading
from training_bridge.exports.builders import columns
from training_bridge.formats.rows import D2ORow

NAME = "D2O"
VERSION = 1
ABOUT = "Rejected outputs only. The trainer samples the answers they are weighed against from the starting model."
VERDICTS: tuple[str, ...] = (reading.REJECTED,)
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "rejected": pa.string(),
    "spans": columns.SPANS,
    "constraints": columns.CONSTRAINTS,
    "severity": pa.string(),
    "model": pa.string(),
}


def row(text: reading.Text, decision: reading.Decision) -> D2ORow:
    return {
        "id": text.id,
        "prompt": text.prompt,
        "rejected": text.output,
        "spans": decision.spans,
        "constraints": decision.constraints,
        "severity": decision.severity,
        "model": text.model,
    }
