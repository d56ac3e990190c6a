"""Small secrets that are made once and then kept."""

import os
import secrets
from pathlib import Path


def secret(path: Path) -> str:
    """Return the secret in `path`, made on first use and readable by its owner only.

    Two processes that ask at once get the same one: each writes its own draft, and only one draft can take the name.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            os.fsync(file.fileno())
        _take_name(draft=draft, path=path)
    finally:
        draft.unlink()
    return path.read_text().strip()


def _take_name(*, draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
