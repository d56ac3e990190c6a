"""A campaign's judgments as columns of numbers: what agreement is measured on. Pure.

A judgment is a row, and so is a violation: some 40 bytes each, so that a million judgments fit where their rows do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from annotate.quality import bootstrap
from annotate.quality.bootstrap import Integers

NO_SEVERITY = -1
SEVERITIES = ("minor", "major", "critical")
MAJOR = SEVERITIES.index("major")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """`output`, `annotator`, `is_rejected`: one entry a judgment, in order of output; one judgment each at most.

    `length` (code points of the text) and `block` (of the bootstrap, see `frame`): one entry an output, from 0 on.
    `judgment` (its row), `tag`, `severity` (a place in SEVERITIES, or NO_SEVERITY), `start`, `end` (half-open, both 0
    where the violation has no span): one entry a violation.
    """

    output: Integers
    annotator: Integers
    is_rejected: Integers
    length: Integers
    block: Integers
    judgment: Integers
    tag: Integers
    severity: Integers
    start: Integers
    end: Integers

    @property
    def outputs(self) -> int:
        return int(self.length.size)

    @property
    def judgments(self) -> int:
        return int(self.output.size)

    @property
    def tags(self) -> int:
        """One more than the greatest number of a tag."""
        return int(self.tag.max(initial=0)) + 1

    @property
    def annotators_of_output(self) -> Integers:
        """How many judged each output, [outputs]."""
        return np.asarray(np.bincount(self.output, minlength=self.outputs), dtype=np.int64)

    @property
    def severest(self) -> Integers:
        """The worst severity of each judgment, [judgments]; NO_SEVERITY where none was said."""
        worst = np.full(self.judgments, NO_SEVERITY, dtype=np.int64)
        np.maximum.at(worst, self.judgment, self.severity)
        return worst

    def of_judgments(self, is_kept: NDArray[np.bool_]) -> Columns:
        """Return what is left with these judgments only, [judgments]; outputs without any are gone."""
        outputs, output = np.unique(self.output[is_kept], return_inverse=True)
        row = is_kept.cumsum() - 1
        of_kept = self._violations(is_kept[self.judgment])
        return replace(
            of_kept,
            output=output,
            annotator=self.annotator[is_kept],
            is_rejected=self.is_rejected[is_kept],
            length=self.length[outputs],
            block=self.block[outputs],
            judgment=row[of_kept.judgment],
        )

    def of_tag(self, tag: int) -> Columns:
        """Return the same judgments with the violations of one tag."""
        return self._violations(self.tag == tag)

    def shared(self, *, judgments: int | None = None) -> Columns:
        """Return the outputs that two or more judged; with `judgments`, those that so many did."""
        sizes = self.annotators_of_output
        is_shared = sizes >= 2 if judgments is None else (sizes >= 2) & (sizes == judgments)
        return self.of_judgments(is_shared[self.output])

    def frame(self, *, judgments: int | None = None) -> Columns:
        """Return `shared(...)` as what a bootstrap draws from: the blocks are those of its outputs."""
        kept = self.shared(judgments=judgments)
        return replace(kept, block=bootstrap.block_of(np.arange(kept.outputs)))

    def _violations(self, is_kept: NDArray[np.bool_]) -> Columns:
        return replace(
            self,
            judgment=self.judgment[is_kept],
            tag=self.tag[is_kept],
            severity=self.severity[is_kept],
            start=self.start[is_kept],
            end=self.end[is_kept],
        )
