"""Pairs: a rejected output and the same one corrected; also a TRL preference dataset as it stands."""

from __future__ import annotations

import pyarrow as pa

from training_bridge.exports import corrections, reading
from training_bridge.exports.builders import columns
from training_bridge.formats.rows import PairRow

NAME = "Pairs"
VERSION = 1
ABOUT = (
    "Rejected outputs (rejected), each with its corrections made (chosen); only those that are corrected throughout."
)
VERDICTS: tuple[str, ...] = (corrections.CORRECTED,)
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "chosen": pa.string(),
    "rejected": pa.string(),
    "spans": columns.SPANS,
    "corrected": columns.PLACES,
    "constraints": columns.CONSTRAINTS,
    "severity": pa.string(),
    "model": pa.string(),
}


def row(text: reading.Text, decision: reading.Decision) -> PairRow:
    return {
        "id": text.id,
        "prompt": text.prompt,
        "chosen": decision.chosen,
        "rejected": text.output,
        "spans": decision.spans,
        "corrected": decision.corrected,
        "constraints": decision.constraints,
        "severity": decision.severity,
        "model": text.model,
    }
