"""What machines ask about the platform itself. No login, no secrets."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate import clock
from annotate.hosting import health


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers: restart it when it does not."""
    return JsonResponse({"ok": True})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, migrations, broker and worker are there; 503 with the reasons otherwise."""
    found = health.check(now=clock.now())
    response = JsonResponse(found.as_json(), status=200 if found.is_ready else 503)
    # Not ready is an answer, not an error of ours; Django would log each 503 as one.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
