"""What comes next, and for how long. Pure: plain values in, plain values out."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

JUDGING_ROLES = ("admin", "reviewer", "annotator")
FIRST_KEY = -(2**63)  # before or at every order key: where a round begins
OVERDUE_GRACE = timedelta(minutes=1)
HELD_AT_MOST = 2  # the output that is shown and the one fetched ahead
GOLD_OVERLAP = 32_767  # known outputs are for everybody


def order_key(*, campaign_id: int, output_id: int) -> int:
    """Return a signed 64-bit key that scatters a campaign's outputs evenly, the same way every time.

    Neighbouring ids often share a prompt or a model; a scattered order keeps an annotator from seeing them in a row
    and makes any prefix of the work a fair sample of the whole.
    """
    digest = hashlib.blake2b(f"{campaign_id}:{output_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def lease_until(*, now: datetime, minutes: int) -> datetime:
    return now + timedelta(minutes=minutes)


def swept_before(*, now: datetime) -> datetime:
    """Return the deadline before which an open lease is given back. The grace lets a submit in flight arrive first."""
    return now - OVERDUE_GRACE


def is_gold_turn(*, draw: int, share: int) -> bool:
    """Say whether a known output has its turn. `draw` is by chance, 0 to 99, and nothing that the annotator sees."""
    return draw < share


def is_assisted(*, seed: uuid.UUID, output_id: int, annotator_id: int, share: int) -> bool:
    """Say whether this annotator is shown what checks found in this output, for `share` of 100 such pairs.

    A hash decides: by chance for whoever does not know the seed, and the same way every time, wherever the two meet
    again. Who is drawn at a share is drawn at every larger one.
    """
    digest = hashlib.blake2b(f"{seed}:{output_id}:{annotator_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < share


def lock_key(*, annotator_id: int) -> int:
    """Return the advisory lock under which one annotator's leases are taken and closed, one after the other."""
    return (0x4C45_4153 << 32) | (annotator_id & 0xFFFF_FFFF)
