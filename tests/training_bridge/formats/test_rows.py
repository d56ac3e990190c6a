from __future__ import annotations

from pathlib import Path

import pytest

from training_bridge.formats import rows


def test_read_jsonl_yields_objects(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"prompt": "é\u2028🙂"}\n{"label": true}\n', encoding="utf-8")
    assert list(rows.read_jsonl(path)) == [{"prompt": "é\u2028🙂"}, {"label": True}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}\n{"a"\n', "train.jsonl, line 2: not valid JSON"),
        (b'{"a": 1}\n[1]\n', "train.jsonl, line 2: expected a JSON object"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "train.jsonl, line 2: not valid UTF-8"),
    ],
)
def test_read_jsonl_names_file_and_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        list(rows.read_jsonl(path))


def test_read_jsonl_passes_over_empty_lines_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"a": 1}\n\n')
    assert list(rows.read_jsonl(path)) == [{"a": 1}]
