"""The platform's API from Python.

client = Client(url="https://negativa.example.org", token=os.environ["NEGATIVA_TOKEN"])
dataset = client.request_dataset(campaign="helpdesk", format="kto")
folder = client.download_dataset(campaign="helpdesk", version=dataset["version"], into=Path("data"))
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from training_bridge.formats import manifest

CHUNK_BYTES = 1024 * 1024
SEND_AGAIN = 2
Declaration = str | Sequence[Mapping[str, Any]]
"""A check in YAML, or as the list of objects that the YAML says."""
UNFINISHED = {"waiting", "requested", "building", "launching", "running"}


class Refused(Exception):
    """The platform said no. `status` is the HTTP status; the message is the platform's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """One connection to one platform. Every method raises Refused for an answer of 400 and above."""

    def __init__(self, *, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            transport=transport or httpx.HTTPTransport(retries=3),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def campaigns(self) -> Iterator[dict[str, Any]]:
        """Yield the campaigns that the token's user is a member of, with their rules."""
        return self._pages("campaigns", 100)

    def import_outputs(
        self,
        *,
        campaign: str,
        path: Path,
        make_tags: bool = False,
        namespace: str | None = None,
        purpose: str = "annotate",
    ) -> dict[str, Any]:
        """Stream a JSONL file to the campaign; return the import, which a worker carries on with.

        `purpose` is `annotate`, `evaluate` (judged, never trained on) or `gold` (known errors, which measure people).
        """
        params = {
            "name": path.name,
            "make_tags": str(make_tags).lower(),
            "namespace": namespace or path.stem,
            "purpose": purpose,
        }
        # With the length said, httpx sends no chunked body, which WSGI servers give Django without its end.
        headers = {"Content-Type": "application/x-ndjson", "Content-Length": str(path.stat().st_size)}
        return self._json(
            "POST", f"campaigns/{campaign}/outputs", params=params, headers=headers, content=_chunks(path)
        )

    def read_import(self, *, campaign: str, batch: int) -> dict[str, Any]:
        return self._json("GET", f"campaigns/{campaign}/imports/{batch}")

    def judgments(self, *, campaign: str, page_size: int = 500) -> Iterator[dict[str, Any]]:
        """Yield every judgment with its violations, oldest first, page by page."""
        return self._pages(f"campaigns/{campaign}/judgments", page_size)

    def next(self, *, campaign: str) -> dict[str, Any] | None:
        """Lease the next output to judge, as an annotator sees it; None when nothing is left now."""
        answer = self._http.post(f"campaigns/{campaign}/next")
        _check(answer)
        return None if answer.status_code == httpx.codes.NO_CONTENT else dict(answer.json())

    def judge(
        self,
        *,
        lease: str,
        verdict: str,
        violations: Sequence[Mapping[str, Any]] = (),
        comment: str = "",
        and_next: bool = False,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Judge a leased output: `rejected`, `nothing_wrong` or `cannot_tell`.

        With `and_next` the answer's `next` is the next lease, or None. A judgment whose answer is lost is sent again
        under the same key, which stores it once; pass a `key` of your own to send it again in another process.
        """
        options: dict[str, Any] = {
            "params": {"next": "1"} if and_next else {},
            "headers": {"Idempotency-Key": key or str(uuid.uuid4())},
            "json": {"verdict": verdict, "violations": [dict(each) for each in violations], "comment": comment},
        }
        for _ in range(SEND_AGAIN):
            with contextlib.suppress(httpx.TransportError):
                return self._json("POST", f"leases/{lease}/judgment", **options)
        return self._json("POST", f"leases/{lease}/judgment", **options)

    def skip(self, *, lease: str, reason: str) -> None:
        """Leave a leased output to others. It does not come back to this annotator."""
        _check(self._http.post(f"leases/{lease}/skip", json={"reason": reason}))

    def checks(self, *, campaign: str) -> Iterator[dict[str, Any]]:
        """Yield the executable checks of the campaign's constraints, with their state and figures."""
        return self._pages(f"campaigns/{campaign}/checks", 100)

    def read_check(self, *, campaign: str, constraint: int) -> dict[str, Any]:
        return self._json("GET", f"campaigns/{campaign}/constraints/{constraint}/check")

    def save_check(self, *, campaign: str, constraint: int, check: Declaration) -> dict[str, Any]:
        """Save a check, YAML or a list of declarations, as the constraint's next version, which nobody trusts yet."""
        return self._json("POST", f"campaigns/{campaign}/constraints/{constraint}/check", json=_declared(check))

    def preview_check(self, *, campaign: str, constraint: int, check: Declaration, seed: int = 1) -> dict[str, Any]:
        """Try a check on some hundred stored outputs. Nothing is stored."""
        path = f"campaigns/{campaign}/constraints/{constraint}/check/preview"
        return self._json("POST", path, params={"seed": str(seed)}, json=_declared(check))

    def step_check(self, *, campaign: str, constraint: int, to: str) -> dict[str, Any]:
        """Take a check to `shadow`, `trusted`, `draft` or `retired`."""
        return self._json("POST", f"campaigns/{campaign}/constraints/{constraint}/check/step", json={"to": to})

    def check_results(
        self, *, campaign: str, constraint: int, version: int | None = None, page_size: int = 500
    ) -> Iterator[dict[str, Any]]:
        """Yield what a version of the check, the current one when None, said of each output."""
        asked = "" if version is None else f"version={version}"
        return self._pages(f"campaigns/{campaign}/constraints/{constraint}/check/results", page_size, asked)

    def disagreements(self, *, campaign: str) -> Iterator[dict[str, Any]]:
        """Yield where people and a running check disagree and nobody has ruled."""
        return self._pages(f"campaigns/{campaign}/checks/disagreements", 100)

    def rule(self, *, campaign: str, result: int, side: str) -> dict[str, Any]:
        """Say of a disagreement that the `check` or that `people` are right."""
        return self._json("POST", f"campaigns/{campaign}/checks/disagreements/{result}", json={"side": side})

    def datasets(self, *, campaign: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"campaigns/{campaign}/datasets", 100)

    def request_dataset(
        self,
        *,
        campaign: str,
        format: str,
        constraint_set: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Ask for a dataset version of an approved constraint set (the latest when None)."""
        wanted: dict[str, Any] = {"format": format, "options": options or {}}
        if constraint_set is not None:
            wanted["constraint_set"] = constraint_set
        return self._json("POST", f"campaigns/{campaign}/datasets", json=wanted)

    def read_dataset(self, *, campaign: str, version: int) -> dict[str, Any]:
        return self._json("GET", f"campaigns/{campaign}/datasets/{version}")

    def download_dataset(self, *, campaign: str, version: int, into: Path) -> Path:
        """Download a ready version into `into/<campaign>-v<version>` and check every file against its manifest.

        Raises formats.manifest.BrokenManifest when a file differs, Refused (404) when the version is not ready.
        """
        folder = into / f"{campaign}-v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        files = self.read_dataset(campaign=campaign, version=version)["manifest"].get("files", {})
        for name in (*files, manifest.NAME):
            self._download(f"campaigns/{campaign}/datasets/{version}/files/{name}", folder / name)
        manifest.verify(folder)
        return folder

    def start_run(  # noqa: PLR0913 - what a run is made of
        self,
        *,
        campaign: str,
        method: str,
        base: str,
        dataset: int | None = None,
        hyperparameters: dict[str, Any] | None = None,
        sampling: dict[str, Any] | None = None,
        checks: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Ask for a training run on a ready dataset version, from the checkpoint named `base`.

        `nsr` and `w_reinforce` take no dataset: they answer the campaign's prompts, and `checks` say what is right.
        """
        wanted = {
            "method": method,
            "base": base,
            "dataset": dataset,
            "hyperparameters": hyperparameters or {},
            "sampling": sampling or {},
            "checks": [dict(each) for each in checks],
        }
        return self._json("POST", f"campaigns/{campaign}/runs", json=wanted)

    def read_run(self, *, campaign: str, run: int) -> dict[str, Any]:
        return self._json("GET", f"campaigns/{campaign}/runs/{run}")

    def wait(
        self, read: Callable[[], dict[str, Any]], *, every_seconds: float = 2, at_most_seconds: float = 3600
    ) -> dict[str, Any]:
        """Call `read` until its state is final and return what it said last. Raises TimeoutError."""
        deadline = time.monotonic() + at_most_seconds
        while (latest := read())["state"] in UNFINISHED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still {latest['state']} after {at_most_seconds:g} s")
            time.sleep(every_seconds)
        return latest

    def _pages(self, path: str, page_size: int, asked: str = "") -> Iterator[dict[str, Any]]:
        address: str | None = f"{path}?limit={page_size}{asked and '&'}{asked}"
        while address:
            page = self._json("GET", address)
            yield from page["results"]
            address = page["next"]

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, **options)
        _check(answer)
        return dict(answer.json())

    def _download(self, path: str, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        with self._http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
            _check(answer)
            with part.open("wb") as file:
                for chunk in answer.iter_bytes(CHUNK_BYTES):
                    file.write(chunk)
        part.replace(target)


def _declared(check: Declaration) -> dict[str, Any]:
    return {"text": check} if isinstance(check, str) else {"declared": [dict(each) for each in check]}


def _check(answer: httpx.Response) -> None:
    if answer.is_error:
        try:
            said = answer.json()
        except ValueError:
            said = {}
        message = said.get("detail") if isinstance(said, dict) else None
        raise Refused(answer.status_code, str(message or said or answer.reason_phrase))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
