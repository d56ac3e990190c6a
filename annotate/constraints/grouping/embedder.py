"""Vectors of texts from a local sentence-transformers folder, computed in a process of the Python that has torch.

The folder is a setting (NEGATIVA_EMBEDDER); without one violations are told by n-grams and nothing here is started.
Vectors are kept in a file of the deployment, by the text's hash, so a text is embedded once, whatever is regrouped how
often. At most KEPT are; the oldest go first. docs/decisions/0017 says why it is a process.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotate import errors
from annotate.constraints.grouping import embedding

KEPT = 200_000
BATCH = 64
"""How many new vectors are written at a time: what a killed worker loses."""
START_SECONDS = 300.0
TEXT_SECONDS = 60.0
# What finds programs and libraries, and how many threads they use. No address, key or password.
PASSED = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH"}
PASSED_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_", "LD_", "LC_")

Vector = NDArray[np.float32]


class CannotEmbed(errors.OutsideError):
    """The folder is wrong or its process failed. The message says which, for who runs the deployment."""


@contextlib.contextmanager
def configured() -> Iterator[embedding.Embed | None]:
    """Return what embeds texts, or None where no folder is set. Ends its process, if one was started."""
    if not settings.EMBEDDER:
        yield None
        return
    with opened(folder=Path(settings.EMBEDDER), kept=settings.HOME / "embeddings.sqlite3") as embed:
        yield embed


@contextlib.contextmanager
def opened(*, folder: Path, kept: Path) -> Iterator[embedding.Embed]:
    """Return what embeds texts with `folder`, remembering vectors in the file `kept`. Raises CannotEmbed, later too."""
    if not folder.is_dir():
        raise CannotEmbed(f"NEGATIVA_EMBEDDER: {folder} is not a folder on this machine.")
    with Kept(kept, folder=folder) as known, contextlib.closing(Process(folder)) as process:

        def embed(texts: Sequence[str]) -> Vector:
            distinct = sorted(set(texts))
            found = known.read(distinct)
            missing = [text for text in distinct if text not in found]
            for first in range(0, len(missing), BATCH):
                new = {text: process.embed(text) for text in missing[first : first + BATCH]}
                known.write(new)
                found |= new
            return np.array([found[text] for text in texts])

        yield embed


class Process:
    """The trainer's Python, asked one text at a time. Starts with the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: subprocess.Popen[str] | None = None

    def embed(self, text: str) -> Vector:
        if self._running is None:
            self._start()
        answer = self._answer(to=json.dumps(text), within=TEXT_SECONDS)
        return np.frombuffer(base64.b64decode(str(answer.get("vector", ""))), "<f4")

    def close(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.communicate()

    def _start(self) -> None:
        command = [settings.TRAINER_PYTHON or sys.executable, "-m", "training_bridge.trainer.embedding"]
        passed = {k: v for k, v in os.environ.items() if k in PASSED or k.startswith(PASSED_PREFIXES)}
        try:
            self._running = subprocess.Popen(
                [*command, str(self._folder)],
                cwd=settings.BASE_DIR,
                env={**passed, "HF_HUB_OFFLINE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise CannotEmbed(f"{command[0]} could not be started to embed texts: {error}") from error
        answer = self._answer(to=None, within=START_SECONDS)
        if "width" not in answer:
            raise CannotEmbed(str(answer.get("refused", "The process that embeds texts said nothing of use.")))

    def _answer(self, *, to: str | None, within: float) -> dict[str, Any]:
        """Write a line, unless it is None, and read one. A process that is silent for too long is killed."""
        running = self._running
        assert running is not None and running.stdin is not None and running.stdout is not None
        watch = threading.Timer(within, running.kill)
        watch.start()
        try:
            if to is not None:
                running.stdin.write(to + "\n")
                running.stdin.flush()
            answer = json.loads(running.stdout.readline() or "null")
        except (OSError, ValueError) as error:
            raise CannotEmbed(f"The process that embeds texts with {self._folder} broke off: {error}") from error
        finally:
            watch.cancel()
        if not isinstance(answer, dict):
            raise CannotEmbed(f"The process that embeds texts with {self._folder} ended, or was silent for too long.")
        return answer


class Kept:
    """Vectors in a file, by the folder's files and the text."""

    def __init__(self, path: Path, *, folder: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = fingerprint(folder)
        self._file = sqlite3.connect(path, timeout=60)
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, texts: Sequence[str]) -> dict[str, Vector]:
        found = {}
        for text in texts:
            row = self._file.execute("SELECT vector FROM vectors WHERE key = ?", [self._key(text)]).fetchone()
            if row is not None:
                found[text] = np.frombuffer(row[0], "<f4")
        return found

    def write(self, vectors: dict[str, Vector]) -> None:
        rows = [(self._key(text), vector.tobytes()) for text, vector in vectors.items()]
        with self._file:
            self._file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            self._file.execute(
                "DELETE FROM vectors WHERE rowid <= (SELECT max(rowid) FROM vectors) - ?",
                [KEPT],
            )

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._folder, digest_size=16).digest()


def fingerprint(folder: Path) -> bytes:
    """Tell a folder from another, and from itself after its files changed: their names, sizes and times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.blake2b(json.dumps([str(folder), told]).encode(), digest_size=32).digest()
