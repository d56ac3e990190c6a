"""What our trainer is worth beside TRL's and beside itself: `make bench-trainer`, `python -m tests.bench.trainer`.

kto: KTO against TRL's KTOTrainer. d2o: shared prompts against none. Both by default, in processes of their own on a
folder that is thrown away. On a GPU: `python -m tests.bench.trainer.cuda`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.trainer import d2o, kto, process

DATA = process.ROOT.parent / "shared" / "data"
PARTS = ("kto", "d2o")
QUICK: dict[str, dict[str, Any]] = {
    "kto": {"rows": 32, "rounds": 1, "round_rows": 32, "vocabulary": 600, "words": 12},
    "d2o": {"prompts": 4, "rounds": 1, "prompt_tokens": 64, "answer_tokens": 16, "vocabulary": 600},
}


def main() -> None:
    options = arguments()
    say(process.machine())
    with tempfile.TemporaryDirectory(prefix="negativa-bench-") as temporary:
        folder = options.folder or Path(temporary)
        found = {"machine": process.machine(), **{part: run(part, folder / part, options) for part in options.parts}}
    if options.out:
        options.out.write_text(json.dumps(found), encoding="utf-8")


def run(part: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    say(f"\n{part}")
    folder.mkdir(parents=True)
    if part == "kto":
        asked = {name: getattr(options, name) for name in ("rows", "words", "rounds", "round_rows")}
        asked = QUICK["kto"] if options.quick else asked
        return kto.measure(folder=folder, options=kto.Options(data=options.data, threads=options.threads, **asked))
    asked = QUICK["d2o"] if options.quick else {"prompts": options.prompts, "rounds": options.rounds}
    return d2o.measure(folder=folder, options=d2o.Options(threads=options.threads, **asked))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=list(PARTS), help="kto, d2o; both by default")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("NEGATIVA_PUBLIC_DATA", DATA)))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rows", type=int, default=2000, help="rows of the whole run, in steps of 16")
    parser.add_argument("--words", type=int, default=0, help="cut prompts and answers to so many words; 0 cuts nothing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-rows", type=int, default=320, help="rows of a round")
    parser.add_argument("--prompts", type=int, default=32, help="prompts of a round of d2o")
    parser.add_argument("--folder", type=Path, help="keep everything here")
    parser.add_argument("--out", type=Path, help="write every figure here, as JSON")
    parser.add_argument("--quick", action="store_true", help="the same, tiny: shows that it works and measures nothing")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
