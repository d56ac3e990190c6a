"""`python -m training_bridge.trainer.conformance [--method npo]`: check every claim; status 1 when one is broken."""

from __future__ import annotations

import argparse
import sys

from training_bridge.trainer.conformance import claims as _claims  # noqa: F401 - registers them
from training_bridge.trainer.conformance import registry


def main(arguments: list[str] | None = None) -> int:
    """Print a line per claim. Returns the exit status."""
    methods = sorted({claim.method for claim in registry.CLAIMS})
    parser = argparse.ArgumentParser(prog="python -m training_bridge.trainer.conformance", description=__doc__)
    parser.add_argument("--method", choices=methods, help="only the claims about this method")
    asked = parser.parse_args(arguments).method
    chosen = [each for each in registry.CLAIMS if asked in (None, each.method)]
    broken = sum(not _holds(each) for each in chosen)
    sys.stdout.write(f"{len(chosen) - broken} of {len(chosen)} claims hold\n")
    return 1 if broken else 0


def _holds(claim: registry.Claim) -> bool:
    try:
        claim.check()
    except AssertionError as error:
        sys.stdout.write(f"{claim.method:18} BROKEN  {claim.says}\n{'':18} {error}\n")
        return False
    sys.stdout.write(f"{claim.method:18} holds   {claim.says}\n")
    return True


if __name__ == "__main__":
    sys.exit(main())
