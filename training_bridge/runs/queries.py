"""What others ask about runs, checkpoints and schedules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from annotate import errors
from annotate.campaigns.models import Campaign
from training_bridge.runs import folder, models, states

EVENTS_MAX_BYTES = 512 * 1024
LOG_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events from byte `after` on; ask again with `next` while `has_more`, or later."""

    events: list[dict[str, Any]]
    next: int
    has_more: bool


def unfinished_ids() -> list[int]:
    """Runs that `advance` has something to do for, in the order in which they were asked for."""
    found = models.Run.objects.filter(state__in=states.UNFINISHED).order_by("pk")
    return list(found.values_list("pk", flat=True)[:200])


def enabled_schedule_ids() -> list[int]:
    return list(models.Schedule.objects.filter(is_enabled=True).order_by("pk").values_list("pk", flat=True))


def unfinished_firing_ids() -> list[int]:
    found = models.ScheduleFiring.objects.filter(state=models.ScheduleFiring.State.BUILDING).order_by("pk")
    return list(found.values_list("pk", flat=True)[:200])


def checkpoints_of(*, campaign: Campaign) -> QuerySet[models.Checkpoint]:
    """The campaign's own and those that belong to no campaign."""
    return models.Checkpoint.objects.filter(Q(campaign=campaign) | Q(campaign=None))


def run_of(*, campaign: Campaign, run_id: int) -> models.Run:
    """Raises NotFound for another campaign's run as for none."""
    related = ("base", "dataset", "campaign", "checkpoint", "schedule", "requested_by", "sample_batch__batch")
    run = models.Run.objects.select_related(*related).filter(campaign=campaign, pk=run_id).first()
    if run is None:
        raise errors.NotFound("This campaign has no such run.")
    return run


def checkpoint_of(*, campaign: Campaign, checkpoint_id: int) -> models.Checkpoint:
    """Raises NotFound for another campaign's checkpoint as for none."""
    found = checkpoints_of(campaign=campaign).select_related("parent", "run__dataset").filter(pk=checkpoint_id).first()
    if found is None:
        raise errors.NotFound("This campaign has no such checkpoint.")
    return found


def schedule_of(*, campaign: Campaign, schedule_id: int) -> models.Schedule:
    """Raises NotFound for another campaign's schedule as for none."""
    found = models.Schedule.objects.select_related("base").filter(campaign=campaign, pk=schedule_id).first()
    if found is None:
        raise errors.NotFound("This campaign has no such schedule.")
    return found


def events(*, run: models.Run, after: int = 0) -> Events:
    """Read whole lines of events.jsonl from byte `after`; a line still being written is left for the next call."""
    path = folder.of(run).events
    if not path.exists():
        return Events(events=[], next=0, has_more=False)
    with path.open("rb") as file:
        file.seek(after)
        chunk = file.read(EVENTS_MAX_BYTES)
        size = path.stat().st_size
    whole = chunk[: chunk.rfind(b"\n") + 1]
    # A single line longer than the window would stop the reader for ever: pass over it.
    reached = after + (len(whole) or (len(chunk) if len(chunk) == EVENTS_MAX_BYTES else 0))
    return Events(events=_objects(whole), next=reached, has_more=bool(chunk) and reached < size and reached > after)


def log_tail(*, run: models.Run) -> str:
    """The end of the trainer's stderr, or of its stdout while that has said nothing."""
    place = folder.of(run)
    return _tail(place.stderr) or _tail(place.stdout)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = max(0, path.stat().st_size - LOG_TAIL_BYTES)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    # A progress bar writes over its line again and again; only the last state of a line says anything.
    lines = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines[1:] if start else lines).strip("\n")


def _objects(chunk: bytes) -> list[dict[str, Any]]:
    found = []
    for line in chunk.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
