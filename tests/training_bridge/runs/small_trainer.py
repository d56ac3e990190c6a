"""Stands in for the trainer where only its process matters: it keeps the run folder's rules, and trains nothing.

python small_trainer.py RUN_FOLDER [finish | "stop early" | fail | crash | wait | stubborn | silent]
"""

import json
import os
import signal
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from training_bridge.formats import manifest, rundir  # noqa: E402 - needs the path above


def write_weights(folder: Path, name: str = "model.safetensors") -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")


def finish(place: rundir.RunDir, *, steps_left: int = 0) -> None:
    asked = place.read_spec()
    wanted = asked.hyperparameters.max_steps
    if asked.method != "sample":
        place.checkpoint.mkdir(exist_ok=True)
        (place.checkpoint / "config.json").write_text('{"model_type": "llama"}')
        write_weights(place.checkpoint)
        manifest.write(
            place.checkpoint, {"name": asked.checkpoint_name, "steps": wanted - steps_left, "steps_asked": wanted}
        )
    if asked.sampling is not None:
        prompts = [json.loads(line) for line in place.prompts.read_text().splitlines()]
        outputs = [
            {
                "id": f"{asked.checkpoint_name}/{n}-0",
                "prompt": row["prompt"],
                "output": f"answer {n}",
                "model": asked.checkpoint_name,
            }
            for n, row in enumerate(prompts)
        ]
        place.outputs.write_text("".join(json.dumps(each) + "\n" for each in outputs))
    place.append_event({"kind": "step", "step": 3, "loss": 0.5})
    place.write_status(rundir.Status(state="succeeded", phase="sampling", step=3, total_steps=3))


def wait_for_cancel(place: rundir.RunDir) -> None:
    step = 0
    while not place.cancel.exists():
        step += 1
        place.write_status(rundir.Status(state="running", phase="training", step=step, total_steps=100_000))
        time.sleep(0.02)
    place.write_status(rundir.Status(state="cancelled", phase="training", step=step))


def main(place: rundir.RunDir, manner: str) -> int:
    if manner == "finish":
        finish(place)
    elif manner == "stop early":
        finish(place, steps_left=40)
    elif manner == "fail":
        place.write_status(rundir.Status(state="failed", phase="loading", reason="The base has no tokenizer."))
        return 1
    elif manner == "crash":
        raise RuntimeError("a bug in the recipe")
    elif manner == "wait":
        wait_for_cancel(place)
        return 1
    elif manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        place.write_status(rundir.Status(state="running", phase="training", step=1))
        time.sleep(60)
    elif manner == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    return 0


if __name__ == "__main__":
    sys.exit(main(rundir.RunDir(path=Path(sys.argv[1])), sys.argv[2]))
