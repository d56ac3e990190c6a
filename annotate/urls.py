"""Wiring: the people's door, the machines' door, the admin and the health checks."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("frontend.urls")),
    path("api/v1/", include("annotate.api.urls")),
    path("", include("annotate.hosting.urls")),
    path("admin/", admin.site.urls),
]
