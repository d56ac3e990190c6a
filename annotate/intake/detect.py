"""What kind of file this is, by its first bytes and its name. Pure."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

HEAD = 4096

JSONL = "jsonl"
CSV = "csv"
PARQUET = "parquet"
EXTENSIONS = {".jsonl": JSONL, ".ndjson": JSONL, ".json": JSONL, ".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET}
ACCEPTED = "JSONL, CSV or Parquet, as it is or gzip-compressed"

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
OTHERS = {
    b"PK\x03\x04": "a zip archive (also xlsx and docx are): unpack it first",
    b"PK\x05\x06": "an empty zip archive",
    b"\xfd7zXZ\x00": "xz-compressed: unpack it, or use gzip",
    b"BZh": "bzip2-compressed: unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "zstd-compressed: unpack it, or use gzip",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a rar archive: unpack it first",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"ARROW1": "an Arrow IPC file: write it as Parquet",
    b"PAGE": "an encrypted Parquet file",
    b"\x80\x02": "a Python pickle, which is never opened",
    b"\x80\x03": "a Python pickle, which is never opened",
    b"\x80\x04": "a Python pickle, which is never opened",
    b"\x80\x05": "a Python pickle, which is never opened",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}


class Unreadable(ValueError):
    """The file as a whole cannot be imported. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Kind:
    format: str
    gzipped: bool


def detect(path: Path, name: str = "") -> Kind:
    """Return the file's kind; its contents outrank its name. Raises Unreadable with what it is instead."""
    head = _head(path)
    gzipped = head.startswith(GZIP_MAGIC)
    if gzipped:
        head = _unpacked(path)
    if not head:
        raise Unreadable("the file is empty")
    return Kind(_format(head, name or path.name), gzipped)


def _format(head: bytes, name: str) -> str:
    if head.startswith(PARQUET_MAGIC):
        return PARQUET
    for magic, what in OTHERS.items():
        if head.startswith(magic):
            raise Unreadable(f"the file is {what}. {ACCEPTED} are taken")
    if _is_binary(head):
        raise Unreadable(f"the file is binary, not text. {ACCEPTED} are taken")
    named = _named(name)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if named == PARQUET:
        raise Unreadable("the file is called Parquet, but it does not begin as Parquet files do")
    if text.startswith(b"[") and named != CSV:
        raise Unreadable("the file is one JSON array. Write one object a line (JSONL), without the brackets and commas")
    return named or (JSONL if text.startswith(b"{") else CSV)


def _named(name: str) -> str:
    path = Path(name.lower())
    return EXTENSIONS.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix, "")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise Unreadable(f"the file could not be opened ({error.strerror})") from error


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read1(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable("the file begins as gzip but cannot be unpacked: it is damaged or cut off") from error


def _is_binary(head: bytes) -> bool:
    """More than one byte in twenty is a control character that text does not use."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return 20 * controls > len(head)
