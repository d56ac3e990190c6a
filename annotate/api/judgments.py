"""Judgments with their violations, for researchers."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.api.campaign_view import CampaignView
from annotate.api.pagination import answer, page_of
from annotate.intake.models import ImportBatch
from annotate.judgments import models


class ViolationSerializer(serializers.ModelSerializer[models.Violation]):
    """`start` and `end` are half-open code-point offsets into the output."""

    tag = serializers.CharField(source="tag.slug")
    kind = serializers.CharField(source="tag.kind")

    class Meta:
        model = models.Violation
        fields = ["id", "tag", "kind", "scope", "severity", "start", "end", "quote", "critique", "correction"]


class JudgmentSerializer(serializers.ModelSerializer[models.Judgment]):
    """`prompt_shown` is which twin of the prompt the annotator read.

    `is_assisted`: what trusted checks found in the output was shown to the annotator first; else they judged it blind.
    `is_gold`: the output's errors were known before. An `external` annotator's judgment of it is the known answer, and
    nothing of it belongs into training data.
    """

    annotator = serializers.CharField(source="annotator.username")
    annotator_kind = serializers.CharField(source="annotator.kind")
    output_external_id = serializers.CharField(source="output.external_id")
    model = serializers.CharField(source="output.model")
    is_gold = serializers.SerializerMethodField()
    tag_set_version = serializers.IntegerField(source="tag_set.version")
    violations = ViolationSerializer(many=True)

    class Meta:
        model = models.Judgment
        fields = [
            "id",
            "output",
            "output_external_id",
            "model",
            "annotator",
            "annotator_kind",
            "tag_set_version",
            "revision",
            "is_current",
            "is_surplus",
            "is_assisted",
            "is_gold",
            "prompt_shown",
            "verdict",
            "comment",
            "seconds",
            "created_at",
            "violations",
        ]

    def get_is_gold(self, judgment: models.Judgment) -> bool:
        return judgment.output.batch.purpose == ImportBatch.Purpose.GOLD


class Judgments(CampaignView):
    """Read judgments."""

    scopes = {"GET": "judgments:read"}

    @extend_schema(operation_id="judgments_list", responses=page_of(JudgmentSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """Every judgment of the campaign, oldest first, each with its violations. Follow `next` to the end.

        Revisions that a later one replaced are listed with `is_current` false; what was withdrawn is not listed.
        """
        return answer(self._judgments(), JudgmentSerializer, self)

    def _judgments(self) -> QuerySet[models.Judgment]:
        violations = Prefetch("violations", models.Violation.objects.select_related("tag").order_by("position", "id"))
        return (
            models.Judgment.objects.filter(campaign=self.campaign, withdrawn_at=None)
            .select_related("annotator", "tag_set", "output__batch")
            .defer("output__text", "output__meta")
            .prefetch_related(violations)
        )


urls = [path("campaigns/<slug:slug>/judgments", Judgments.as_view(), name="api-judgments")]
