"""What one approved set changed against another, and where its constraints and violations are in a later one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.api.campaign_view import CampaignView
from annotate.api.pagination import ByKey, page_of
from annotate.constraints import models, queries
from annotate.constraints.constitution import queries as constitution_queries
from annotate.constraints.revisions import changes as revisions
from annotate.constraints.revisions import queries as revisions_queries

READ: dict[str, str | None] = {"GET": "datasets:read"}


class EntrySerializer(serializers.Serializer[Any]):
    constraint = serializers.IntegerField()
    statement = serializers.CharField()
    tag = serializers.CharField()
    kind = serializers.CharField()
    members = serializers.IntegerField(help_text="Violations frozen in the set.")
    check = serializers.IntegerField(allow_null=True, help_text="The version of its check that is frozen in the set.")


class RewordedSerializer(serializers.Serializer[Any]):
    before = EntrySerializer()
    after = EntrySerializer()


class MergedSerializer(serializers.Serializer[Any]):
    into = EntrySerializer()
    sources = EntrySerializer(many=True)


class SplitSerializer(serializers.Serializer[Any]):
    made = EntrySerializer()
    origin = EntrySerializer(source="source", help_text="Where most of its members were before.")


class ResizedSerializer(serializers.Serializer[Any]):
    entry = EntrySerializer()
    joined = serializers.IntegerField()
    left = serializers.IntegerField()


class RecheckedSerializer(serializers.Serializer[Any]):
    entry = EntrySerializer()
    before = serializers.IntegerField(allow_null=True, help_text="The version before; null where there was no check.")


class DiffSerializer(serializers.Serializer[Any]):
    added = EntrySerializer(many=True)
    reworded = RewordedSerializer(many=True)
    merged = MergedSerializer(many=True)
    split = SplitSerializer(many=True)
    retired = EntrySerializer(many=True)
    resized = ResizedSerializer(many=True)
    rechecked = RecheckedSerializer(many=True)


class MappedSerializer(serializers.Serializer[Any]):
    entry = serializers.IntegerField(source="entry.pk")
    constraint = serializers.IntegerField(source="entry.constraint_id")
    later_entry = serializers.IntegerField(source="later.pk", default=None, allow_null=True)
    later_constraint = serializers.IntegerField(source="later.constraint_id", default=None, allow_null=True)


class ProjectedSerializer(serializers.Serializer[Any]):
    violation = serializers.IntegerField()
    judgment = serializers.IntegerField()
    later_entry = serializers.IntegerField(allow_null=True)
    later_constraint = serializers.IntegerField(allow_null=True)


SINCE = OpenApiParameter("since", int, description="An earlier revision; the one before when left out.")
TO = OpenApiParameter("to", int, description="A later revision; the latest when left out.")


class SetView(CampaignView):
    """Finds the approved set of the address."""

    scopes = READ

    def initial(self, request: Request, *args: object, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.found = queries.constraint_set(campaign=self.campaign, revision=kwargs["revision"])

    def other(self, name: str) -> models.ConstraintSet | None:
        asked = self.request.query_params.get(name)
        return revisions_queries.constraint_set(campaign=self.campaign, revision=asked) if asked else None

    def later(self) -> models.ConstraintSet:
        return self.other("to") or queries.latest_set(campaign=self.campaign) or self.found


class Changes(SetView):
    """Read what a set changed."""

    @extend_schema(operation_id="constraint_sets_changes", parameters=[SINCE], responses=DiffSerializer)
    def get(self, request: Request, slug: str, revision: int) -> Response:
        """What an earlier set said otherwise: constraints added, reworded, merged, split, retired; members; checks."""
        earlier = queries.sets(campaign=self.campaign).filter(revision__lt=revision)
        diff: revisions.Diff = revisions_queries.diff(before=self.other("since") or earlier.first(), after=self.found)
        return Response(DiffSerializer(diff).data)


class Mapping(SetView):
    """Read where the constraints of a set are in a later one."""

    @extend_schema(operation_id="constraint_sets_map", parameters=[TO], responses=MappedSerializer(many=True))
    def get(self, request: Request, slug: str, revision: int) -> Response:
        """Each entry and what it is in the later set: itself, what it was merged into, or null."""
        mapped = revisions_queries.mapping(before=self.found, after=self.later())
        return Response(MappedSerializer(mapped, many=True).data)


class Projection(SetView):
    """Read where the violations of a set are in a later one."""

    @extend_schema(operation_id="constraint_sets_projection", parameters=[TO], responses=page_of(ProjectedSerializer))
    def get(self, request: Request, slug: str, revision: int) -> Response:
        """Each frozen violation and its entry in the later set, oldest first: judgments projected to any revision."""
        pages = ByKey()
        frozen = revisions_queries.frozen_violations(constraint_set=self.found).only("id", "judgment_id")
        page = pages.paginate_queryset(frozen, self.request, view=self) or []
        where = revisions_queries.project(
            before=self.found, after=self.later(), violation_ids=[each.pk for each in page]
        )
        rows = [
            {
                "violation": each.pk,
                "judgment": each.judgment_id,
                "later_entry": None if (entry := where.get(each.pk)) is None else entry.pk,
                "later_constraint": None if entry is None else entry.constraint_id,
            }
            for each in page
        ]
        return pages.get_paginated_response(ProjectedSerializer(rows, many=True).data)


class Constitution(SetView):
    """Download a set as a constitution."""

    @extend_schema(
        operation_id="constraint_sets_constitution",
        responses={
            (200, "application/json"): OpenApiTypes.BINARY,
            (200, "application/yaml"): OpenApiTypes.BINARY,
            (200, "text/markdown"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, slug: str, revision: int, form: str) -> HttpResponse:
        """Numbered principles as `json`, `yaml` or `md`: the same bytes every time."""
        data, media_type = constitution_queries.written(constraint_set=self.found, form=form)
        return HttpResponse(data, content_type=media_type)


_SET = "campaigns/<slug:slug>/constraint-sets/<int:revision>"
urls = [
    path(f"{_SET}/changes", Changes.as_view(), name="api-constraint-set-changes"),
    path(f"{_SET}/map", Mapping.as_view(), name="api-constraint-set-map"),
    path(f"{_SET}/projection", Projection.as_view(), name="api-constraint-set-projection"),
    path(f"{_SET}/constitution.<str:form>", Constitution.as_view(), name="api-constitution"),
]
