"""What the judgments up to one judgment say of each output, and the texts of the rows.

Everything is read as of the request: an annotator's revision counts when it was the last one up to `last_judgment_id`
and was not withdrawn by `requested_at`. So the same version read again, after a crash or a year later, gives the same
rows, whatever was judged since. A version that is only sketched has no such moment: nothing withdrawn counts.

Outputs of other batches than those to be trained on, gold among them, are never read.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from annotate.quality import consensus
from training_bridge.exports import corrections
from training_bridge.exports.models import DatasetVersion
from training_bridge.exports.options import Options
from training_bridge.formats.rows import PlaceRow, PromptValue, SpanRow

CHUNK = 2000

ACCEPTED = "nothing_wrong"
REJECTED = "rejected"
OUTSIDE = "rejected_outside_the_set"
TOO_FEW = "too_few_judgments"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged output of a batch that may be trained on."""

    output_id: int
    prompt_id: int
    prompt_sha256: str
    content_key: str


@dataclass(slots=True)
class Decision:
    """What an output is to a dataset. `verdict` is a consensus verdict, OUTSIDE or TOO_FEW; where corrections are asked
    for, a rejected one's is corrections.CORRECTED, with the text in `chosen`, or one of corrections.LEFT_OUT.

    `constraints` are ids of set entries; `critiques` are what annotators wrote about the violations that these come
    from, each text once, the first made first. `judges` counts the judgments behind it by the annotator's kind,
    `assisted` those of them that were made with suggestions of checks, `left_out` those of the kinds that do not count.
    `corrected` are the corrections' places in `chosen`;
    `is_rewritten`: it is a correction of the whole output.
    """

    verdict: str
    spans: list[SpanRow] = field(default_factory=list)
    constraints: list[int] = field(default_factory=list)
    critiques: list[str] = field(default_factory=list)
    severity: str = ""
    judges: Counter[str] = field(default_factory=Counter)
    assisted: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    tag_sets: set[int] = field(default_factory=set)
    chosen: str = ""
    corrected: list[PlaceRow] = field(default_factory=list)
    is_rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """The words of one row."""

    id: str
    prompt: PromptValue
    output: str
    model: str


@dataclass(slots=True)
class Votes:
    """The judgments of one output that count; set entry and critique of each of their violations that is in the set."""

    votes: list[consensus.Vote] = field(default_factory=list)
    entries: dict[int, int] = field(default_factory=dict)
    critiques: dict[int, str] = field(default_factory=dict)
    judges: Counter[str] = field(default_factory=Counter)
    assisted: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    tag_sets: set[int] = field(default_factory=set)


def candidates(dataset: DatasetVersion) -> Iterator[list[Candidate]]:
    """Yield the judged outputs of batches to be trained on, by id, CHUNK at a time."""
    after = 0
    while True:
        rows = _rows(
            _CANDIDATES,
            campaign=dataset.campaign_id,
            last=dataset.last_judgment_id,
            asked=dataset.requested_at,
            after=after,
            chunk=CHUNK,
        )
        if not rows:
            return
        yield [Candidate(*row) for row in rows]
        after = rows[-1][0]


_CANDIDATES = """
SELECT o.id, o.prompt_id, p.sha256, o.content_key
FROM intake_output o JOIN intake_importbatch b ON b.id = o.batch_id JOIN intake_prompt p ON p.id = o.prompt_id
WHERE o.campaign_id = %(campaign)s AND o.id > %(after)s AND b.purpose = 'annotate'
  AND EXISTS (
    SELECT 1 FROM judgments_judgment j
    WHERE j.output_id = o.id AND j.id <= %(last)s AND (j.withdrawn_at IS NULL OR j.withdrawn_at > %(asked)s)
  )
ORDER BY o.id LIMIT %(chunk)s
"""


def decisions(
    dataset: DatasetVersion, options: Options, output_ids: Sequence[int], *, has_corrections: bool = False
) -> dict[int, Decision]:
    """Return what each of the outputs is to this dataset. Two queries, and one for `has_corrections`."""
    votes = _votes(dataset, options, output_ids)
    agreed = {output_id: consensus.verdict(each.votes) for output_id, each in votes.items()}
    found = {output_id: _decided(each, agreed[output_id], options) for output_id, each in votes.items()}
    if has_corrections:
        rejected = [output_id for output_id, decision in found.items() if decision.verdict == REJECTED]
        fixes, words = _fixes(
            [mark.violation_id for each in rejected for vote in votes[each].votes for mark in vote.marks]
        )
        for each in rejected:
            made = corrections.of(votes=votes[each].votes, agreed=agreed[each], fixes=fixes)
            _correct(found[each], made, words.get(each, ""))
    return found


