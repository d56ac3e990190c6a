"""Judging without a page: lease an output, judge or skip it. A caller sees what an annotator sees, and no more."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers, status, views
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock, errors
from annotate.accounts import models as accounts
from annotate.api.campaign_view import CampaignView
from annotate.campaigns import models as campaigns
from annotate.campaigns import queries as campaign_queries
from annotate.constraints.assistance import queries as assistance
from annotate.judgments import actions as judgment_actions
from annotate.judgments import drafts, models
from annotate.queue import actions as queue_actions
from annotate.queue import models as queue
from annotate.queue import policy
from annotate.queue import queries as queue_queries

SCOPE = "judgments:write"
KEY_HEADER = "Idempotency-Key"
KEY_LIMIT = 255
# A message may carry any key its import had, also one that says which model spoke.
MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id")
OFFSET_LIMIT = 2**31 - 1


class WorkTagSerializer(serializers.Serializer[campaigns.Tag]):
    """One tag. The rules say `optional`, `required` or `none`: what a violation with this tag must carry."""

    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    severity_rule = serializers.CharField()
    span_rule = serializers.CharField()
    description = serializers.CharField()
    example = serializers.CharField()


class WorkTagSetSerializer(serializers.Serializer[campaigns.TagSet]):
    version = serializers.IntegerField()
    tags = WorkTagSerializer(many=True)


class SuggestionSerializer(serializers.Serializer[Any]):
    """Something that a trusted check found, in the form in which it can be sent back as a violation, if it is one."""

    tag = serializers.CharField()
    scope = serializers.ChoiceField(choices=models.Violation.Scope.choices)
    severity = serializers.CharField(allow_blank=True)
    start = serializers.IntegerField(allow_null=True)
    end = serializers.IntegerField(allow_null=True)
    statement = serializers.CharField(help_text="What the check looks for.")
    message = serializers.CharField(help_text="What it says of this place.")


class LeaseSerializer(serializers.Serializer[Any]):
    """An output to judge. `messages` is empty for a plain prompt; `prompt` is always readable text.

    `suggestions` is null for an output that is to be judged blind, which is the rule. Where it is a list, also an
    empty one, the judgment counts as assisted: show it before the output is judged.
    """

    lease = serializers.UUIDField(help_text="The token under which to judge or skip it.")
    expires_at = serializers.DateTimeField()
    prompt = serializers.CharField()
    messages = serializers.ListField(child=serializers.DictField())
    output = serializers.CharField()
    suggestions = SuggestionSerializer(many=True, allow_null=True)
    tag_set = WorkTagSetSerializer()


class NewViolationSerializer(serializers.Serializer[Any]):
    """One tag applied. `start` and `end` are half-open offsets into the output, counted in code points."""

    tag = serializers.CharField(max_length=120, help_text="A tag's slug.")
    scope = serializers.ChoiceField(choices=models.Violation.Scope.choices)
    severity = serializers.ChoiceField(choices=models.Violation.Severity.choices, required=False, allow_blank=True)
    start = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=OFFSET_LIMIT)
    end = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=OFFSET_LIMIT)
    critique = serializers.CharField(required=False, allow_blank=True, max_length=drafts.TEXT_LIMIT)
    correction = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, max_length=drafts.TEXT_LIMIT
    )


class NewJudgmentSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=models.Judgment.Verdict.choices)
    violations = serializers.ListField(
        child=NewViolationSerializer(), required=False, default=list, max_length=drafts.VIOLATION_LIMIT
    )
    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=drafts.TEXT_LIMIT)


class JudgedSerializer(serializers.Serializer[Any]):
    """What was stored. A judgment's own row is the researchers' (`judgments:read`)."""

    lease = serializers.UUIDField()
    verdict = serializers.CharField()
    revision = serializers.IntegerField(help_text="1, or more after a change of mind.")
    judged_at = serializers.DateTimeField()
    next = LeaseSerializer(allow_null=True, help_text="Null unless asked for, and when there is none now.")


class NextWantedSerializer(serializers.Serializer[Any]):
    next = serializers.BooleanField(default=False, help_text="Lease the next output, too.")


class SkipSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=queue_actions.SKIP_REASON_LIMIT)


class Next(CampaignView):
    """Lease outputs."""

    scopes = {"POST": SCOPE}
    roles = policy.JUDGING_ROLES

    @extend_schema(
        operation_id="work_next",
        request=None,
        responses={200: LeaseSerializer, 204: OpenApiResponse(description="Nothing is left for you now.")},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Lease the next output; the one that is leased to you already, its time renewed, comes first."""
        lease = _lease_next(self.campaign, self.user)
        if lease is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(_shown(lease, self.campaign))


