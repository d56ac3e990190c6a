"""Constraint sets, and the dataset versions made of them."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock
from annotate.api.campaign_view import CampaignView
from annotate.api.pagination import answer, page_of
from annotate.constraints import models as constraints
from training_bridge.exports import actions, models, queries
from worker.tasks import exports as export_tasks


class SetEntrySerializer(serializers.ModelSerializer[constraints.SetEntry]):
    check_version = serializers.IntegerField(
        source="check_version.number", default=None, allow_null=True, help_text="What was frozen of its check."
    )

    class Meta:
        model = constraints.SetEntry
        fields = ["id", "statement", "tag_slug", "kind", "check_version"]


class ConstraintSetSerializer(serializers.ModelSerializer[constraints.ConstraintSet]):
    entries = SetEntrySerializer(many=True)

    class Meta:
        model = constraints.ConstraintSet
        fields = ["revision", "sha256", "approved_at", "entries"]


class DatasetSerializer(serializers.ModelSerializer[models.DatasetVersion]):
    constraint_set = serializers.IntegerField(source="constraint_set.revision")

    class Meta:
        model = models.DatasetVersion
        fields = [
            "version",
            "format",
            "constraint_set",
            "options",
            "state",
            "reason",
            "rows_done",
            "rows_total",
            "manifest",
            "manifest_sha256",
            "requested_at",
            "ready_at",
        ]


class DatasetRequestSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=models.DatasetVersion.Format.choices)
    constraint_set = serializers.IntegerField(required=False, help_text="A revision; the latest when left out.")
    options = serializers.DictField(required=False)


class ConstraintSets(CampaignView):
    """Read approved constraint sets."""

    scopes = {"GET": "datasets:read"}

    @extend_schema(operation_id="constraint_sets_list", responses=page_of(ConstraintSetSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The approved revisions with their constraints, oldest first."""
        sets = constraints.ConstraintSet.objects.filter(campaign=self.campaign).prefetch_related(
            "entries__check_version"
        )
        return answer(sets, ConstraintSetSerializer, self)


class Datasets(CampaignView):
    """Request and list dataset versions."""

    scopes = {"GET": "datasets:read", "POST": "datasets:write"}

    @extend_schema(operation_id="datasets_list", responses=page_of(DatasetSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The campaign's dataset versions, oldest first."""
        versions = self.campaign.dataset_versions.select_related("constraint_set")
        return answer(versions, DatasetSerializer, self)

    @extend_schema(
        operation_id="datasets_request", request=DatasetRequestSerializer, responses={202: DatasetSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Request a version. A worker builds it; read it until `state` is `ready`."""
        wanted = DatasetRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        dataset = actions.request(
            campaign=self.campaign,
            constraint_set=self._constraint_set(wanted.validated_data.get("constraint_set")),
            format=wanted.validated_data["format"],
            options=wanted.validated_data.get("options"),
            by=self.user,
            now=clock.now(),
        )
        export_tasks.build.nudge(dataset.pk)
        return Response(DatasetSerializer(dataset).data, status=status.HTTP_202_ACCEPTED)

    def _constraint_set(self, revision: int | None) -> constraints.ConstraintSet:
        sets = constraints.ConstraintSet.objects.filter(campaign=self.campaign)
        chosen = sets.order_by("-revision").first() if revision is None else sets.filter(revision=revision).first()
        if chosen is None:
            raise exceptions.NotFound("This campaign has no such approved constraint set.")
        return chosen


class Dataset(CampaignView):
    """Read one dataset version."""

    scopes = {"GET": "datasets:read"}

    @extend_schema(operation_id="datasets_read", responses=DatasetSerializer)
    def get(self, request: Request, slug: str, version: int) -> Response:
        """State, progress and, when ready, the manifest with the files' sha256."""
        return Response(DatasetSerializer(self.find(version)).data)

    def find(self, version: int) -> models.DatasetVersion:
        found = self.campaign.dataset_versions.select_related("constraint_set").filter(version=version).first()
        if found is None:
            raise exceptions.NotFound("This campaign has no such dataset version.")
        return found


class DatasetFile(Dataset):
    """Download a file of a dataset version."""

    @extend_schema(operation_id="datasets_download", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, version: int, name: str) -> HttpResponseBase:  # type: ignore[override]
        """The bytes of a file that the manifest names, or of `manifest.json`."""
        dataset = self.find(version)
        for file in queries.files(dataset):
            if file.name == name:
                return FileResponse(file.open("rb"), as_attachment=True, filename=name)
        raise exceptions.NotFound("This version has no such file; it has none before it is ready.")


urls = [
    path("campaigns/<slug:slug>/constraint-sets", ConstraintSets.as_view(), name="api-constraint-sets"),
    path("campaigns/<slug:slug>/datasets", Datasets.as_view(), name="api-datasets"),
    path("campaigns/<slug:slug>/datasets/<int:version>", Dataset.as_view(), name="api-dataset"),
    path(
        "campaigns/<slug:slug>/datasets/<int:version>/files/<str:name>", DatasetFile.as_view(), name="api-dataset-file"
    ),
]
