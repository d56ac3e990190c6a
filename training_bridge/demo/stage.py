"""What every step of the demo is handed, and how a step waits for work that another process may be doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from annotate import errors
from annotate.accounts.models import User
from training_bridge.demo import models, sizes, telling

POLL_SECONDS = 0.4
WAIT_SECONDS = 900


class DemoFailed(errors.OutsideError):
    """A step did not come to its end. The message says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Neither user can sign in, and both are labelled as scripts wherever they appear."""

    run: models.DemoRun
    size: sizes.DemoSize
    book: telling.Telling
    operator: User
    script: User

    @property
    def slug(self) -> str:
        """The campaign's, and the beginning of every name that belongs to this demo."""
        return f"demo-{self.run.seed}" if self.size == sizes.FULL else f"demo-{self.size.name}-{self.run.seed}"

    def now(self) -> datetime:
        return self.book.clock()


def wait(*, stage: Stage, what: str, is_done: Callable[[], bool]) -> None:
    """Call `is_done` until it is: it does the work, or another process has the claim and does it. Raises DemoFailed."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what[0].upper()}{what[1:]} did not end within {WAIT_SECONDS // 60} minutes.")
        stage.book.move(0.5, what)
        time.sleep(POLL_SECONDS)
