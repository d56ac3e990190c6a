"""Executable checks of constraints: what they declare, how far they agree with people, and steps of their life."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from annotate import clock, errors
from annotate.api import check_serializers as shapes
from annotate.api.campaign_view import CampaignView
from annotate.api.pagination import answer, page_of
from annotate.api.parsing import JSON, Yaml
from annotate.constraints import queries
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking
from annotate.constraints.checks import preview as check_preview
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion
from annotate.constraints.models import Constraint
from annotate.verification import verdicts
from training_bridge.formats.checks import declared
from worker.tasks import checks as check_tasks

READ: dict[str, str | None] = {"GET": "datasets:read"}
WRITE: dict[str, str | None] = {"POST": "datasets:write"}
BODY: Any = {"application/json": shapes.DeclarationSerializer, "application/yaml": OpenApiTypes.BINARY}
VERSION = OpenApiParameter("version", int, description="A version of the check; the current one when left out.")
CONSTRAINT = OpenApiParameter("constraint", int, description="Only those of this constraint's check.")
SEED = OpenApiParameter("seed", int, description="Another number looks at other outputs.")


class ChecksView(CampaignView):
    """Whoever may decide about constraints may read and write their checks."""

    roles = ("admin", "reviewer")

    def whole_number(self, name: str) -> int | None:
        """Return a number of the address's query, None where it is left out. Raises ValidationError."""
        typed = self.request.query_params.get(name, "")
        if not typed:
            return None
        if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
            raise exceptions.ValidationError({name: ["A whole number is wanted."]})
        return int(typed)


