"""`python -m training_bridge.trainer RUN_FOLDER`: exit code 0 when the run succeeded, else 1; status.json says why."""

from __future__ import annotations

import sys
from pathlib import Path

from training_bridge.trainer import boundary


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m training_bridge.trainer RUN_FOLDER\n")
        return 1
    return boundary.run(folder=Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
