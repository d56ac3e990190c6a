"""Every file that somebody could hand in by mistake or in anger: what is good comes through, the rest says why."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq
import pytest

from annotate.intake import detect, lines, readers
from tests.annotate.intake import files


def problems(path: Path) -> dict[int, str]:
    return {row.number: row.problem for row in files.rows(path) if row.problem}


def numbers(path: Path, **place: int) -> list[int]:
    return [row.number for row in files.rows(path, **place) if row.fields is not None]


def parquet(path: Path, records: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pyarrow.Table.from_pylist(records), path, **options)
    return path


def csv_file(path: Path, rows: list[list[str]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


def test_jsonl_bad_lines_never_lose_their_neighbours(tmp_path: Path) -> None:
    good = files.line(files.record())
    path = files.jsonl(
        tmp_path / "mixed.jsonl",
        [
            b"\xef\xbb\xbf" + good,
            b"\n",
            b'{"prompt": "p", "output": "caf\xe9"}\n',
            b'{"prompt": "p", "output": \n',
            b"[1, 2]\n",
            b'"text"\n',
            b'{"prompt": "p", "output": NaN}\n',
            b"[" * 100_000 + b"\n",
            b'{"n": ' + b"9" * 5000 + b"}\n",
            good,
            b'{"prompt": "p", "outp',
        ],
    )
    assert numbers(path) == [1, 10]
    said = problems(path)
    assert list(said) == [3, 4, 5, 6, 7, 8, 9, 11]
    assert said[3] == "not valid UTF-8: byte 30 of the line is 0xe9"
    assert said[4].startswith("not valid JSON: Expecting value at character")
    assert (said[5], said[6]) == ("expected a JSON object, found a list", "expected a JSON object, found a text")
    assert said[7] == "not valid JSON: NaN is no JSON value"
    assert "nested too deeply" in said[8]
    assert "the file ends in this line, it may be cut off" in said[11]


def test_jsonl_line_over_the_limit_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(files.line(files.record(1)))
        file.write(b'{"prompt": "p", "output": "' + b"x" * (40 * 1024 * 1024) + b'"}\n')
        file.write(files.line(files.record(2)))
    tracemalloc.start()
    found = files.rows(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(row.number, bool(row.problem)) for row in found] == [(1, False), (2, True), (3, False)]
    assert found[1].problem == lines.TOO_LONG
    assert found[1].excerpt.startswith('{"prompt": "p"')
    assert peak < 2.5 * lines.MAX_LINE_BYTES


def test_jsonl_line_at_the_limit_is_read(tmp_path: Path) -> None:
    frame = len(files.line({"output": ""}))
    path = files.jsonl(tmp_path / "x.jsonl", [{"output": "x" * (lines.MAX_LINE_BYTES - frame)}, {"output": "y"}])
    assert numbers(path) == [1, 2]


@pytest.mark.parametrize("compressed", [False, True])
def test_jsonl_continues_behind_a_line(tmp_path: Path, compressed: bool) -> None:
    path = files.jsonl(tmp_path / "x.jsonl", [files.record(number) for number in range(9)])
    path = files.gzipped(path) if compressed else path
    with readers.open_file(path) as reader:
        for row in reader:
            if row.number == 4:
                break
        place = {"line": reader.line, "offset": reader.bytes_read}
    assert numbers(path, **place) == [5, 6, 7, 8, 9]


def test_gzip_cut_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    whole = files.gzipped(
        files.jsonl(tmp_path / "x.jsonl", [files.record(n, x=f"{n * n * 7919}") for n in range(3000)])
    )
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole.read_bytes()[:-2000])
    found = files.rows(cut)
    assert len(found) > 1000
    assert all(row.fields is not None for row in found[:-1])
    assert (found[-1].problem, found[-1].number) == (lines.CUT, len(found))


def test_gzip_damaged_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    whole = files.gzipped(
        files.jsonl(tmp_path / "x.jsonl", [files.record(n, x=f"{n * n * 7919}") for n in range(9000)])
    )
    data = bytearray(whole.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b"\xff" * 64
    whole.write_bytes(data)
    found = files.rows(whole)
    assert len(found) > 100
    assert found[-1].problem == lines.CUT


def test_detect_refuses_whole_files_by_what_they_are(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("outputs.jsonl", "{}")
    contents = {
        archive.getvalue(): "zip archive",
        b"": "empty",
        gzip.compress(b""): "empty",
        b"\x80\x04\x95\x00": "pickle",
        bytes(range(256)) * 20: "binary",
        "é".encode("utf-16"): "UTF-16",
        b'[{"prompt": "p"}]': "one JSON array",
        b"\x1f\x8b\x08\x00\x00": "damaged or cut off",
        gzip.compress(archive.getvalue()): "zip archive",
        b"SQLite format 3\x00": "SQLite",
    }
    for number, (content, said) in enumerate(contents.items()):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(content)
        with pytest.raises(detect.Unreadable, match=said):
            detect.detect(path)
    with pytest.raises(detect.Unreadable, match="could not be opened"):
        detect.detect(tmp_path / "absent.jsonl")


def test_detect_contents_outrank_the_name(tmp_path: Path) -> None:
    path = parquet(tmp_path / "table.jsonl", [files.record()])
    assert detect.detect(path).format == detect.PARQUET
    assert detect.detect(files.gzipped(path)) == detect.Kind(detect.PARQUET, gzipped=True)
    plain = files.jsonl(tmp_path / "outputs", [files.record()])
    assert detect.detect(plain).format == detect.JSONL
    with pytest.raises(detect.Unreadable, match="called Parquet"):
        detect.detect(plain, "x.parquet")


def test_csv_reads_cells_with_line_breaks_and_counts_physical_lines(tmp_path: Path) -> None:
    table = [["id", "prompt", "output", "score"], ["a", "two\r\nlines", 'say "x", please', "1"], ["b", "p", "o", ""]]
    path = csv_file(tmp_path / "x.csv", table)
    found = files.rows(path)
    assert [row.number for row in found] == [2, 4]
    assert found[0].fields == {"id": "a", "prompt": "two\r\nlines", "output": 'say "x", please', "score": "1"}
    assert files.rows(files.gzipped(path)) == found


def test_csv_bad_rows_never_lose_their_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        b'prompt,output,meta\np,good 1,\np,too,many,cells\np,caf\xe9,\np,"quote" in it,\np,o,{broken\n'
        b'p,good 2,"{""k"": 1}"\np,"never closed\nand on\n'
    )
    found = files.rows(path)
    assert [row.fields["output"] for row in found if row.fields] == ["good 1", "good 2"]
    said = problems(path)
    assert said[3] == "the row has 4 cells, the header names 3 columns"
    assert said[4] == "not valid UTF-8 in column output"
    assert "not valid CSV" in said[5]
    assert "column meta is not valid JSON" in said[6]
    assert "unexpected end of data" in said[8]


def test_csv_over_long_line_and_cell(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"prompt,output\np," + b"x" * (9 * 1024 * 1024) + b"\np,good\n")
    assert numbers(path) == [3]
    assert problems(path) == {2: lines.TOO_LONG}


def test_csv_continues_behind_a_row(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "x.csv", [["prompt", "output"], *([f"p\n{number}", "o"] for number in range(5))])
    with readers.open_file(path) as reader:
        taken = next(iter(reader))
        place = {"line": reader.line, "offset": reader.bytes_read}
    assert taken.number == 2
    assert [row.fields["prompt"] for row in files.rows(path, **place) if row.fields] == ["p\n1", "p\n2", "p\n3", "p\n4"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"prompt;output\n", "separated by commas"),
        (b"prompt,answer\n", "no column called output"),
        (b"prompt,output,output\n", "names a column twice: output"),
        (b'prompt,"output\n', "not a CSV header"),
    ],
)
def test_csv_header_that_cannot_be_used(tmp_path: Path, header: bytes, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(header + b"p,o\n")
    with pytest.raises(detect.Unreadable, match=said):
        readers.open_file(path)


def test_parquet_reads_chats_and_annotations(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Hi"}]
    annotations = [{"annotator": "a", "tags": [{"type": "t", "start": None, "end": None}], "ok": False}]
    path = parquet(tmp_path / "x.parquet", [{"prompt": chat, "output": "o", "annotations": annotations}])
    [row] = files.rows(path)
    assert row.fields is not None
    assert row.fields["prompt"] == chat
    assert row.fields["annotations"] == [{"annotator": "a", "tags": [{"type": "t"}], "ok": False}]
    assert files.rows(files.gzipped(path)) == [row]


@pytest.mark.parametrize("group", [3, 100])
@pytest.mark.parametrize("line", [0, 1, 6, 99, 100, 199, 200])
def test_parquet_continues_behind_a_row(tmp_path: Path, group: int, line: int) -> None:
    path = parquet(tmp_path / "x.parquet", [files.record(n) for n in range(1, 201)], row_group_size=group)
    found = files.rows(path, line=line)
    assert [row.number for row in found] == list(range(line + 1, 201))
    assert [row.fields["prompt"] for row in found if row.fields] == [f"Question {n}?" for n in range(line + 1, 201)]


def test_parquet_damaged_in_the_middle_loses_its_row_group_only(tmp_path: Path) -> None:
    records = [files.record(n, output=f"{n}" * 50) for n in range(300)]
    path = parquet(tmp_path / "x.parquet", records, row_group_size=100, compression="zstd", use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start + 20 : start + 120] = b"\x00" * 100
    path.write_bytes(data)
    found = files.rows(path)
    assert len([row for row in found if row.fields]) >= 200
    assert [row.number for row in found if row.fields][-100:] == list(range(201, 301))
    assert any("damaged" in row.problem for row in found)


def test_parquet_cut_off_or_without_outputs(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "x.parquet", [files.record(n) for n in range(300)])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(detect.Unreadable, match="cut off or damaged"):
        readers.open_file(cut)
    with pytest.raises(detect.Unreadable, match="no column called output"):
        readers.open_file(parquet(tmp_path / "y.parquet", [{"question": "q"}]))


def test_json_of_every_reader_is_json(tmp_path: Path) -> None:
    import datetime
    import decimal

    odd = {"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "cost": decimal.Decimal("1.50"), "raw": b"\x01"}
    [row] = files.rows(parquet(tmp_path / "x.parquet", [{**files.record(), **odd}]))
    assert json.loads(json.dumps(row.fields)) == row.fields
