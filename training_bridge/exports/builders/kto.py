"""KTO: unpaired rows, also a TRL unpaired-preference dataset as it stands."""

from __future__ import annotations

import pyarrow as pa

from training_bridge.exports import reading
from training_bridge.exports.builders import columns
from training_bridge.formats.rows import KTORow

NAME = "KTO"
VERSION = 2
ABOUT = "Rejected outputs (label false) and outputs in which nothing was found wrong (label true)."
VERDICTS: tuple[str, ...] = (reading.REJECTED, reading.ACCEPTED)
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "completion": pa.string(),
    "label": pa.bool_(),
    "spans": columns.SPANS,
    "constraints": columns.CONSTRAINTS,
    "critiques": pa.list_(pa.string()),
    "severity": pa.string(),
    "model": pa.string(),
}


def row(text: reading.Text, decision: reading.Decision) -> KTORow:
    return {
        "id": text.id,
        "prompt": text.prompt,
        "completion": text.output,
        "label": decision.verdict == reading.ACCEPTED,
        "spans": decision.spans,
        "constraints": decision.constraints,
        "critiques": decision.critiques,
        "severity": decision.severity,
        "model": text.model,
    }
