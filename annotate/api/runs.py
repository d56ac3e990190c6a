"""Training runs and checkpoints."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock
from annotate.api.campaign_view import CampaignView
from annotate.api.pagination import answer, page_of
from training_bridge.runs import actions, models
from worker.tasks import runs as run_tasks


class CheckpointSerializer(serializers.ModelSerializer[models.Checkpoint]):
    parent = serializers.CharField(source="parent.name", default=None, allow_null=True)  # type: ignore[assignment]

    class Meta:
        model = models.Checkpoint
        fields = ["name", "kind", "parent", "run", "manifest_sha256", "created_at"]


class RunSerializer(serializers.ModelSerializer[models.Run]):
    base = serializers.CharField(source="base.name")
    dataset = serializers.IntegerField(source="dataset.version", default=None, allow_null=True)
    checkpoint = serializers.CharField(source="checkpoint.name", default=None, allow_null=True)

    class Meta:
        model = models.Run
        fields = [
            "id",
            "method",
            "base",
            "dataset",
            "hyperparameters",
            "sampling",
            "checks",
            "state",
            "reason",
            "phase",
            "step",
            "total_steps",
            "attempt",
            "checkpoint",
            "requested_at",
            "launched_at",
            "heartbeat_at",
            "ended_at",
        ]


class RunRequestSerializer(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=models.TRAINING_METHODS)
    base = serializers.CharField(help_text="A checkpoint's name.")
    dataset = serializers.IntegerField(
        required=False, allow_null=True, help_text="A dataset version; none for nsr and w_reinforce."
    )
    hyperparameters = serializers.DictField(required=False)
    sampling = serializers.DictField(required=False)
    checks = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="What is right, for nsr and w_reinforce."
    )


class RunsView(CampaignView):
    def runs(self) -> QuerySet[models.Run]:
        return self.campaign.runs.select_related("base", "dataset", "checkpoint")

    def checkpoints(self) -> QuerySet[models.Checkpoint]:
        mine = Q(campaign=self.campaign) | Q(campaign=None)
        return models.Checkpoint.objects.filter(mine).select_related("parent")

    def find(self, run_id: int) -> models.Run:
        found = self.runs().filter(pk=run_id).first()
        if found is None:
            raise exceptions.NotFound("This campaign has no such run.")
        return found


class Runs(RunsView):
    """Start and list runs."""

    scopes = {"GET": "runs:read", "POST": "runs:write"}

    @extend_schema(operation_id="runs_list", responses=page_of(RunSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The campaign's runs, oldest first."""
        return answer(self.runs(), RunSerializer, self)

    @extend_schema(operation_id="runs_start", request=RunRequestSerializer, responses={202: RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Request a run, on a ready dataset version where the method trains on one. A worker launches it."""
        wanted = RunRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        run = actions.request(
            campaign=self.campaign,
            method=values["method"],
            base=self._base(values["base"]),
            dataset=self._dataset(values.get("dataset")),
            hyperparameters=values.get("hyperparameters", {}),
            sampling=values.get("sampling", {}),
            checks=values.get("checks", []),
            by=self.user,
            now=clock.now(),
        )
        run_tasks.advance.nudge(run.pk)
        return Response(RunSerializer(self.find(run.pk)).data, status=status.HTTP_202_ACCEPTED)

    def _base(self, name: str) -> models.Checkpoint:
        base = self.checkpoints().filter(name=name).first()
        if base is None:
            raise exceptions.NotFound(f"There is no checkpoint named {name!r} for this campaign.")
        return base

    def _dataset(self, version: int | None) -> Any:
        if version is None:
            return None
        dataset = self.campaign.dataset_versions.filter(version=version).first()
        if dataset is None:
            raise exceptions.NotFound(f"This campaign has no dataset version {version}.")
        return dataset


class Run(RunsView):
    """Read one run."""

    scopes = {"GET": "runs:read"}

    @extend_schema(operation_id="runs_read", responses=RunSerializer)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """State, step, reason and, when it succeeded, the checkpoint's name."""
        return Response(RunSerializer(self.find(run_id)).data)


class RunCancel(RunsView):
    """Cancel a run."""

    scopes = {"POST": "runs:write"}

    @extend_schema(operation_id="runs_cancel", request=None, responses={202: RunSerializer})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Ask a run to stop. Asking twice is the same as once."""
        actions.cancel(run=self.find(run_id), by=self.user, now=clock.now())
        run_tasks.advance.nudge(run_id)
        return Response(RunSerializer(self.find(run_id)).data, status=status.HTTP_202_ACCEPTED)


class Checkpoints(RunsView):
    """Read checkpoints."""

    scopes = {"GET": "runs:read"}

    @extend_schema(operation_id="checkpoints_list", responses=page_of(CheckpointSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The checkpoints that this campaign's runs made or may start from, oldest first."""
        return answer(self.checkpoints(), CheckpointSerializer, self)


urls = [
    path("campaigns/<slug:slug>/runs", Runs.as_view(), name="api-runs"),
    path("campaigns/<slug:slug>/runs/<int:run_id>", Run.as_view(), name="api-run"),
    path("campaigns/<slug:slug>/runs/<int:run_id>/cancel", RunCancel.as_view(), name="api-run-cancel"),
    path("campaigns/<slug:slug>/checkpoints", Checkpoints.as_view(), name="api-checkpoints"),
]
