"""The machines' door: each resource lists its own addresses; the schema describes them all."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from annotate.api import campaigns, datasets, imports, judgments, runs

RESOURCES = (campaigns, imports, judgments, datasets, runs)

urlpatterns = [
    path("schema", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="api-schema"),
    *(address for resource in RESOURCES for address in resource.urls),
]
