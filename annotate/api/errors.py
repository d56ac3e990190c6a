"""A rule that said no becomes an answer with its message; everything else is DRF's or a crash."""

from __future__ import annotations

from typing import Any

from rest_framework import status, views
from rest_framework.response import Response

from annotate import errors


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer `{"detail": message, "field": name}`: 404 NotFound, 403 NotAllowed, 422 any other RuleError."""
    if not isinstance(error, errors.RuleError):
        return views.exception_handler(error, context)
    code: int = status.HTTP_422_UNPROCESSABLE_ENTITY
    if isinstance(error, errors.NotFound):
        code = status.HTTP_404_NOT_FOUND
    elif isinstance(error, errors.NotAllowed):
        code = status.HTTP_403_FORBIDDEN
    return Response({"detail": error.message, "field": error.field}, status=code)
