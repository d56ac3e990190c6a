"""The page's reader of events: cut anywhere, written on, asked again from where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training_bridge.formats import rundir
from training_bridge.runs import models, queries


def read_on(run: models.Run, after: int) -> tuple[list[dict[str, Any]], int]:
    """As the page does: until there is no more."""
    found: list[dict[str, Any]] = []
    while True:
        part = queries.events(run=run, after=after)
        found, after = found + part.events, part.next
        if not part.has_more:
            return found, after


def test_a_reader_of_a_torn_file_gets_every_later_line_once(tmp_path: Path) -> None:
    run = models.Run(folder=str(tmp_path))
    place = rundir.RunDir(path=tmp_path)
    before: list[dict[str, Any]] = [{"kind": "step", "step": 1, "said": '{"}\n\U0001f642'}, {"kind": "saved"}]
    for event in before:
        place.append_event(event)
    written = place.events.read_bytes()
    for cut in range(len(written) + 1):
        place.events.write_bytes(written[:cut])
        first, reached = read_on(run, 0)
        assert first == before[: written[:cut].count(b"\n")]
        place.append_event({"kind": "after"})
        place.append_event({"kind": "end"})
        later, _ = read_on(run, reached)
        was_whole = [event for event in later if event in before]
        assert len(was_whole) <= 1
        assert later == [*was_whole, {"kind": "after"}, {"kind": "end"}]
        assert first + was_whole == before[: len(first + was_whole)]


def test_a_file_that_grows_between_two_questions_is_read_on(tmp_path: Path) -> None:
    """The line that is being written is not lost, whatever byte the writer has reached."""
    run = models.Run(folder=str(tmp_path))
    place = rundir.RunDir(path=tmp_path)
    for number in range(3):
        place.append_event({"kind": "step", "step": number})
    written = place.events.read_bytes()
    for cut in range(len(written) + 1):
        place.events.write_bytes(written[:cut])
        first, reached = read_on(run, 0)
        place.events.write_bytes(written)
        second, _ = read_on(run, reached)
        assert [event["step"] for event in first + second] == [0, 1, 2]
