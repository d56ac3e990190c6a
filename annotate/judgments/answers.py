"""Whether a line of gold brings its known answer. Pure."""

from __future__ import annotations

from collections.abc import Callable

from annotate.intake import marks, records


def missing(*, record: records.Record, tag_id: Callable[[str], int | None]) -> str:
    """Say why a gold line's annotations are no answer; nothing when they are one. `tag_id` knows the tags there are."""
    if record.problems:
        return f"a gold line is taken with its whole answer only; {record.problems[0]}"
    verdicts = {annotation.verdict for annotation in record.annotations}
    if not verdicts & {marks.REJECTED, marks.NOTHING_WRONG}:
        return (
            "a gold line needs its known answer: an annotation with the tags that are right, "
            'or with "ok": true where nothing is wrong'
        )
    if len(verdicts) > 1:
        return "its annotations contradict one another, so nobody knows the answer; keep the right one"
    for mark in (mark for annotation in record.annotations for mark in annotation.marks):
        if tag_id(mark.type) is None:
            return (
                f"the campaign has no tag {mark.type!r}, which its known answer needs; "
                "import with the option to make tags, or add it"
            )
    return ""
