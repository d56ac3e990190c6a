"""Outputs come in as JSON lines; a worker stores them, and the answer says where to watch."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock
from annotate.api.campaign_view import CampaignView
from annotate.api.parsing import TooLarge
from annotate.intake import actions as intake_actions
from annotate.intake import models
from worker.tasks import intake as intake_tasks

CHUNK_BYTES = 1024 * 1024


class JSONLinesToDisk(parsers.BaseParser):
    """Streams the body into a file of the uploads folder; `request.data` is its path."""

    media_type = "application/x-ndjson"

    def parse(  # type: ignore[override]
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> Path:
        settings.UPLOADS.mkdir(parents=True, exist_ok=True)
        target: Path = settings.UPLOADS / f"{uuid.uuid4().hex}.jsonl"
        try:
            _write(stream, target)
        except BaseException:
            # Too large, or the caller went away: nothing refers to what arrived so far.
            target.unlink(missing_ok=True)
            raise
        return target


def _write(stream: Any, target: Path) -> None:
    size = 0
    with target.open("xb") as file:
        target.chmod(0o600)
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > settings.UPLOAD_MAX_BYTES:
                raise TooLarge(f"The body is over {settings.UPLOAD_MAX_BYTES} bytes. Send it in parts.")
            file.write(chunk)


class OutputRecordSerializer(serializers.Serializer[Any]):
    """One line of the body. Only `prompt` and `output` are needed; see docs/import.md."""

    id = serializers.CharField(required=False)
    prompt = serializers.JSONField(help_text="Text, or a list of {role, content} messages.")
    prompt_masked = serializers.JSONField(
        required=False, help_text="The same without the opinion that the user states. Text or messages."
    )
    prompt_flipped = serializers.JSONField(
        required=False, help_text="The same with the opposite opinion. Text or messages."
    )
    output = serializers.CharField()
    model = serializers.CharField(required=False)
    annotations = serializers.ListField(child=serializers.DictField(), required=False)
    meta = serializers.DictField(required=False)


class ImportNamesSerializer(serializers.Serializer[Any]):
    """What the address says of the import. Read before the body, so that a bad name costs no upload."""

    name = serializers.CharField(default="API import", max_length=255, help_text="What to call the batch.")
    namespace = serializers.CharField(
        default="api", max_length=100, help_text="Prefix of the external annotators' names."
    )
    make_tags = serializers.BooleanField(default=False, help_text="Add tags the campaign does not have yet.")
    purpose = serializers.ChoiceField(
        default=models.ImportBatch.Purpose.ANNOTATE,
        choices=models.ImportBatch.Purpose.choices,
        help_text="What the outputs are for. Each line of gold must bring its known answer as an annotation.",
    )


class RefusedLineSerializer(serializers.ModelSerializer[models.RefusedLine]):
    class Meta:
        model = models.RefusedLine
        fields = ["line", "reason", "excerpt"]


class ImportSerializer(serializers.ModelSerializer[models.ImportBatch]):
    refused = serializers.SerializerMethodField(help_text="The first hundred refused lines.")

    class Meta:
        model = models.ImportBatch
        fields = [
            "id",
            "name",
            "purpose",
            "state",
            "reason",
            "line",
            "bytes_read",
            "bytes_total",
            "new_count",
            "known_count",
            "refused_count",
            "judgment_count",
            "created_at",
            "done_at",
            "refused",
        ]

    def get_refused(self, batch: models.ImportBatch) -> list[dict[str, Any]]:
        lines = batch.refused_lines.order_by("line")[:100]
        return [{"line": each.line, "reason": each.reason, "excerpt": each.excerpt} for each in lines]


class Imports(CampaignView):
    """Import outputs."""

    scopes = {"POST": "outputs:write"}
    roles = ("admin",)
    parser_classes = [JSONLinesToDisk]

    @extend_schema(
        operation_id="outputs_import",
        request={"application/x-ndjson": OutputRecordSerializer},
        responses={202: ImportSerializer},
        parameters=[ImportNamesSerializer],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Send JSON lines, one output a line. Sending the same lines twice adds nothing."""
        named = ImportNamesSerializer(data=request.query_params)
        named.is_valid(raise_exception=True)
        body: object = request.data
        if not isinstance(body, Path):
            raise exceptions.ParseError("There is no body, or no Content-Length to say how long it is.")
        batch = intake_actions.create_batch(
            campaign=self.campaign,
            source=models.ImportBatch.Source.API,
            name=named.validated_data["name"],
            path=body,
            by=self.user,
            now=clock.now(),
            namespace=named.validated_data["namespace"],
            make_tags=named.validated_data["make_tags"],
            purpose=named.validated_data["purpose"],
        )
        intake_tasks.run_import.nudge(batch.pk)
        address = reverse("api-import", kwargs={"slug": slug, "batch_id": batch.pk})
        return Response(ImportSerializer(batch).data, status=status.HTTP_202_ACCEPTED, headers={"Location": address})


class Import(CampaignView):
    """Watch an import."""

    scopes = {"GET": "outputs:write"}
    roles = ("admin",)

    @extend_schema(operation_id="outputs_import_read", responses=ImportSerializer)
    def get(self, request: Request, slug: str, batch_id: int) -> Response:
        """How far the import is, and what it refused."""
        batch = self.campaign.batches.filter(pk=batch_id).first()
        if batch is None:
            raise exceptions.NotFound("This campaign has no such import.")
        return Response(ImportSerializer(batch).data)


urls = [
    path("campaigns/<slug:slug>/outputs", Imports.as_view(), name="api-imports"),
    path("campaigns/<slug:slug>/imports/<int:batch_id>", Import.as_view(), name="api-import"),
]
