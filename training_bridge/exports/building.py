"""Build one version's files in a folder: survey what the judgments say, then write the rows in their order.

Nothing here knows of states or claims; actions.build does. Memory holds a few numbers per row, never the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotate.accounts.models import User
from annotate.constraints.checks.models import CheckVersion
from annotate.quality import consensus
from annotate.quality.judges import KINDS
from training_bridge.exports import builders, corrections, order, reading, writing
from training_bridge.exports.models import DatasetVersion
from training_bridge.exports.options import Options
from training_bridge.formats import manifest

CHUNK = 1000
TRAIN, HOLDOUT = "train", "holdout"
FIRST_CHAT_KEYS = ("role", "content")

Progress = Callable[[int, int | None], None]
"""Told (rows done, rows in all or None) after every chunk; may raise to stop the build."""


@dataclass(kw_only=True)
class Survey:
    """What a version will hold: where its rows are, and how many outputs are what to it.

    `is_paired`: its rows are corrected outputs; `rewritten` of them have a correction of the whole output.
    """

    is_paired: bool = False
    places: dict[str, list[order.Place]] = field(default_factory=lambda: {TRAIN: [], HOLDOUT: []})
    outputs: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    judges: Counter[str] = field(default_factory=Counter)
    judges_left_out: Counter[str] = field(default_factory=Counter)
    assisted: int = 0
    constraint_rows: Counter[int] = field(default_factory=Counter)
    constraint_spans: Counter[int] = field(default_factory=Counter)
    tag_sets: set[int] = field(default_factory=set)
    chat_keys: set[str] = field(default_factory=set)
    rows_with_spans: int = 0
    rewritten: int = 0

    @property
    def row_count(self) -> int:
        return sum(len(places) for places in self.places.values())

    @property
    def message_keys(self) -> list[str] | None:
        """The keys of every message, role and content first; None when all prompts are plain text."""
        if not self.chat_keys:
            return None
        return [*FIRST_CHAT_KEYS, *sorted(self.chat_keys.difference(FIRST_CHAT_KEYS))]

    def add(self, decision: reading.Decision) -> None:
        """Count a row."""
        self.judges.update(decision.judges)
        self.assisted += decision.assisted
        self.tag_sets |= decision.tag_sets
        self.rewritten += decision.is_rewritten
        if decision.verdict != reading.ACCEPTED:
            self.severities[decision.severity] += 1
            self.rows_with_spans += bool(decision.spans)
            self.constraint_rows.update(decision.constraints)
            self.constraint_spans.update(
                span["constraint"] for span in decision.spans if span["constraint"] is not None
            )


def survey(dataset: DatasetVersion, options: Options, *, on_progress: Progress) -> Survey:
    """Decide on every judged output of the campaign, reading no text but that of corrected outputs for pairs."""
    builder = builders.FORMATS[dataset.format]
    made = Survey(is_paired=corrections.CORRECTED in builder.VERDICTS)
    for chunk in reading.candidates(dataset):
        decided = reading.decisions(
            dataset, options, [each.output_id for each in chunk], has_corrections=made.is_paired
        )
        rows = [each for each in chunk if decided[each.output_id].verdict in builder.VERDICTS]
        for decision in decided.values():
            made.outputs[decision.verdict] += 1
            made.judges_left_out.update(decision.left_out)
        made.chat_keys |= reading.chat_keys([each.prompt_id for each in rows])
        for each in rows:
            made.add(decided[each.output_id])
            made.places[_split(each, options)].append(_place(each, options))
        on_progress(0, None)
    return made


def write(dataset: DatasetVersion, options: Options, folder: Path, found: Survey, *, on_progress: Progress) -> str:
    """Write the files and the manifest into an empty folder. Return the manifest's sha256."""
    builder, done = builders.FORMATS[dataset.format], 0
    schema = writing.schema(builder.COLUMNS, chat_keys=found.message_keys)
    for name, places in found.places.items():
        if not places and name != TRAIN:
            continue
        with writing.SplitWriter(folder, name, schema) as writer:
            for ids in _chunks(order.arrange(places)):
                decided = reading.decisions(dataset, options, ids, has_corrections=found.is_paired)
                words = reading.texts(ids, chat_keys=found.message_keys)
                for output_id in ids:
                    writer.add(builder.row(words[output_id], decided[output_id]))
                done += len(ids)
                on_progress(done, found.row_count)
    return manifest.write(folder, facts(dataset, options, found))


def facts(dataset: DatasetVersion, options: Options, found: Survey) -> dict[str, Any]:
    """Return what the manifest says beside its files. No clock and no version number: same query, same bytes."""
    builder = builders.FORMATS[dataset.format]
    return {
        "kind": "dataset",
        "format": dataset.format,
        "builder": {"name": f"negativa {dataset.format}", "version": builder.VERSION},
        "campaign": dataset.campaign.slug,
        "options": options.as_json(),
        "constraint_set": {
            "revision": dataset.constraint_set.revision,
            "sha256": dataset.constraint_set.sha256,
            "constraints": _constraints(dataset, found),
        },
        "tag_sets": sorted(found.tag_sets),
        "last_judgment_id": dataset.last_judgment_id,
        "consensus": consensus.RULE,
        **({"corrections": corrections.RULE} if found.is_paired else {}),
        "prompts": "text" if found.message_keys is None else "messages",
        "counts": counts(found),
        "warnings": warnings(dataset, found),
    }


