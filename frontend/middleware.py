"""What stands before every page: text that cannot be stored is refused, and a rule that said no becomes an answer.

The answer is one that a person, an htmx request or a page's own script can use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from annotate.errors import NotAllowed, NotFound, RuleError
from frontend import doors

TITLES = {
    403: "This is not yours to open",
    404: "There is nothing here",
    422: "That did not work",
}
NUL = "\x00"
UNSTORABLE = "What was sent holds a NUL character, which cannot be stored. Remove it and send it again."
MISSING = NotFound("The page does not exist, or you are not a member of its campaign. Check the address.")
REFUSED = NotAllowed("Your role does not include this. Ask an admin of the campaign if you need it.")


class StorableText:
    """Lets only text through that the database can hold, so that no page has to look for a NUL character itself.

    Cookies with one are dropped; a form or an address with one is a 422. What arrives is read as UTF-8, whatever
    charset its header names. Stands before the session, which looks its cookie up. Views that are exempt from the CSRF
    check read their bodies themselves, as a stream, and check what they find.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.encoding is not None:
            request.encoding = "utf-8"
        for name in [name for name, value in request.COOKIES.items() if NUL in value]:
            del request.COOKIES[name]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: object) -> HttpResponse | None:
        if getattr(view, "csrf_exempt", False):
            return None
        for sent in (request.GET, request.POST):
            for name, values in sent.lists():
                if NUL in name or any(NUL in value for value in values):
                    return answer(request, RuleError(UNSTORABLE, field=name.replace(NUL, "")))
        return None


class ContentPolicy:
    """Every answer says what a browser may load, run and frame: ours alone, nothing inline."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Content-Security-Policy"] = settings.CONTENT_SECURITY_POLICY
        return response


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
