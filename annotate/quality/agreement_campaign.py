"""How far the annotators of a campaign agree: on whether, where, what and how bad. Pure.

Four questions, each with Krippendorff's alpha (1: always, 0: as chance would, below: worse than chance) and each with
the interval of `bootstrap.py`, outputs being drawn:

* detection: rejected or not, nominal alpha over outputs. And whether anything major or critical was found.
* localisation: the marked code points, whatever their tags: F1 of pairs (`localisation.py`), |u-alpha (`unitised.py`).
  Violations of the whole output and omissions mark nothing.
* tags: a tag is present where an annotator applied it at all; nominal alpha of presence over outputs, for each tag. All
  tags together: 1 - (sum of their D_o) / (sum of their D_e), so that a tag weighs as much as chance would disagree on
  it, and a rare one neither vanishes nor rules.
* severity: ordinal alpha over (output, tag) that two or more applied with a severity; of several, the worst counts.

Worked by hand: two annotators, two outputs. Tag a: both on the first, nobody on the second; alpha 1, D_o = 0 and, with
2 of 4 labels, D_e = 2 * 2 * 2 / (4 * 3) = 2/3. Tag b: one of them on the first: D_o = 2/4, D_e = 2 * 1 * 3 / 12 = 1/2,
alpha 0. Together: 1 - (1/2) / (2/3 + 1/2) = 4/7.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotate.quality import agreement_labels, bootstrap, localisation, unitised
from annotate.quality.agreement_columns import MAJOR, NO_SEVERITY, SEVERITIES, Columns
from annotate.quality.bootstrap import Draws, Figure, Floats, Integers, Over

ANNOTATORS_PAIRED = 25
PAIRS_AT_MOST = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """The four questions, asked of one set of judgments. `tags` is of all tags together."""

    detection: Figure
    major: Figure
    f1: Figure
    unitised: Figure
    tags: Figure
    severity: Figure


@dataclass(frozen=True, kw_only=True, slots=True)
class TagAgreement:
    """`applied`: by how many judgments."""

    tag: int
    applied: int
    presence: Figure
    f1: Figure
    unitised: Figure
    severity: Figure


@dataclass(frozen=True, kw_only=True, slots=True)
class PairAgreement:
    annotators: tuple[int, int]
    agreement: Agreement


def draws_for(columns: Columns, *, resamples: int = bootstrap.RESAMPLES, seed: int = 0) -> Draws:
    """Return the resamples that all figures of this frame share."""
    return bootstrap.draws(outputs=columns.outputs, resamples=resamples, seed=seed)


def overall(columns: Columns, *, draws: Draws) -> Agreement:
    """Measure judgments whose outputs all have two or more: a frame, or a part of the one that was drawn for."""
    f1, over_marks = _localisation(columns, draws)
    return Agreement(
        detection=_binary(columns, columns.is_rejected, draws),
        major=_binary(columns, np.asarray(columns.severest >= MAJOR, dtype=np.int64), draws),
        f1=f1,
        unitised=over_marks,
        tags=_all_tags(columns, draws),
        severity=_severity(columns, draws),
    )


def by_tag(columns: Columns, *, draws: Draws) -> list[TagAgreement]:
    """Measure every tag that anybody applied, in order of its number."""
    return [_tag(columns.of_tag(int(tag)), int(tag), draws) for tag in np.unique(columns.tag)]


def by_pair(columns: Columns, *, draws: Draws) -> list[PairAgreement]:
    """Measure pairs of annotators on the outputs that both judged; those that share most come first.

    Of the ANNOTATORS_PAIRED annotators with most judgments, at most PAIRS_AT_MOST pairs.
    """
    found = []
    for pair in _pairs(columns):
        theirs = columns.of_judgments(np.isin(columns.annotator, pair)).shared()
        found.append(PairAgreement(annotators=pair, agreement=overall(theirs, draws=draws)))
    return found


def _tag(columns: Columns, tag: int, draws: Draws) -> TagAgreement:
    is_present = np.zeros(columns.judgments, dtype=np.int64)
    is_present[columns.judgment] = 1
    f1, over_marks = _localisation(columns, draws)
    return TagAgreement(
        tag=tag,
        applied=int(is_present.sum()),
        presence=_binary(columns, is_present, draws),
        f1=f1,
        unitised=over_marks,
        severity=_severity(columns, draws),
    )


def _binary(columns: Columns, labels: Integers, draws: Draws) -> Figure:
    """What tells is the rarer of yes and no: the outputs about which anybody said it."""
    found = agreement_labels.counts(units=columns.output, raters=columns.annotator, labels=labels, categories=2)
    telling = int((found.table > 0).sum(axis=0).min())
    return draws.figure(
        agreement_labels.nominal_alpha,
        blocks=columns.block[found.units],
        values=agreement_labels.nominal_terms(found),
        over=Over(outputs=found.units.size, labels=found.labels, telling=telling),
    )


def _localisation(columns: Columns, draws: Draws) -> tuple[Figure, Figure]:
    """Return F1 and |u-alpha. Their labels are the marks."""
    found = unitised.coverage(
        texts=columns.output[columns.judgment],
        annotators=columns.judgment,
        starts=columns.start,
        ends=columns.end,
        count=columns.outputs,
    )
    sizes, marks = columns.annotators_of_output, int((columns.start < columns.end).sum())
    over = Over(outputs=columns.outputs, labels=marks, telling=int((found.marked > 0).sum()))
    pairs = localisation.terms(found=found, annotators=sizes)
    pieces = unitised.terms(found=found, annotators=sizes, lengths=columns.length)
    f1 = draws.figure(localisation.f1, blocks=columns.block, values=pairs, over=over)
    return f1, draws.figure(unitised.alpha, blocks=columns.block, values=pieces, over=over)


def _all_tags(columns: Columns, draws: Draws) -> Figure:
    """Per block: the disagreement of all tags, how many labels a tag has, and how often each tag was applied."""
    tags, sizes = columns.tags, columns.annotators_of_output
    applied = np.unique(columns.judgment * tags + columns.tag)
    cells, present = np.unique(columns.output[applied // tags] * tags + applied % tags, return_counts=True)
    output, tag = np.divmod(cells, tags)
    block = columns.block[output]
    apart = 2 * present * (sizes[output] - present) / (sizes[output] - 1)
    added = [
        bootstrap.added(apart, places=block, count=draws.blocks),
        bootstrap.added(sizes.astype(float), places=columns.block, count=draws.blocks),
        bootstrap.added(present.astype(float), places=block * tags + tag, count=draws.blocks * tags),
    ]
    return draws.figure(
        _pooled,
        blocks=np.arange(draws.blocks),
        values=np.column_stack([*added[:2], added[2].reshape(draws.blocks, tags)]),
        over=Over(outputs=columns.outputs, labels=columns.judgments, telling=int(np.unique(output).size)),
    )


def _pooled(sums: Floats) -> Floats:
    apart, total, present = sums[..., 0], sums[..., 1], sums[..., 2:]
    expected = (2 * present * (total[..., None] - present)).sum(axis=-1)
    return 1 - bootstrap.ratio((total - 1) * apart, expected)


def _severity(columns: Columns, draws: Draws) -> Figure:
    """The units are (output, tag), numbered from the output; those of one output are drawn together."""
    is_said = columns.severity != NO_SEVERITY
    row, tag, severity = columns.judgment[is_said], columns.tag[is_said], columns.severity[is_said]
    tags = columns.tags
    applied, place = np.unique(row * tags + tag, return_inverse=True)
    worst = np.full(applied.size, NO_SEVERITY, dtype=np.int64)
    np.maximum.at(worst, place, severity)
    found = agreement_labels.counts(
        units=columns.output[applied // tags] * tags + applied % tags,
        raters=columns.annotator[applied // tags],
        labels=worst,
        categories=len(SEVERITIES),
    )
    outputs = int(np.unique(found.units // tags).size)
    return draws.figure(
        agreement_labels.ordinal_alpha,
        blocks=columns.block[found.units // tags],
        values=agreement_labels.ordinal_terms(found),
        over=Over(outputs=outputs, labels=found.labels, telling=outputs),
    )


def _pairs(columns: Columns) -> Sequence[tuple[int, int]]:
    """Return the pairs that share outputs, most first."""
    most = np.argsort(-np.bincount(columns.annotator), kind="stable")[:ANNOTATORS_PAIRED]
    has_judged = np.zeros((most.size, columns.outputs), dtype=bool)
    for place, annotator in enumerate(most):
        has_judged[place, columns.output[columns.annotator == annotator]] = True
    found = [
        (int((has_judged[one] & has_judged[other]).sum()), *sorted((int(most[one]), int(most[other]))))
        for one, other in itertools.combinations(range(most.size), 2)
    ]
    ranked = sorted((each for each in found if each[0]), key=lambda each: (-each[0], each[1], each[2]))
    return [(one, other) for _, one, other in ranked[:PAIRS_AT_MOST]]
