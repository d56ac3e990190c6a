"""Import page of a campaign, and one import with its progress and what it refused."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError
from annotate.intake import actions, queries
from annotate.intake.models import ImportBatch
from frontend import doors, paging
from worker.tasks import intake as intake_tasks

REFUSED_SHOWN = 50
BATCHES_SHOWN = 20
UNFINISHED = (ImportBatch.State.WAITING, ImportBatch.State.RUNNING)


class UploadRefused(RuleError):
    """Nothing was chosen, or it is too large."""


@require_http_methods(["GET", "HEAD", "POST"])
@csrf_exempt
@doors.campaign_page(doors.ADMIN)
def import_outputs(request: doors.Request, campaign: Campaign) -> HttpResponseBase:
    """Size and sender are checked before the body is read; the token of the form needs the body, so it comes after."""
    if request.method != "POST":
        return _page(request, campaign, typed=request.GET)
    sent = int(request.META.get("CONTENT_LENGTH") or 0)
    if sent > settings.UPLOAD_MAX_BYTES:
        limit = filesizeformat(settings.UPLOAD_MAX_BYTES)
        message = (
            f"That is {filesizeformat(sent)}; at most {limit} are taken at once. Split it, or use the command line."
        )
        return _page(request, campaign, error=UploadRefused(message, field="file"), status=422)
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    return _upload(request, campaign)


@csrf_protect
def _upload(request: doors.Request, campaign: Campaign) -> HttpResponse:
    uploads = request.FILES.getlist("file")
    try:
        if not uploads:
            raise UploadRefused("Choose a file.", field="file")
        batches = [_request(request, campaign, upload) for upload in uploads]
    except RuleError as error:
        return _page(request, campaign, error=error, typed=request.POST, status=422)
    if len(batches) > 1:
        messages.success(request, f"{len(batches)} files are being imported.")
        return HttpResponseRedirect(reverse("import", args=[campaign.slug]))
    return HttpResponseRedirect(reverse("import-batch", args=[campaign.slug, batches[0].pk]))


def _request(request: doors.Request, campaign: Campaign, upload: UploadedFile[Any]) -> ImportBatch:
    purpose = request.POST.get("purpose", "")
    batch = actions.create_batch(
        campaign=campaign,
        source=ImportBatch.Source.FILE,
        name=upload.name or "upload",
        path=_kept(upload),
        by=request.user,
        now=clock.now(),
        purpose=purpose if purpose in ImportBatch.Purpose.values else ImportBatch.Purpose.ANNOTATE,
        namespace=request.POST.get("namespace", "").strip().replace("\x00", ""),
        make_tags=bool(request.POST.get("make_tags")),
    )
    intake_tasks.run_import.nudge(batch.pk)
    return batch


def _kept(upload: UploadedFile[Any]) -> Path:
    """Move the upload into the uploads folder, under a name of our own making."""
    settings.UPLOADS.mkdir(parents=True, exist_ok=True)
    target: Path = settings.UPLOADS / uuid.uuid4().hex
    if isinstance(upload, TemporaryUploadedFile):
        shutil.move(upload.temporary_file_path(), target)
    else:
        with target.open("wb") as file:
            file.writelines(upload.chunks())
    target.chmod(0o600)
    return target


@require_safe
@doors.campaign_page(doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
def import_batch(request: doors.Request, campaign: Campaign, batch_id: int) -> HttpResponse:
    batch = queries.batch(campaign=campaign, batch_id=batch_id)
    template = "import_batch.html#status" if request.htmx else "import_batch.html"
    return doors.render(
        request, template, campaign=campaign, tab="outputs", batch=batch, **_progress(batch), **_refused(request, batch)
    )


def _progress(batch: ImportBatch) -> dict[str, Any]:
    """How far the reading is, how fast it goes, and how long the rest will take at that rate."""
    is_unfinished = batch.state in UNFINISHED
    elapsed = (batch.updated_at - batch.started_at) if batch.started_at else timedelta()
    seconds = elapsed.total_seconds()
    rate = batch.line / seconds if seconds > 0 else 0
    left = batch.bytes_total - batch.bytes_read
    return {
        "is_unfinished": is_unfinished,
        "share": 100 * batch.bytes_read // batch.bytes_total if batch.bytes_total else 0,
        "rate": round(rate),
        "seconds": round(seconds, 1),
        "seconds_left": round(seconds * left / batch.bytes_read) if batch.bytes_read and is_unfinished else None,
    }


def _refused(request: doors.Request, batch: ImportBatch) -> dict[str, Any]:
    """One page of the refused lines, in file order: those after `?after_line=`."""
    given = request.GET.get("after_line", "")
    after = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
    found = list(queries.refused_lines(batch=batch).filter(line__gt=after)[: REFUSED_SHOWN + 1])
    here = reverse("import-batch", args=[batch.campaign.slug, batch.pk])
    return {
        "refused": found[:REFUSED_SHOWN],
        "refused_next": f"{here}?after_line={found[REFUSED_SHOWN - 1].line}" if len(found) > REFUSED_SHOWN else "",
        "refused_first": here if after else "",
        "refused_kept": actions.REFUSED_KEPT,
    }


def _page(
    request: doors.Request,
    campaign: Campaign,
    *,
    error: RuleError | None = None,
    typed: Mapping[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    return doors.render(
        request,
        "imports.html",
        campaign=campaign,
        tab="outputs",
        status=status,
        page=paging.by_id(queries.batches(campaign=campaign), request, size=BATCHES_SHOWN),
        error=error,
        typed=typed or {},
        purposes=ImportBatch.Purpose.choices,
        max_bytes=settings.UPLOAD_MAX_BYTES,
    )


urls = [
    path("c/<slug:slug>/import/", import_outputs, name="import"),
    path("c/<slug:slug>/import/<int:batch_id>/", import_batch, name="import-batch"),
]
