from annotate.quality import consensus
from annotate.quality.consensus import KeptSpan, Mark, Vote


def rejects(annotator: int, *marks: Mark) -> Vote:
    return Vote(annotator=annotator, verdict="rejected", marks=marks)


def accepts(annotator: int) -> Vote:
    return Vote(annotator=annotator, verdict="nothing_wrong")


def mark(number: int, tag: str, start: int | None = None, end: int | None = None, severity: str = "") -> Mark:
    return Mark(violation_id=number, tag=tag, severity=severity, start=start, end=end)


def spans(kept: consensus.KeptTag) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in kept.spans]


def test_verdict_worked_example() -> None:
    result = consensus.verdict(
        [rejects(1, mark(1, "fact", 0, 6)), rejects(2, mark(2, "fact", 4, 9), mark(3, "style")), accepts(3)]
    )
    assert (result.verdict, result.decided, result.rejected_by) == ("rejected", 3, 2)
    [fact] = result.tags
    assert (fact.tag, fact.applied_by, fact.violation_ids) == ("fact", 2, (1, 2))
    assert fact.spans == (KeptSpan(start=4, end=6, severity="", violation_ids=(1, 2)),)


def test_verdict_of_one_judgment_keeps_its_marks_as_they_are() -> None:
    result = consensus.verdict([rejects(1, mark(2, "fact", 3, 5, "major"), mark(1, "fact", 5, 8, "minor"))])
    [fact] = result.tags
    assert fact.severity == "major"
    assert fact.spans == (
        KeptSpan(start=3, end=5, severity="major", violation_ids=(2,)),
        KeptSpan(start=5, end=8, severity="minor", violation_ids=(1,)),
    )


def test_verdict_tie_is_disputed_and_keeps_no_tag() -> None:
    result = consensus.verdict([rejects(1, mark(1, "fact", 0, 4)), accepts(2)])
    assert (result.verdict, result.tags) == ("disputed", ())


def test_verdict_leaves_out_cannot_tell() -> None:
    votes = [rejects(1, mark(1, "fact")), Vote(annotator=2, verdict="cannot_tell")]
    result = consensus.verdict(votes)
    assert (result.verdict, result.decided, [kept.tag for kept in result.tags]) == ("rejected", 1, ["fact"])
    assert consensus.verdict(votes[1:]).verdict == consensus.verdict([]).verdict == "undecided"


def test_verdict_nothing_wrong_by_majority() -> None:
    assert consensus.verdict([accepts(1), accepts(2), rejects(3, mark(1, "fact"))]).verdict == "nothing_wrong"


def test_verdict_tag_without_agreed_characters_has_no_span() -> None:
    result = consensus.verdict([rejects(1, mark(1, "fact", 0, 4)), rejects(2, mark(2, "fact", 6, 9))])
    assert [spans(kept) for kept in result.tags] == [[]]
    assert result.tags[0].violation_ids == (1, 2)


def test_verdict_whole_output_counts_among_those_who_applied_the_tag() -> None:
    marked = [rejects(1, mark(1, "fact", 0, 4)), rejects(2, mark(2, "fact", 2, 9))]
    assert spans(consensus.verdict(marked).tags[0]) == [(2, 4)]
    assert spans(consensus.verdict([*marked, rejects(3, mark(3, "fact"))]).tags[0]) == [(2, 4)]
    four = [*marked, rejects(3, mark(3, "fact")), rejects(4, mark(4, "fact"))]
    assert spans(consensus.verdict(four).tags[0]) == []


def test_verdict_overlapping_marks_of_one_annotator_count_once() -> None:
    result = consensus.verdict(
        [rejects(1, mark(1, "fact", 0, 4), mark(2, "fact", 2, 8)), rejects(2, mark(3, "fact", 3, 5))]
    )
    assert spans(result.tags[0]) == [(3, 5)]


def test_verdict_stretches_with_a_gap_stay_apart() -> None:
    result = consensus.verdict(
        [rejects(1, mark(1, "fact", 0, 10)), rejects(2, mark(2, "fact", 1, 3), mark(3, "fact", 5, 7))]
    )
    assert [(span.start, span.end, span.violation_ids) for span in result.tags[0].spans] == [
        (1, 3, (1, 2)),
        (5, 7, (1, 3)),
    ]


def test_verdict_severity_is_the_lower_median() -> None:
    votes = [rejects(1, mark(1, "fact", severity="minor")), rejects(2, mark(2, "fact", severity="critical"))]
    assert consensus.verdict(votes).tags[0].severity == "minor"
    assert consensus.verdict([*votes, rejects(3, mark(3, "fact", severity="major"))]).tags[0].severity == "major"


def test_verdict_does_not_depend_on_the_order_of_votes() -> None:
    votes = [rejects(1, mark(1, "fact", 0, 6)), rejects(2, mark(2, "fact", 4, 9)), accepts(3)]
    assert consensus.verdict(votes) == consensus.verdict(votes[::-1])
