"""Pages of a long list, found by key: page 1000 costs what page 1 costs, and nothing is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`items` newest first. The addresses keep the request's other parameters and are empty at the ends."""

    items: Sequence[Row]
    next_url: str
    previous_url: str


def by_id(queryset: QuerySet[Row, Any], request: HttpRequest, size: int = 50) -> Page[Row]:
    """Cut one page out of `queryset`, ordered by id descending.

    `?before=ID` is the page of smaller ids, `?after=ID` the page of greater ones; anything else in them is ignored.
    """
    before, after = _number(request, "before"), _number(request, "after")
    if after is not None:
        found = list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1])
        items, has_newer, has_older = found[:size][::-1], len(found) > size, True
    else:
        rows = queryset if before is None else queryset.filter(pk__lt=before)
        found = list(rows.order_by("-pk")[: size + 1])
        items, has_newer, has_older = found[:size], before is not None, len(found) > size
    if not items:
        return Page(items=[], next_url="", previous_url="")
    return Page(
        items=items,
        next_url=_address(request, "before", items[-1].pk) if has_older else "",
        previous_url=_address(request, "after", items[0].pk) if has_newer else "",
    )


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _address(request: HttpRequest, name: str, value: int) -> str:
    query = request.GET.copy()
    for each in ("before", "after"):
        query.pop(each, None)
    query[name] = str(value)
    return f"{request.path}?{query.urlencode()}"