class LeaseView(views.APIView):
    """Finds the lease in the address for the token's user: 404 when it is not theirs or they left the campaign."""

    scopes = {"POST": SCOPE}

    def initial(self, request: Request, *args: object, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        assert isinstance(request.user, accounts.User)
        self.user = request.user
        held = queue_queries.held(token=kwargs["token"], annotator=self.user)
        lease = held.select_related("campaign").first()
        if lease is None:
            raise errors.NotFound("No output is leased to you under this token. Ask for the next one.")
        self.campaign = campaign_queries.require(user=self.user, slug=lease.campaign.slug, roles=policy.JUDGING_ROLES)


class JudgeLease(LeaseView):
    """Judge leased outputs."""

    @extend_schema(
        operation_id="work_judge",
        request=NewJudgmentSerializer,
        responses=JudgedSerializer,
        parameters=[
            NextWantedSerializer,
            OpenApiParameter(
                KEY_HEADER,
                {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT},
                OpenApiParameter.HEADER,
                required=True,
                description="Any text that stays the same when this judgment is sent again, such as a UUID.",
            ),
        ],
    )
    def post(self, request: Request, token: uuid.UUID) -> Response:
        """Store the judgment. The same key again changes nothing; another key stores a change of mind.

        With `?next=1` the answer brings the next lease. It comes after the judgment is stored, whatever becomes of it.
        """
        asked = NextWantedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        sent = NewJudgmentSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        judgment = judgment_actions.submit(
            token=token,
            annotator=self.user,
            verdict=sent.validated_data["verdict"],
            violations=[_draft(each) for each in sent.validated_data["violations"]],
            idempotency_key=key_of(request, token),
            now=clock.now(),
            comment=sent.validated_data["comment"],
        )
        answer = {
            "lease": token,
            "verdict": judgment.verdict,
            "revision": judgment.revision,
            "judged_at": judgment.created_at,
            "next": self._next() if asked.validated_data["next"] else None,
        }
        return Response(JudgedSerializer(answer).data)

    def _next(self) -> dict[str, Any] | None:
        try:
            lease = _lease_next(self.campaign, self.user)
        except errors.RuleError:
            # Paused in between, say: the judgment is stored all the same, and asking for the next one says why.
            return None
        return None if lease is None else _shown(lease, self.campaign)


class SkipLease(LeaseView):
    """Skip leased outputs."""

    @extend_schema(
        operation_id="work_skip",
        request=SkipSerializer,
        responses={204: OpenApiResponse(description="It is skipped and does not come back to you.")},
    )
    def post(self, request: Request, token: uuid.UUID) -> Response:
        """Leave the output to others, and say why. Skipping twice is the same as once."""
        sent = SkipSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        queue_actions.skip(token=token, annotator=self.user, reason=sent.validated_data["reason"], now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _lease_next(campaign: campaigns.Campaign, user: accounts.User) -> queue.Lease | None:
    return queue_actions.lease_next(campaign=campaign, annotator=user, now=clock.now(), suggest=assistance.for_output)


def _shown(lease: queue.Lease, campaign: campaigns.Campaign) -> dict[str, Any]:
    """Return the lease as its annotator may see it: never the model, the batch, an id that counts, or others' work."""
    prompt, messages = lease.output.prompt.shown(lease.stance)
    shown = {
        "lease": lease.token,
        "expires_at": lease.expires_at,
        "prompt": prompt,
        "messages": [{key: each[key] for key in MESSAGE_KEYS if key in each} for each in messages],
        "output": lease.output.text,
        "suggestions": lease.suggestions,
        "tag_set": _tag_set(campaign),
    }
    return dict(LeaseSerializer(shown).data)


def _tag_set(campaign: campaigns.Campaign) -> dict[str, Any]:
    version, tags = campaign_queries.version_in_force(campaign=campaign)
    return {"version": version, "tags": tags}


def _draft(violation: dict[str, Any]) -> drafts.ViolationDraft:
    return drafts.ViolationDraft(tag_slug=violation.pop("tag"), **violation)


def key_of(request: Request, token: uuid.UUID) -> uuid.UUID:
    """Return the caller's key as one of this lease alone: whatever others choose, no two can meet."""
    key = request.headers.get(KEY_HEADER, "").strip()
    if not 0 < len(key) <= KEY_LIMIT:
        raise exceptions.ValidationError({KEY_HEADER: [f"Send this header, with 1 to {KEY_LIMIT} characters."]})
    return uuid.uuid5(token, key)


urls = [
    path("campaigns/<slug:slug>/next", Next.as_view(), name="api-next"),
    path("leases/<uuid:token>/judgment", JudgeLease.as_view(), name="api-lease-judgment"),
    path("leases/<uuid:token>/skip", SkipLease.as_view(), name="api-lease-skip"),
]
