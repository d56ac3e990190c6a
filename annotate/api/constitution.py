"""Take in a constitution: the JSON or YAML of an approved set, of this campaign or another."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock
from annotate.api.campaign_view import CampaignView
from annotate.constraints.constitution import actions as constitution_actions
from annotate.constraints.constitution import reading as constitution_reading


class File(parsers.BaseParser):
    """Hands on the bytes, up to one more than are read: lines are counted in what was sent."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return {"data": stream.read(constitution_reading.LARGEST + 1)}


class ImportedSerializer(serializers.Serializer[Any]):
    made = serializers.IntegerField(help_text="New constraints, accepted.")
    accepted = serializers.IntegerField(help_text="Candidates with this statement and tag, accepted now.")
    known = serializers.IntegerField(help_text="Accepted here before.")
    left = serializers.IntegerField(help_text="Dismissed here by somebody, and left so.")


class ConstitutionImport(CampaignView):
    """Import a constitution."""

    scopes = {"POST": "datasets:write"}
    roles = ("admin", "reviewer")
    parser_classes = [File]

    @extend_schema(
        operation_id="constitution_import",
        request={"application/json": OpenApiTypes.BINARY, "application/yaml": OpenApiTypes.BINARY},
        responses=ImportedSerializer,
    )
    def post(self, request: Request, slug: str) -> Response:
        """All of its principles become accepted constraints, or none: a refusal names lines and reasons."""
        sent: Any = request.data
        found = constitution_actions.import_constitution(
            campaign=self.campaign, data=sent.get("data", b""), by=self.user, now=clock.now()
        )
        return Response(ImportedSerializer(found).data)


urls = [path("campaigns/<slug:slug>/constitution", ConstitutionImport.as_view(), name="api-constitution-import")]
