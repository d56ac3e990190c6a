"""What a checkpoint violates, beside what its parent violated on the same prompts.

Of each checkpoint the latest evaluation batch that has judgments counts, and of each prompt one output: the first that
was judged, so that every prompt weighs the same. An output violates a constraint when strictly more than half of its
decided judgments (cannot tell left out) marked it so, and is rejected when strictly more than half reject it - the rule
that quality.consensus states. Whose judgments count is named, or it is people's where people judged both sides, else
programs' where they did (quality.judges): a checkpoint is never said to be better because somebody else looked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from annotate.accounts.models import User
from annotate.constraints.models import Constraint, ConstraintSet, Member
from annotate.intake.models import ImportBatch, Output
from annotate.judgments.models import Judgment, Violation
from annotate.quality import false_discovery, judges
from training_bridge.evaluations import paired
from training_bridge.runs.models import Checkpoint, SampleBatch

EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Example:
    """The same prompt before and after. `outcome` is fixed, persistent or new."""

    outcome: str
    before: Output
    after: Output


@dataclass(frozen=True, kw_only=True)
class Line:
    """One constraint. `adjusted_p` is over all lines of the comparison."""

    constraint_id: int
    statement: str
    tag_slug: str
    kind: str
    counts: paired.Counts
    adjusted_p: float
    examples: list[Example]


@dataclass(frozen=True, kw_only=True)
class Side:
    """Where one checkpoint's outputs and judgments come from. `judges` counts judgments by kind of annotator.

    `ungrouped` violations belong to no constraint yet, so no line knows of them; the grouping sweep takes them in.
    """

    checkpoint: Checkpoint
    batch: ImportBatch | None
    judged_outputs: int
    judges: dict[str, int]
    ungrouped: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    before: Side
    after: Side
    lines: list[Line]
    rejected: paired.Counts
    pairs: int
    kinds: tuple[str, ...]


@dataclass
class _Judged:
    """The judged outputs of one batch: by prompt the output that counts, and what the majority says of it."""

    outputs: dict[int, int] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)
    violated: dict[int, set[int]] = field(default_factory=dict)
    judges: Counter[str] = field(default_factory=Counter)
    ungrouped: int = 0


def compare(
    *,
    checkpoint: Checkpoint,
    parent: Checkpoint,
    constraint_set: ConstraintSet,
    kinds: Collection[str] | None = None,
) -> Comparison:
    """Compare over the prompts that were judged for both. Reads two batches, whatever the campaign's size.

    `kinds` of annotators count; None leaves it to the rule above.
    """
    batches = [_latest_batch(each, constraint_set.campaign_id) for each in (parent, checkpoint)]
    roots = _roots(constraint_set)
    counting = _counting(batches) if kinds is None else judges.in_order(kinds)
    before, after = (_judged(batch, roots, counting) for batch in batches)
    prompts = sorted(before.outputs.keys() & after.outputs.keys())
    pairs = [(before.outputs[prompt], after.outputs[prompt]) for prompt in prompts]
    return Comparison(
        before=_side(parent, batches[0], before),
        after=_side(checkpoint, batches[1], after),
        lines=_lines(constraint_set, pairs, before, after, roots),
        rejected=paired.count((old in before.rejected, new in after.rejected) for old, new in pairs),
        pairs=len(pairs),
        kinds=counting,
    )


def _side(checkpoint: Checkpoint, batch: ImportBatch | None, judged: _Judged) -> Side:
    return Side(
        checkpoint=checkpoint,
        batch=batch,
        judged_outputs=len(judged.outputs),
        judges=dict(sorted(judged.judges.items())),
        ungrouped=judged.ungrouped,
    )


def _lines(
    constraint_set: ConstraintSet,
    pairs: list[tuple[int, int]],
    before: _Judged,
    after: _Judged,
    roots: dict[int, int],
) -> list[Line]:
    entries = list(constraint_set.entries.order_by("tag_slug", "pk"))
    flags = [
        [
            (roots[entry.constraint_id] in before.violated[old], roots[entry.constraint_id] in after.violated[new])
            for old, new in pairs
        ]
        for entry in entries
    ]
    counts = [paired.count(each) for each in flags]
    adjusted = false_discovery.adjust([each.p_value for each in counts]).tolist()
    chosen = [_chosen(pairs, each) for each in flags]
    texts = Output.objects.select_related("prompt").in_bulk(
        {output for each in chosen for _, old, new in each for output in (old, new)}
    )
    return [
        Line(
            constraint_id=entry.constraint_id,
            statement=entry.statement,
            tag_slug=entry.tag_slug,
            kind=entry.kind,
            counts=counts[place],
            adjusted_p=adjusted[place],
            examples=[
                Example(outcome=outcome, before=texts[old], after=texts[new]) for outcome, old, new in chosen[place]
            ],
        )
        for place, entry in enumerate(entries)
    ]


def _chosen(pairs: list[tuple[int, int]], flags: list[tuple[bool, bool]]) -> list[tuple[str, int, int]]:
    """A few pairs of each outcome: new ones first, since they are what one wants to see."""
    found: dict[str, list[tuple[str, int, int]]] = {paired.NEW: [], paired.FIXED: [], paired.PERSISTENT: []}
    outcomes = {(False, True): paired.NEW, (True, False): paired.FIXED, (True, True): paired.PERSISTENT}
    for (old, new), flag in zip(pairs, flags, strict=True):
        outcome = outcomes.get(flag)
        if outcome is not None and len(found[outcome]) < EXAMPLES:
            found[outcome].append((outcome, old, new))
    return [example for examples in found.values() for example in examples]


def _latest_batch(checkpoint: Checkpoint, campaign_id: int) -> ImportBatch | None:
    linked = SampleBatch.objects.filter(
        checkpoint=checkpoint, batch__campaign=campaign_id, batch__purpose=ImportBatch.Purpose.EVALUATE
    ).select_related("batch")
    batches = [each.batch for each in linked.order_by("-batch_id")]
    judged = Judgment.objects.filter(is_current=True)
    return next(
        (batch for batch in batches if judged.filter(output__batch=batch).exists()), batches[0] if batches else None
    )


def _counting(batches: list[ImportBatch | None]) -> tuple[str, ...]:
    """Return people where they judged both batches, else programs where those did, else people."""
    for group in (judges.PEOPLE, judges.PROGRAMS):
        by_group = Judgment.objects.filter(is_current=True, annotator__kind__in=group)
        if all(batch is not None and by_group.filter(output__batch=batch).exists() for batch in batches):
            return group
    return judges.PEOPLE


def _judged(batch: ImportBatch | None, roots: dict[int, int], kinds: tuple[str, ...]) -> _Judged:
    found = _Judged()
    if batch is None:
        return found
    decided, rejecting, owners = Counter[int](), Counter[int](), {}
    theirs = Judgment.objects.filter(output__batch=batch, is_current=True, annotator__kind__in=kinds)
    rows = theirs.exclude(verdict=Judgment.Verdict.CANNOT_TELL)
    values = rows.values_list("pk", "output_id", "output__prompt_id", "verdict", "annotator__kind")
    for judgment_id, output_id, prompt_id, verdict, kind in values.order_by("output_id").iterator(chunk_size=2000):
        found.judges[User.Kind(kind).label] += 1
        if found.outputs.setdefault(prompt_id, output_id) == output_id:
            decided[output_id] += 1
            rejecting[output_id] += verdict == Judgment.Verdict.REJECTED
            owners[judgment_id] = output_id
    found.rejected = {output for output, votes in rejecting.items() if 2 * votes > decided[output]}
    found.violated = _violated(batch, owners, decided, roots)
    marked = Violation.objects.filter(judgment__in=theirs)
    found.ungrouped = marked.filter(constraint_member=None).count()
    return found


def _violated(
    batch: ImportBatch, owners: dict[int, int], decided: Counter[int], roots: dict[int, int]
) -> dict[int, set[int]]:
    """Return, by output, the constraints that a majority of its decided judgments marked."""
    marks: dict[tuple[int, int], set[int]] = defaultdict(set)
    members = Member.objects.filter(violation__judgment__output__batch=batch, violation__judgment__is_current=True)
    values = members.values_list("violation__judgment_id", "constraint_id")
    for judgment_id, constraint_id in values.iterator(chunk_size=2000):
        if judgment_id in owners and constraint_id in roots:
            marks[owners[judgment_id], roots[constraint_id]].add(judgment_id)
    violated: dict[int, set[int]] = {output: set() for output in decided}
    for (output, constraint), judgments in marks.items():
        if 2 * len(judgments) > decided[output]:
            violated[output].add(constraint)
    return violated


def _roots(constraint_set: ConstraintSet) -> dict[int, int]:
    """Map every constraint of the campaign to the living one it was merged into (or to itself)."""
    steps = dict(Constraint.objects.filter(campaign=constraint_set.campaign_id).values_list("pk", "merged_into_id"))
    roots: dict[int, int] = {}
    for start in steps:
        at, seen = start, {start}
        while (following := steps.get(at)) is not None and following not in seen:
            seen.add(following)
            at = following
        roots[start] = at
    return roots