class Checks(ChecksView):
    """Read the checks of a campaign."""

    scopes = READ

    @extend_schema(operation_id="checks_list", responses=page_of(shapes.CheckSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """Every constraint's check with its state and figures, oldest first."""
        lives = Check.objects.filter(constraint__campaign=self.campaign).select_related("constraint", "current")
        return answer(lives, shapes.CheckSerializer, self)


class CheckView(ChecksView):
    """Finds the constraint of the address."""

    def initial(self, request: Request, *args: object, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.constraint: Constraint = queries.constraint(campaign=self.campaign, constraint_id=kwargs["constraint_id"])

    def life(self) -> Check:
        """Return the constraint's check. Raises NotFound."""
        found = check_queries.life_of(constraint=self.constraint)
        if found is None:
            raise errors.NotFound("This constraint has no check. Save one first.")
        return found

    def text(self, request: Request) -> str:
        """Return what was declared in the body, as text."""
        sent = shapes.DeclarationSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        return shapes.text_of(sent.validated_data)


class OneCheck(CheckView):
    """Read a constraint's check, and save a new version of it."""

    scopes = READ | WRITE
    parser_classes = [JSON, Yaml]

    @extend_schema(operation_id="checks_read", responses=shapes.OneCheckSerializer)
    def get(self, request: Request, slug: str, constraint_id: int) -> Response:
        """What it declares, where it stands, and its latest versions, the newest first."""
        return Response(shapes.one(self.life()))

    @extend_schema(operation_id="checks_save", request=BODY, responses=shapes.OneCheckSerializer)
    def post(self, request: Request, slug: str, constraint_id: int) -> Response:
        """Save a version, which nobody trusts yet. A refusal names the check and the key that is wrong."""
        text = self.text(request)
        try:
            life = check_actions.save(constraint=self.constraint, text=text, by=self.user, now=clock.now())
        except checking.CheckRefused as refused:
            raise _placed(refused, request) from refused
        _run_soon(life)
        return Response(shapes.one(life))


class CheckPreview(CheckView):
    """Try a check that is not saved."""

    scopes = WRITE
    parser_classes = [JSON, Yaml]

    @extend_schema(operation_id="checks_preview", request=BODY, parameters=[SEED], responses=shapes.PreviewSerializer)
    def post(self, request: Request, slug: str, constraint_id: int) -> Response:
        """Run it on some hundred stored outputs and compare with people. Stores nothing; a model is asked about few."""
        text, seed = self.text(request), self.whole_number("seed")
        try:
            found = check_preview.preview(
                constraint=self.constraint, text=text, seed=1 if seed is None else seed, asked=verdicts.by_output
            )
        except checking.CheckRefused as refused:
            raise _placed(refused, request) from refused
        return Response(shapes.PreviewSerializer(found).data)


class CheckStep(CheckView):
    """Take a check to another state of its life."""

    scopes = WRITE

    @extend_schema(operation_id="checks_step", request=shapes.StepSerializer, responses=shapes.OneCheckSerializer)
    def post(self, request: Request, slug: str, constraint_id: int) -> Response:
        """To shadow, trusted, draft or retired. Trust is weighed on the spot by the campaign's rule."""
        sent = shapes.StepSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        to = sent.validated_data["to"]
        life = check_actions.step(life=self.life(), to=to, by=self.user, now=clock.now(), asked=verdicts.by_output)
        _run_soon(life)
        return Response(shapes.one(life))


class CheckResults(CheckView):
    """Read what a check said of each output."""

    scopes = READ

    @extend_schema(operation_id="checks_results", parameters=[VERSION], responses=page_of(shapes.ResultSerializer))
    def get(self, request: Request, slug: str, constraint_id: int) -> Response:
        """One version's results, oldest first, with what people said when they were last weighed."""
        found = CheckResult.objects.filter(version=self.version()).select_related("version")
        return answer(found, shapes.ResultSerializer, self)

    def version(self) -> CheckVersion:
        number = self.whole_number("version")
        if number is None:
            return self.life().current
        found = check_queries.versions(constraint=self.constraint).filter(number=number).first()
        if found is None:
            raise errors.NotFound("This check has no such version.")
        return found


class Disagreements(ChecksView):
    """Read where people and running checks disagree."""

    scopes = READ

    @extend_schema(
        operation_id="checks_disagreements", parameters=[CONSTRAINT], responses=page_of(shapes.DisagreementSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """Results that nobody has ruled on, oldest first, each with the part of the output it is about."""
        found, constraint = check_queries.disputed(campaign=self.campaign), self.whole_number("constraint")
        if constraint is not None:
            found = found.filter(version__constraint=constraint)
        return answer(check_queries.with_excerpts(found), shapes.DisagreementSerializer, self)


class RuleOn(ChecksView):
    """Decide between people and a check."""

    scopes = WRITE

    @extend_schema(operation_id="checks_rule", request=shapes.NewRulingSerializer, responses=shapes.RulingSerializer)
    def post(self, request: Request, slug: str, result_id: int) -> Response:
        """It is what people say of this output and constraint from then on. A second ruling replaces the first."""
        result = check_queries.result(campaign=self.campaign, result_id=result_id)
        sent = shapes.NewRulingSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        made = check_actions.rule(result=result, side=sent.validated_data["side"], by=self.user, now=clock.now())
        return Response(shapes.RulingSerializer(made).data)


def _placed(refused: checking.CheckRefused, request: Request) -> errors.RuleError:
    """Return the refusal with the key at fault as its field, where one is known: `declared.0.most`, `text.1.pattern`.

    The number counts checks from 0, as in the list that was sent.
    """
    sent = "declared" if isinstance(request.data, dict) and request.data.get("declared") else "text"
    cause: BaseException | None = refused
    while cause is not None and not isinstance(cause, declared.BadCheck):
        cause = cause.__cause__
    if not isinstance(cause, declared.BadCheck):
        return checking.CheckRefused(refused.message, field=sent)
    place = [sent, str(cause.number - 1), *([cause.argument] if cause.argument else [])]
    return checking.CheckRefused(refused.message, field=".".join(place))


def _run_soon(life: Check) -> None:
    if life.state in checking.RUNNING:
        check_tasks.run.nudge(life.pk)


_ONE = "campaigns/<slug:slug>/constraints/<int:constraint_id>/check"
urls = [
    path("campaigns/<slug:slug>/checks", Checks.as_view(), name="api-checks"),
    path("campaigns/<slug:slug>/checks/disagreements", Disagreements.as_view(), name="api-check-disagreements"),
    path("campaigns/<slug:slug>/checks/disagreements/<int:result_id>", RuleOn.as_view(), name="api-check-ruling"),
    path(_ONE, OneCheck.as_view(), name="api-check"),
    path(f"{_ONE}/preview", CheckPreview.as_view(), name="api-check-preview"),
    path(f"{_ONE}/step", CheckStep.as_view(), name="api-check-step"),
    path(f"{_ONE}/results", CheckResults.as_view(), name="api-check-results"),
]
