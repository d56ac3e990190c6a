"""Annotators' browser tabs in a storm: they ask as the Work page's script does, and again until they are answered."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.bench import queue_load
from tests.bench.queue_storm_seen import Seen

PATIENCE = 90.0  # longer than any recovery: who waits for longer has found a fault
COMMENT = "Two things are wrong here"
LIFE = (("judge", 90), ("skip", 4), ("save_draft", 3), ("beat", 3), ("close", 1.5), ("doze", 0.5))
UNDOES = 0.03


class Page:
    """One tab: what it shows and what it fetched ahead are in `held`. What it saw is kept in `seen`."""

    def __init__(
        self,
        *,
        number: int,
        client: queue_load.Client,
        slug: str,
        chance: random.Random,
        doze: float,
        is_over: threading.Event,
    ) -> None:
        self.number, self.client, self.slug, self.chance, self.is_over = number, client, slug, chance, is_over
        self.dozes = doze
        self.seen: list[Seen] = []
        self.held: list[dict[str, Any]] = []
        self.retries, self.asked_at = 0, 0.0
        self.refusals: list[str] = []
        self.waits: list[float] = []  # of each judgment, for its answer
        self.deeds: list[Callable[[], None]] = [getattr(self, name) for name, _ in LIFE]

    def live(self) -> None:
        self.open()
        while not self.is_over.is_set():
            self.turn()
        while self.held:  # what was taken back in the last moment is judged all the same
            self.judge()

    def turn(self) -> None:
        if len(self.held) < 2:
            self.fetch_ahead()
        if self.held:
            self.chance.choices(self.deeds, [weight for _, weight in LIFE])[0]()
        else:
            self.is_over.wait(0.3)

    def open(self) -> None:
        page = self._until_answered("GET", f"/c/{self.slug}/work/", "")[1]
        data, csrf = queue_load.DATA.search(page), queue_load.CSRF.search(page)
        assert data and csrf, f"the Work page has no data: {page[:500]!r}"
        self.client.csrf = csrf[1].decode()
        self._take(json.loads(data[1])["sheet"])

    def fetch_ahead(self) -> None:
        self._take(self._ask("next/", {"besides": self._tokens()})[1]["sheet"])

    def judge(self) -> None:
        """Submit what is shown; the one fetched ahead is shown at once. Now and then it is taken back."""
        sheet = self.held.pop(0)
        sent = self._marked(sheet) | {name: sheet[name] for name in ("key", "revision", "version")}
        sent["besides"] = self._tokens()
        began = time.monotonic()
        status, answer = self._ask(f"{sheet['lease']}/judgment/", sent)
        if status == 409 and self.chance.random() < 0.5:  # another tab was here, and this one's marks shall stand
            sent |= {"force": True, "version": answer["version"], "revision": answer.get("revision", 0)}
            status, answer = self._ask(f"{sheet['lease']}/judgment/", sent)
        if status == 409:
            return
        if status != 200:
            self.refusals.append(answer.get("message", str(answer)))
            self._saw("refused", sheet)
            return
        self.waits.append(time.monotonic() - began)
        self._saw("judged", sheet)
        self._take(answer["sheet"])
        if self.chance.random() < UNDOES and not self.is_over.is_set():
            self.undo(sheet, answer["saved"]["revision"])

    def undo(self, sheet: dict[str, Any], revision: int) -> None:
        status, answer = self._ask(f"{sheet['lease']}/undo/", {"revision": revision})
        if status == 200:
            self._saw("undone", sheet)
            self._take(answer["sheet"])
            self.held.insert(0, self.held.pop())

    def skip(self) -> None:
        sheet = self.held.pop(0)
        sent = {"reason": "Not my language", "besides": self._tokens()}
        status, answer = self._ask(f"{sheet['lease']}/skip/", sent)
        if status == 200:  # another tab may have judged it
            self._saw("skipped", sheet)
            self._take(answer["sheet"])

    def save_draft(self) -> None:
        sheet = self.held[0]
        sent = self._marked(sheet) | {name: sheet[name] for name in ("key", "version")}
        status, answer = self._ask(f"{sheet['lease']}/draft/", sent)
        if status == 200:
            sheet |= answer

    def beat(self) -> None:
        until = self._ask("held/", {"renew": self._tokens()})[1]["until"]
        for sheet in self.held:
            sheet["until"] = until.get(sheet["lease"], sheet["until"])

    def close(self) -> None:
        """Give back what is held, with one request that nobody waits for; and open the page again."""
        release = [{"lease": sheet["lease"], "until": sheet["until"]} for sheet in self.held]
        self.held = []
        try:
            self.client.request("POST", f"/c/{self.slug}/work/held/", json.dumps({"release": release}))
        except OSError:
            self.retries += 1
        self.open()

    def doze(self) -> None:
        """Longer than the sweep leaves a lease alone."""
        self.is_over.wait(self.dozes)

    def _marked(self, sheet: dict[str, Any]) -> dict[str, Any]:
        comment = f"{COMMENT}: {sheet['key']}"  # so that what is stored can be told from any other
        return {"verdict": "rejected", "violations": queue_load.VIOLATIONS, "comment": comment}

    def _tokens(self) -> list[str]:
        return [sheet["lease"] for sheet in self.held]

    def _take(self, sheet: dict[str, Any] | None) -> None:
        if sheet is None:
            return
        self._saw("shown", sheet)
        assert sheet["lease"] not in self._tokens(), "given what the page said that it holds"
        self.held.append(sheet)

    def _saw(self, what: str, sheet: dict[str, Any]) -> None:
        label = " ".join(str(sheet["output"][0]).split()[:2])
        self.seen.append(
            Seen(
                what=what,
                token=sheet["lease"],
                label=label,
                key=sheet["key"],
                page=self.number,
                began=self.asked_at,
                ended=time.monotonic(),
            )
        )

    def _ask(self, path: str, sent: dict[str, Any]) -> tuple[int, Any]:
        status, body = self._until_answered("POST", f"/c/{self.slug}/work/{path}", json.dumps(sent))
        return status, json.loads(body)

    def _until_answered(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        """The same request until the server has said yes or no to it."""
        patient_until, wait = time.monotonic() + PATIENCE, 0.05
        status, answer = 0, b""
        while time.monotonic() < patient_until:
            self.asked_at = time.monotonic()
            try:
                status, _, answer = self.client.request(method, path, body)
            except OSError:
                status, answer = 0, b""
            if status in (200, 404, 409, 422):
                return status, answer
            assert not 300 <= status < 500, f"{path} was answered {status}: {answer[:500]!r}"
            self.retries += 1
            time.sleep(wait * self.chance.random())
            wait = min(wait * 2, 1.0)
        raise AssertionError(
            f"{path} was not answered within {PATIENCE:.0f} s, at last with {status}: {answer[:500]!r}"
        )
