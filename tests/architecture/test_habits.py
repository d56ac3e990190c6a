"""Habits that no linter of ours knows."""

import re
from pathlib import Path

import pytest

from tests.architecture import places

LONGEST_FILE = 500
TEMPLATES = sorted((places.ROOT / "frontend" / "templates").rglob("*.html"))


def test_no_source_file_is_a_task() -> None:
    sources = [path for package in places.PACKAGES for path in (places.ROOT / package).rglob("*.py")]
    lengths = {str(path): len(path.read_text().splitlines()) for path in sources if "migrations" not in path.parts}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(places.ROOT)))
def test_template_keeps_the_policy(path: Path) -> None:
    """What the Content-Security-Policy would block, and what would switch escaping off."""
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style\b|\sstyle=", text), "inline style"
    assert not re.search(r"\son[a-z]+=", text), "inline handler"
    assert not re.search(r"\|\s*safe\b|autoescape\s+off", text), "escaping switched off"
    assert not re.search(r"https?://(?!www\.w3\.org/)[^\s\"'<]+\.(js|css|woff2?)\b", text), "asset from elsewhere"
