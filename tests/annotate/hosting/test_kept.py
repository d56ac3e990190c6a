from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from annotate.hosting import kept


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    first = kept.secret(path)
    assert len(first) >= 50
    assert kept.secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key"]


def test_secret_asked_at_once_is_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: kept.secret(tmp_path / "key"), range(64)))
    assert len(answers) == 1