def _fixes(violation_ids: Sequence[int]) -> tuple[dict[int, corrections.Fix], dict[int, str]]:
    """The corrections of these violations, less those that change nothing, and the texts of the corrected outputs."""
    fixes: dict[int, corrections.Fix] = {}
    words: dict[int, str] = {}
    for violation_id, scope, correction, start, end, output_id, text in _rows(_CORRECTIONS, ids=list(violation_ids)):
        words[output_id] = text
        if correction != text[start:end]:
            fixes[violation_id] = corrections.Fix(text=correction, is_whole=scope == "whole")
    return fixes, words


_CORRECTIONS = """
SELECT v.id, v.scope, v.correction, v.start, v."end", o.id, o.text
FROM judgments_violation v JOIN judgments_judgment j ON j.id = v.judgment_id JOIN intake_output o ON o.id = j.output_id
WHERE v.id = ANY(%(ids)s) AND v.correction <> ''
"""


def _correct(decision: Decision, made: corrections.Corrected, text: str) -> None:
    decision.verdict, decision.is_rewritten = made.state, made.is_whole
    if made.state == corrections.CORRECTED:
        decision.chosen = corrections.apply(text, made.edits)
        decision.corrected = [PlaceRow(start=start, end=end) for start, end in corrections.places(made.edits)]
        if decision.chosen == text:
            decision.verdict = corrections.CHANGES_NOTHING
        elif not decision.chosen.strip():
            decision.verdict = corrections.LEAVES_NOTHING


def _votes(dataset: DatasetVersion, options: Options, output_ids: Sequence[int]) -> dict[int, Votes]:
    found = {output_id: Votes() for output_id in output_ids}
    as_of = {"last": dataset.last_judgment_id, "asked": dataset.requested_at}
    judgments = []
    for row in _rows(_JUDGMENTS, outputs=list(output_ids), **as_of):
        if row[4] in options.kinds:
            judgments.append(row)
        else:
            found[row[1]].left_out[row[4]] += 1
    marks, entries, critiques = _marks(dataset, [row[0] for row in judgments])
    for judgment_id, output_id, annotator_id, verdict, kind, tag_set, is_assisted in judgments:
        place = found[output_id]
        own = tuple(marks.get(judgment_id, ()))
        place.votes.append(consensus.Vote(annotator=annotator_id, verdict=verdict, marks=own))
        inside = [mark.violation_id for mark in own if mark.violation_id in entries]
        place.entries.update((each, entries[each]) for each in inside)
        place.critiques.update((each, critiques[each]) for each in inside)
        place.judges[kind] += 1
        place.assisted += is_assisted
        place.tag_sets.add(tag_set)
    return found


_JUDGMENTS = """
SELECT DISTINCT ON (j.output_id, j.annotator_id)
       j.id, j.output_id, j.annotator_id, j.verdict, u.kind, t.version, j.is_assisted
FROM judgments_judgment j JOIN accounts_user u ON u.id = j.annotator_id JOIN campaigns_tagset t ON t.id = j.tag_set_id
WHERE j.output_id = ANY(%(outputs)s) AND j.id <= %(last)s AND (j.withdrawn_at IS NULL OR j.withdrawn_at > %(asked)s)
ORDER BY j.output_id, j.annotator_id, j.revision DESC
"""


def _marks(
    dataset: DatasetVersion, judgment_ids: Sequence[int]
) -> tuple[dict[int, list[consensus.Mark]], dict[int, int], dict[int, str]]:
    """Marks by judgment; set entries and critiques by violation."""
    marks: dict[int, list[consensus.Mark]] = defaultdict(list)
    entries: dict[int, int] = {}
    critiques: dict[int, str] = {}
    rows = _rows(_VIOLATIONS, judgments=list(judgment_ids), constraint_set=dataset.constraint_set_id)
    for judgment_id, violation_id, tag, severity, start, end, critique, entry_id in rows:
        marks[judgment_id].append(
            consensus.Mark(violation_id=violation_id, tag=tag, severity=severity, start=start, end=end)
        )
        critiques[violation_id] = critique
        if entry_id is not None:
            entries[violation_id] = entry_id
    return marks, entries, critiques


