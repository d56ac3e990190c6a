"""The machines' door: each resource lists its own addresses; the schema describes them all."""

from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView

from annotate.api import campaigns, checks, constitution, datasets, imports, judgments, revisions, runs, verify, work

RESOURCES = (campaigns, imports, work, verify, judgments, revisions, constitution, checks, datasets, runs)


@csrf_exempt
def nothing(request: HttpRequest) -> JsonResponse:
    """Any other address below this door: a program is told in JSON, as everywhere else here."""
    return JsonResponse({"detail": "There is no such address. /api/v1/schema describes those there are."}, status=404)


urlpatterns = [
    path("schema", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="api-schema"),
    *(address for resource in RESOURCES for address in resource.urls),
    re_path("^.*$", nothing),
]
