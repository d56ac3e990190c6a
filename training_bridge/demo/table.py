"""What the demo measured: violations per constraint before and after each round, with counts and McNemar's p."""

from __future__ import annotations

from typing import Any

from annotate.constraints.models import ConstraintSet
from training_bridge.demo.stage import Stage
from training_bridge.evaluations import paired
from training_bridge.evaluations import queries as evaluation_queries
from training_bridge.runs.models import Checkpoint

METHODS = (("d2o", "D2O"), ("kto", "KTO"))
FOOTNOTE = (
    "Counts are answers to held-out questions, one for each question, judged by the script. "
    "p: exact McNemar test on the questions whose answer changed, not adjusted for the number of rows."
)


def measure(
    *, stage: Stage, base: Checkpoint, d2o: Checkpoint, kto: Checkpoint, constraint_set: ConstraintSet
) -> dict[str, Any]:
    """Return the table as plain data: `rows` by constraint, `clean` for answers with nothing wrong."""
    found = {
        key: evaluation_queries.compare(
            checkpoint=checkpoint, parent=base, constraint_set=constraint_set, kinds=[stage.script.kind]
        )
        for key, checkpoint in (("d2o", d2o), ("kto", kto))
    }
    by_constraint = {key: {line.constraint_id: line.counts for line in each.lines} for key, each in found.items()}
    rows: list[dict[str, Any]] = [
        {
            "statement": line.statement,
            "tag": line.tag_slug,
            "kind": line.kind,
            **{key: _cell(counts[line.constraint_id]) for key, counts in by_constraint.items()},
        }
        for line in found["d2o"].lines
    ]
    rows.sort(key=lambda row: (-row["d2o"]["before"], row["tag"]))
    return {
        "seed": stage.run.seed,
        "checkpoints": {"base": base.pk, "d2o": d2o.pk, "kto": kto.pk},
        "rows": rows,
        "clean": {key: _clean(each.rejected) for key, each in found.items()},
    }


def _cell(counts: paired.Counts) -> dict[str, Any]:
    return {
        "before": counts.before,
        "after": counts.after,
        "fixed": counts.fixed,
        "new": counts.new,
        "p": counts.p_value,
        "verdict": counts.verdict,
    }


def _clean(rejected: paired.Counts) -> dict[str, Any]:
    """Turn counts of rejected answers round: what counts is that nothing is wrong."""
    return {
        "before": rejected.pairs - rejected.before,
        "after": rejected.pairs - rejected.after,
        "total": rejected.pairs,
        "p": rejected.p_value,
    }


def headline(found: dict[str, Any]) -> str:
    """Say the whole in one line, better or worse."""
    parts = [f"{name} {_percent(found['clean'][key])}" for key, name in METHODS]
    before = found["clean"]["d2o"]
    return f"nothing wrong in {_share(before['before'], before['total'])} before; after {', '.join(parts)}"


def title(found: dict[str, Any]) -> str:
    return f"Held-out questions, seed {found['seed']}"


p_value = paired.shown


def _percent(clean: dict[str, Any]) -> str:
    return f"{_share(clean['after'], clean['total'])} (p {p_value(clean['p'])})"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else "none"
