"""Turns a rule that said no into the answer a person, an htmx request or a page's own script can use."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from annotate.errors import NotAllowed, NotFound, RuleError
from frontend import doors

TITLES = {
    403: "This is not yours to open",
    404: "There is nothing here",
    422: "That did not work",
}
MISSING = NotFound("The page does not exist, or you are not a member of its campaign. Check the address.")
REFUSED = NotAllowed("Your role does not include this. Ask an admin of the campaign if you need it.")


class RuleErrors:
    """RuleError is 422, NotAllowed 403, NotFound 404: a page, a notice for htmx, or JSON where it was asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = _as_rule_error(exception)
        return None if error is None else answer(request, error)


def answer(request: HttpRequest, error: RuleError) -> HttpResponse:
    status = _status(error)
    if doors.wants_json(request):
        return JsonResponse({"message": error.message, "field": error.field}, status=status)
    context = {"title": TITLES[status], "message": error.message, "status": status}
    if not getattr(request, "htmx", False):
        return doors.render(request, "error.html", context, status=status)
    # The notice goes to the notices of the page, so that what was typed in the form stays where it is.
    response = doors.render(request, "error.html#notice", context, status=status)
    response["HX-Retarget"], response["HX-Reswap"] = "#notices", "innerHTML"
    return response


def _as_rule_error(exception: Exception) -> RuleError | None:
    if isinstance(exception, RuleError):
        return exception
    if isinstance(exception, Http404):
        return MISSING
    if isinstance(exception, PermissionDenied):
        return REFUSED
    return None


def _status(error: RuleError) -> int:
    if isinstance(error, NotFound):
        return 404
    return 403 if isinstance(error, NotAllowed) else 422