def counts(found: Survey) -> dict[str, Any]:
    """Return the numbers of a version: its rows, and the judged outputs that are not in it."""
    in_rows = {reading.REJECTED: sum(found.severities.values())}
    in_rows[reading.ACCEPTED] = found.row_count - in_rows[reading.REJECTED]
    return {
        "judged_outputs": sum(found.outputs.values()),
        "rows": found.row_count,
        "rejected": in_rows[reading.REJECTED],
        "accepted": in_rows[reading.ACCEPTED],
        "rejected_with_spans": found.rows_with_spans,
        "train": len(found.places[TRAIN]),
        "holdout": len(found.places[HOLDOUT]),
        "severities": {name or "none": found.severities[name] for name in ("", "minor", "major", "critical")},
        "judgments_by_kind": {kind: found.judges[kind] for kind in KINDS},
        "judgments_assisted": found.assisted,
        "judgments_left_out_by_kind": {kind: found.judges_left_out[kind] for kind in KINDS},
        "left_out": {
            "disputed": found.outputs[consensus.DISPUTED],
            "undecided": found.outputs[consensus.UNDECIDED],
            "too_few_judgments": found.outputs[reading.TOO_FEW],
            "rejected_outside_the_set": found.outputs[reading.OUTSIDE],
            "nothing_wrong": found.outputs[reading.ACCEPTED] - in_rows[reading.ACCEPTED],
            **({name: found.outputs[name] for name in corrections.LEFT_OUT} if found.is_paired else {}),
        },
        **({"rewritten": found.rewritten} if found.is_paired else {}),
    }


def warnings(dataset: DatasetVersion, found: Survey) -> list[str]:
    """Return what a person should know before training on the version."""
    said, told = [], counts(found)
    kinds = [kind for kind, count in told["judgments_by_kind"].items() if count]
    if dataset.format == DatasetVersion.Format.KTO and not told["accepted"]:
        said.append("No accepted rows: KTO trains on rejections only, with its reference point at zero.")
    if not told["rejected"]:
        said.append("No rejected rows: nothing in here says what to avoid.")
    if found.rewritten:
        said.append(
            f"In {found.rewritten:,} rows a correction of the whole output replaces all of it: look whether those are "
            "whole answers."
        )
    uncorrected = sum(told["left_out"].get(name, 0) for name in corrections.LEFT_OUT)
    if uncorrected:
        said.append(f"{uncorrected:,} rejected outputs give no pair: not all that is wrong with them is corrected.")
    names = ", ".join(str(User.Kind(kind).label) for kind in kinds)
    if len(kinds) > 1:
        said.append(f"Judgments of several kinds of annotator are together in here: {names}.")
    if kinds and "person" not in kinds:
        said.append(f"No person judged these outputs; the judgments come from: {names}.")
    said += _assisted(found)
    others = [f"{User.Kind(kind).label} {count:,}" for kind in KINDS if (count := found.judges_left_out[kind])]
    if others:
        said.append(f"Judgments are left out by whose they are: {', '.join(others)}. Ask for them to count them, too.")
    return said


def _assisted(found: Survey) -> list[str]:
    of = sum(found.judges.values())
    told = f"{found.assisted:,} of {of:,} judgments were made with suggestions of checks in sight; the others blind."
    return [told] if found.assisted else []


def _constraints(dataset: DatasetVersion, found: Survey) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.pk,
            "statement": entry.statement,
            "tag": entry.tag_slug,
            "kind": entry.kind,
            "rows": found.constraint_rows[entry.pk],
            "spans": found.constraint_spans[entry.pk],
            "check": _check(entry.check_version),
        }
        for entry in dataset.constraint_set.entries.select_related("check_version").order_by("id")
    ]


def _check(version: CheckVersion | None) -> dict[str, Any] | None:
    return None if version is None else {"version": version.number, "sha256": version.sha256}


def _split(each: reading.Candidate, options: Options) -> str:
    held = order.is_held_out(seed=options.seed, prompt_sha256=each.prompt_sha256, share=options.holdout)
    return HOLDOUT if held else TRAIN


def _place(each: reading.Candidate, options: Options) -> order.Place:
    return order.Place(
        key=order.key(seed=options.seed, content_key=each.content_key),
        prompt_id=each.prompt_id,
        output_id=each.output_id,
    )


def _chunks(places: Sequence[order.Place]) -> Iterator[list[int]]:
    for first in range(0, len(places), CHUNK):
        yield [place.output_id for place in places[first : first + CHUNK]]