_VIOLATIONS = """
SELECT v.judgment_id, v.id, t.slug, v.severity, v.start, v."end", v.critique, e.setentry_id
FROM judgments_violation v JOIN campaigns_tag t ON t.id = v.tag_id
LEFT JOIN constraints_setentry_violations e ON e.violation_id = v.id
  AND e.setentry_id = ANY(ARRAY(SELECT id FROM constraints_setentry WHERE constraint_set_id = %(constraint_set)s))
WHERE v.judgment_id = ANY(%(judgments)s) ORDER BY v.id
"""


def _decided(votes: Votes, agreed: consensus.Consensus, options: Options) -> Decision:
    made = Decision(verdict=agreed.verdict, judges=votes.judges, left_out=votes.left_out, tag_sets=votes.tag_sets)
    made.assisted = votes.assisted
    if agreed.decided < options.min_judgments:
        made.verdict = TOO_FEW
    if made.verdict == REJECTED:
        _mark(made, agreed, votes)
        made.verdict = REJECTED if made.constraints else OUTSIDE
    return made


def _mark(made: Decision, agreed: consensus.Consensus, votes: Votes) -> None:
    """Fill in the agreed tags as far as their violations belong to the set."""
    entries = votes.entries
    kept = [tag for tag in agreed.tags if any(each in entries for each in tag.violation_ids)]
    inside = sorted(each for tag in kept for each in tag.violation_ids if each in entries)
    made.constraints = sorted({entries[each] for each in inside})
    made.critiques = list(dict.fromkeys(text for each in inside if (text := votes.critiques[each].strip())))
    made.severity = max((tag.severity for tag in kept), key=consensus.SEVERITIES.index, default="")
    for tag in kept:
        for span in tag.spans:
            named = Counter(entries[each] for each in span.violation_ids if each in entries)
            if named:
                entry = min(named, key=lambda each: (-named[each], each))
                made.spans.append(
                    SpanRow(start=span.start, end=span.end, tag=tag.tag, severity=span.severity, constraint=entry)
                )
    made.spans.sort(key=lambda each: (each["start"], each["end"], each["tag"], each["constraint"] or 0))


def texts(output_ids: Sequence[int], *, chat_keys: Sequence[str] | None) -> dict[int, Text]:
    """Return the words of each output. `chat_keys` None: prompts are text; else messages with exactly these keys."""
    return {
        output_id: Text(id=id_, prompt=_prompt(prompt, messages, chat_keys), output=output, model=model)
        for output_id, id_, output, model, prompt, messages in _rows(_TEXTS, outputs=list(output_ids))
    }


_TEXTS = """
SELECT o.id, coalesce(nullif(o.external_id, ''), o.content_key), o.text, o.model, p.text, nullif(p.messages, '[]')
FROM intake_output o JOIN intake_prompt p ON p.id = o.prompt_id WHERE o.id = ANY(%(outputs)s)
"""


def _prompt(text: str, messages: str | None, keys: Sequence[str] | None) -> PromptValue:
    """`messages` is JSON: a plain cursor leaves it unread."""
    if keys is None:
        return text
    if not messages:
        return [{"role": "user", "content": text}]
    return [{key: _value(message[key]) for key in keys if key in message} for message in json.loads(messages)]


def _value(value: Any) -> str:
    """Messages are texts to every reader; what is not (a tool call) is kept as its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def chat_keys(prompt_ids: Sequence[int]) -> set[str]:
    """Return the keys that the messages of these prompts have; nothing when all of them are plain text."""
    return {row[0] for row in _rows(_CHAT_KEYS, prompts=list(prompt_ids))}


_CHAT_KEYS = """
SELECT DISTINCT jsonb_object_keys(m) FROM intake_prompt p, jsonb_array_elements(p.messages) m
WHERE p.id = ANY(%(prompts)s) AND p.messages <> '[]'
"""


def _rows(sql: str, **parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows
