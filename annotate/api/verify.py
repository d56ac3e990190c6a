"""Verification without a page: is this constraint violated in this output? A caller sees what an annotator sees."""

from __future__ import annotations

import uuid
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status, views
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock, errors
from annotate.accounts import models as accounts
from annotate.api import work
from annotate.api.campaign_view import CampaignView
from annotate.campaigns import models as campaigns
from annotate.campaigns import queries as campaign_queries
from annotate.queue import policy
from annotate.verification import actions, models, queries


class FoundSerializer(serializers.Serializer[Any]):
    """A place of the output, in code points, and what a check says of it; null for the whole output."""

    message = serializers.CharField()
    start = serializers.IntegerField(allow_null=True)
    end = serializers.IntegerField(allow_null=True)


class QuestionSerializer(serializers.Serializer[Any]):
    """An output and a constraint. `messages` is empty for a plain prompt; `prompt` is always readable text.

    `suggestions` is null for a question that is asked blind, which is the rule. Where it is a list, a trusted check
    found this, or nothing where it is empty: show it before the question is answered, which counts as assisted.
    """

    verification = serializers.UUIDField(help_text="The token under which to answer.")
    expires_at = serializers.DateTimeField()
    statement = serializers.CharField(help_text="What the constraint prohibits.")
    prompt = serializers.CharField()
    messages = serializers.ListField(child=serializers.DictField())
    output = serializers.CharField()
    suggestions = FoundSerializer(many=True, allow_null=True)


class NewAnswerSerializer(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(choices=models.Answer.Value.choices)


class AnsweredSerializer(serializers.Serializer[Any]):
    verification = serializers.UUIDField()
    answer = serializers.CharField()
    revision = serializers.IntegerField(help_text="1, or more after a change of mind.")
    answered_at = serializers.DateTimeField()
    next = QuestionSerializer(allow_null=True, help_text="Null unless asked for, and when there is none now.")


class NextQuestion(CampaignView):
    """Ask for questions."""

    scopes = {"POST": work.SCOPE}
    roles = policy.JUDGING_ROLES

    @extend_schema(
        operation_id="verify_next",
        request=None,
        responses={200: QuestionSerializer, 204: OpenApiResponse(description="Nothing is left for you now.")},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Bring the next question; the one that is yours already, its time renewed, comes first."""
        turns = actions.hand_out(campaign=self.campaign, annotator=self.user, now=clock.now())
        return Response(_shown(turns[0])) if turns else Response(status=status.HTTP_204_NO_CONTENT)


class AnswerQuestion(views.APIView):
    """Answer questions. Finds the turn in the address for the token's user: 404 when it is not theirs."""

    scopes = {"POST": work.SCOPE}

    def initial(self, request: Request, *args: object, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        assert isinstance(request.user, accounts.User)
        self.user = request.user
        held = queries.held(token=kwargs["token"], annotator=self.user)
        turn = held.select_related("round__campaign").first()
        if turn is None:
            raise errors.NotFound("No question is yours under this token. Ask for the next one.")
        slug = turn.round.campaign.slug
        self.campaign = campaign_queries.require(user=self.user, slug=slug, roles=policy.JUDGING_ROLES)

    @extend_schema(
        operation_id="verify_answer",
        request=NewAnswerSerializer,
        responses=AnsweredSerializer,
        parameters=[
            work.NextWantedSerializer,
            OpenApiParameter(
                work.KEY_HEADER,
                {"type": "string", "minLength": 1, "maxLength": work.KEY_LIMIT},
                OpenApiParameter.HEADER,
                required=True,
                description="Any text that stays the same when this answer is sent again, such as a UUID.",
            ),
        ],
    )
    def post(self, request: Request, token: uuid.UUID) -> Response:
        """Store the answer. The same key again changes nothing; another key stores a change of mind.

        With `?next=1` the answer brings the next question.
        """
        asked = work.NextWantedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        sent = NewAnswerSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        made = actions.answer(
            token=token,
            annotator=self.user,
            answer=sent.validated_data["answer"],
            idempotency_key=work.key_of(request, token),
            now=clock.now(),
        )
        answer = {
            "verification": token,
            "answer": made.answer,
            "revision": made.revision,
            "answered_at": made.created_at,
            "next": _next(self.campaign, self.user) if asked.validated_data["next"] else None,
        }
        return Response(AnsweredSerializer(answer).data)


def _next(campaign: campaigns.Campaign, user: accounts.User) -> dict[str, Any] | None:
    try:
        turns = actions.hand_out(campaign=campaign, annotator=user, now=clock.now())
    except errors.RuleError:
        # Paused in between, say: the answer is stored all the same, and asking for the next one says why.
        return None
    return _shown(turns[0]) if turns else None


def _shown(turn: models.Turn) -> dict[str, Any]:
    """Return the turn as its annotator may see it: no model, batch or mark, no id that counts."""
    prompt, messages = turn.item.output.prompt.shown(turn.stance)
    shown = {
        "verification": turn.token,
        "expires_at": turn.expires_at,
        "statement": turn.round.statement,
        "prompt": prompt,
        "messages": [{key: each[key] for key in work.MESSAGE_KEYS if key in each} for each in messages],
        "output": turn.item.output.text,
        "suggestions": turn.suggestions,
    }
    return dict(QuestionSerializer(shown).data)


urls = [
    path("campaigns/<slug:slug>/verify/next", NextQuestion.as_view(), name="api-verify-next"),
    path("verifications/<uuid:token>", AnswerQuestion.as_view(), name="api-verify-answer"),
]
