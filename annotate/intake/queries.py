"""Reads of batches, prompts and outputs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import QuerySet

from annotate.campaigns.models import Campaign
from annotate.errors import NotFound
from annotate.intake.models import ImportBatch, Output, RefusedLine

QUIET = timedelta(seconds=30)


class NoSuchBatch(NotFound):
    """It does not exist, or belongs to another campaign."""


class NoSuchOutput(NotFound):
    """It does not exist, or belongs to another campaign."""


def batch(*, campaign: Campaign, batch_id: int) -> ImportBatch:
    """Return a batch of this campaign. Raises NoSuchBatch."""
    found = campaign.batches.select_related("created_by").filter(pk=batch_id).first()
    if found is None:
        raise NoSuchBatch(f"{campaign.name} has no import {batch_id}.")
    return found


def batches(*, campaign: Campaign) -> QuerySet[ImportBatch]:
    return campaign.batches.select_related("created_by").order_by("-pk")


def refused_lines(*, batch: ImportBatch) -> QuerySet[RefusedLine]:
    """Return the refused lines that were kept, in file order."""
    return batch.refused_lines.order_by("line")


def waiting_ids(*, now: datetime) -> list[int]:
    """Return unfinished batches that nobody has moved for a while: asked for and lost, or left by a killed process."""
    unfinished = ImportBatch.objects.filter(state__in=[ImportBatch.State.WAITING, ImportBatch.State.RUNNING])
    return list(unfinished.filter(updated_at__lt=now - QUIET).order_by("id").values_list("id", flat=True)[:100])


def unfinished(*, campaign: Campaign, path: Path) -> ImportBatch | None:
    """Return the campaign's interrupted import of this very file, as it is now, where there is one."""
    return (
        campaign.batches.filter(
            path=str(path.absolute()),
            bytes_total=path.stat().st_size,
            state__in=[ImportBatch.State.WAITING, ImportBatch.State.RUNNING],
        )
        .order_by("-pk")
        .first()
    )


def outputs(*, campaign: Campaign) -> QuerySet[Output]:
    return Output.objects.filter(campaign=campaign).select_related("batch", "prompt")


def gold(*, campaign_id: int) -> QuerySet[Output]:
    """Return the outputs whose errors are known. Few: a statement that leaves them out hashes their ids."""
    return Output.objects.filter(batch__campaign=campaign_id, batch__purpose=ImportBatch.Purpose.GOLD).order_by()


def output(*, campaign: Campaign, output_id: int) -> Output:
    """Return an output of this campaign with its prompt and batch. Raises NoSuchOutput."""
    found = outputs(campaign=campaign).filter(pk=output_id).first()
    if found is None:
        raise NoSuchOutput(f"{campaign.name} has no output {output_id}.")
    return found
