"""The client from the shell: `python -m training_bridge.client --help`. The token is read from NEGATIVA_TOKEN."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from training_bridge.client.client import Client, Refused
from training_bridge.formats import spec


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    token = os.environ.get("NEGATIVA_TOKEN", "")
    if not token:
        print("Set NEGATIVA_TOKEN to a token made on your account page.", file=sys.stderr)  # noqa: T201
        return 2
    try:
        with Client(url=options.url, token=token) as client:
            options.do(client, options)
    except Refused as refusal:
        print(f"refused ({refusal.status}): {refusal}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training_bridge.client", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("NEGATIVA_URL", "http://127.0.0.1:8000"))
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    imports = verbs.add_parser("import", help="send a JSONL file of outputs and wait until it is stored")
    imports.add_argument("campaign")
    imports.add_argument("file", type=Path)
    imports.add_argument("--make-tags", action="store_true")
    imports.add_argument("--purpose", choices=["annotate", "evaluate", "gold"], default="annotate")
    imports.set_defaults(do=_import)

    judgments = verbs.add_parser("judgments", help="print every judgment as JSON lines")
    judgments.add_argument("campaign")
    judgments.set_defaults(do=_judgments)

    dataset = verbs.add_parser("dataset", help="request a dataset version, wait for it and download it")
    dataset.add_argument("campaign")
    dataset.add_argument("format", choices=spec.FORMATS)
    dataset.add_argument("--into", type=Path, default=Path())
    dataset.set_defaults(do=_dataset)

    run = verbs.add_parser("run", help="start a training run and wait for its end")
    run.add_argument("campaign")
    run.add_argument("method", choices=sorted((*spec.ROWS, *spec.ON_POLICY)))
    run.add_argument("--base", required=True, help="a checkpoint's name")
    run.add_argument("--dataset", type=int, help="a dataset version; none for nsr and w_reinforce")
    run.add_argument("--checks", type=_checks, default=[], help="a JSON file with a list of checks, for them")
    run.set_defaults(do=_run)
    return parser


def _checks(name: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name} cannot be read: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise argparse.ArgumentTypeError(f"{name} is not a list of checks")
    return found


def _show(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201


def _import(client: Client, options: argparse.Namespace) -> None:
    batch = client.import_outputs(
        campaign=options.campaign, path=options.file, make_tags=options.make_tags, purpose=options.purpose
    )
    _show(client.wait(lambda: client.read_import(campaign=options.campaign, batch=batch["id"])))


def _judgments(client: Client, options: argparse.Namespace) -> None:
    for judgment in client.judgments(campaign=options.campaign):
        _show(judgment)


def _dataset(client: Client, options: argparse.Namespace) -> None:
    version = client.request_dataset(campaign=options.campaign, format=options.format)["version"]
    built = client.wait(lambda: client.read_dataset(campaign=options.campaign, version=version))
    if built["state"] != "ready":
        raise Refused(422, f"dataset version {version} {built['state']}: {built['reason']}")
    folder = client.download_dataset(campaign=options.campaign, version=version, into=options.into)
    _show({"version": version, "folder": str(folder), "counts": built["manifest"].get("counts")})


def _run(client: Client, options: argparse.Namespace) -> None:
    run = client.start_run(
        campaign=options.campaign,
        method=options.method,
        base=options.base,
        dataset=options.dataset,
        checks=options.checks,
    )
    _show(client.wait(lambda: client.read_run(campaign=options.campaign, run=run["id"])))


if __name__ == "__main__":
    raise SystemExit(main())
