"""The shapes of executable checks at the machines' door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.constraints.checks import checking, precision
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, Ruling

VERSIONS_SHOWN = 100


class ShareSerializer(serializers.Serializer[Any]):
    """A part of some outputs, with the ends of Wilson's 95 % interval."""

    part = serializers.IntegerField()
    of = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True, help_text="Null of no outputs.")
    low = serializers.FloatField(help_text="A check is trusted by this end of its precision.")
    high = serializers.FloatField()


class FiguresSerializer(serializers.Serializer[Any]):
    """The current version's, as last weighed. The four counts are of outputs about which people decided."""

    outputs = serializers.IntegerField(source="run_count", help_text="It was run on.")
    violated = serializers.IntegerField(source="violated_count", help_text="It marked.")
    hit = serializers.IntegerField(source="hit_count", help_text="Both say violated.")
    alarm = serializers.IntegerField(source="alarm_count", help_text="The check alone.")
    miss = serializers.IntegerField(source="miss_count", help_text="People alone.")
    clear = serializers.IntegerField(source="clear_count", help_text="Neither.")
    precision = serializers.SerializerMethodField()
    recall = serializers.SerializerMethodField()
    weighed_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(ShareSerializer)
    def get_precision(self, life: Check) -> Mapping[str, Any]:
        return ShareSerializer(check_queries.counts(life).precision).data

    @extend_schema_field(ShareSerializer)
    def get_recall(self, life: Check) -> Mapping[str, Any]:
        return ShareSerializer(check_queries.counts(life).recall).data


class CheckSerializer(serializers.Serializer[Any]):
    constraint = serializers.IntegerField(source="constraint_id")
    statement = serializers.CharField(source="constraint.statement")
    state = serializers.CharField(help_text="draft, shadow, trusted or retired.")
    problem = serializers.CharField(help_text="Why it could not be run and is a draft again; else empty.")
    version = serializers.IntegerField(source="current.number")
    sha256 = serializers.CharField(source="current.sha256", help_text="Of the current version's text.")
    changed_at = serializers.DateTimeField()
    figures = FiguresSerializer(source="*")


class VersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class OneCheckSerializer(CheckSerializer):
    text = serializers.CharField(source="current.text", help_text="YAML, as it was saved.")
    declared = serializers.ListField(child=serializers.DictField(), source="current.declared")
    lacks = serializers.CharField(help_text="What it lacks to be trusted by the campaign's rule; empty when nothing.")
    versions = VersionSerializer(many=True, help_text=f"The newest first, {VERSIONS_SHOWN} at most.")


def one(life: Check) -> Mapping[str, Any]:
    """Return a check as OneCheckSerializer describes it."""
    rule = check_queries.trust_rule(campaign=life.constraint.campaign)
    life.lacks = precision.lacking(  # type: ignore[attr-defined]
        counts=check_queries.counts(life), precision=rule.precision, adjudicated=rule.adjudicated
    )
    life.versions = check_queries.versions(constraint=life.constraint)[:VERSIONS_SHOWN]  # type: ignore[attr-defined]
    return OneCheckSerializer(life).data


class DeclarationSerializer(serializers.Serializer[Any]):
    """One of the two. The text is YAML, of which JSON is a part."""

    text = serializers.CharField(required=False, trim_whitespace=False, max_length=checking.LONGEST_TEXT)
    declared = serializers.ListField(child=serializers.DictField(), required=False, min_length=1, max_length=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either `text` or `declared`.")
        return attrs


def text_of(sent: Mapping[str, Any]) -> str:
    """Return a declaration as the text that is stored."""
    if "text" in sent:
        return str(sent["text"])
    return json.dumps(sent["declared"], ensure_ascii=False, indent=2)


class StepSerializer(serializers.Serializer[Any]):
    to = serializers.ChoiceField(choices=Check.State.choices)


class FindingSerializer(serializers.Serializer[Any]):
    """A place is half-open, in code points; null for the whole output."""

    message = serializers.CharField()
    start = serializers.IntegerField(allow_null=True)
    end = serializers.IntegerField(allow_null=True)


class LookedSerializer(serializers.Serializer[Any]):
    output = serializers.IntegerField(source="output_id")
    violated = serializers.BooleanField(help_text="What the check says.")
    people = serializers.BooleanField(allow_null=True, help_text="What people say; null where they do not.")
    excerpt = serializers.CharField(source="text")
    messages = serializers.ListField(child=serializers.CharField())
    marks = FindingSerializer(many=True, help_text="Those with a place in the excerpt, with offsets into it.")


class PreviewSerializer(serializers.Serializer[Any]):
    """`rows` has some of the outputs, disagreements first."""

    seed = serializers.IntegerField()
    sampled = serializers.IntegerField()
    looked = serializers.IntegerField(help_text="Of the sampled ones, before the time was over.")
    violated = serializers.IntegerField()
    undecided = serializers.IntegerField(help_text="About which people did not decide.")
    hit = serializers.IntegerField(source="counts.hit")
    alarm = serializers.IntegerField(source="counts.alarm")
    miss = serializers.IntegerField(source="counts.miss")
    clear = serializers.IntegerField(source="counts.clear")
    precision = ShareSerializer(source="counts.precision")
    recall = ShareSerializer(source="counts.recall")
    rows = LookedSerializer(many=True)


class ResultSerializer(serializers.ModelSerializer[CheckResult]):
    version = serializers.IntegerField(source="version.number")
    findings = FindingSerializer(many=True)

    class Meta:
        model = CheckResult
        fields = ["id", "output", "version", "violated", "people", "findings"]


class DisagreementSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Rule on it by this number.")
    constraint = serializers.IntegerField(source="version.constraint_id")
    statement = serializers.CharField(source="version.constraint.statement")
    output = serializers.IntegerField(source="output_id")
    violated = serializers.BooleanField(help_text="What the check says.")
    people = serializers.BooleanField()
    findings = FindingSerializer(many=True, help_text="With offsets into the output.")
    excerpt = serializers.CharField(help_text="Of the output, around the first finding.")
    cut_at = serializers.IntegerField(help_text="Where in the output the excerpt begins.")


class NewRulingSerializer(serializers.Serializer[Any]):
    side = serializers.ChoiceField(choices=Ruling.Side.choices)


class RulingSerializer(serializers.ModelSerializer[Ruling]):
    class Meta:
        model = Ruling
        fields = ["constraint", "output", "side", "violated", "ruled_at"]
