"""Every span that people marked in eight languages comes back from the page as it went in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from frontend import visible_text
from tests.browser import work_text_page

BATCH = 300

# Each span is shown as a mark, read back from what is painted, then selected and read back as a selection.
ROUND = """(outputs) => outputs.map(({ pieces, length, spans }) => {
  reader.root.replaceChildren(...pieces.map(([text, name]) => {
    if (!name) return text;
    const element = document.createElement("span");
    Object.assign(element, { className: "hidden-character", textContent: text });
    element.dataset.name = name;
    return element;
  }));
  reader.load();
  if (reader.length !== length) return `${reader.length} characters`;
  reader.show(spans.map(([start, end], id) => ({ id, scope: "span", severity: "minor", start, end })));
  const painted = new Map([...reader.painter.painted.values()].map(({ key, range }) => [key, range]));
  return spans.map((span, id) => {
    const range = painted.get(id);
    const found = reader.toPoints(reader.map.span(range));
    reader.cursor.select(reader.toUnits({ start: span[0], end: span[1] }), { isExact: true });
    const { start, end } = reader.selection;
    return [found.start, found.end, range.toString(), start, end, reader.quote({ start, end })];
  });
})"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield work_text_page.show(context.new_page(), "empty").page
    context.close()


def test_every_annotated_span_round_trips(page: Page, shared_data: Path) -> None:
    file = shared_data / "lspan_mt.jsonl.gz"
    if not file.exists():
        pytest.skip(f"needs {file}")
    spans = 0
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        while batch := list(islice(records, BATCH)):
            given = [_given(record) for record in batch]
            for record, each, answered in zip(batch, given, page.evaluate(ROUND, given), strict=True):
                text = record["output"]
                expected = [[start, end, text[start:end]] * 2 for start, end in each["spans"]]
                assert answered == expected, record["id"]
                spans += len(expected)
    assert spans == 2210


def _given(record: dict[str, Any]) -> dict[str, Any]:
    text = record["output"].replace("\r\n", "\n")
    assert text == record["output"]
    tags = [tag for annotation in record["annotations"] for tag in annotation["tags"]]
    return {
        "pieces": [astuple(piece) for piece in visible_text.pieces(text)],
        "length": len(text),
        "spans": [[tag["start"], tag["end"]] for tag in tags if tag["start"] is not None],
    }
