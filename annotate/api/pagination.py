"""Lists page by key: a page costs the same wherever it lies, and rows that arrive meanwhile shift nothing."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import exceptions, pagination, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class ByKey(pagination.CursorPagination):
    ordering = "id"
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000

    def decode_cursor(self, request: Request) -> Any:
        """Return the cursor. Raises NotFound for one that we did not make: its position is an id, always."""
        cursor = super().decode_cursor(request)
        position = str(cursor.position) if cursor and cursor.position is not None else "0"
        if not (position.isascii() and position.isdigit() and len(position) < 19):
            raise exceptions.NotFound(self.invalid_cursor_message)
        return cursor


def answer(rows: QuerySet[Model], serializer: type[serializers.BaseSerializer[Any]], view: APIView) -> Response:
    """Answer one page of `rows`, oldest first, with the addresses of its neighbours."""
    pages = ByKey()
    page = pages.paginate_queryset(rows, view.request, view=view)
    return pages.get_paginated_response(serializer(page, many=True).data)


def page_of(serializer: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """Describe such an answer for the schema."""
    return inline_serializer(
        name=serializer.__name__.replace("Serializer", "Page"),
        fields={
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": serializer(many=True),
        },
    )
