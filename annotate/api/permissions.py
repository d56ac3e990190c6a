"""What a token may do. Each view names the scope that each of its methods needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import exceptions, permissions
from rest_framework.request import Request

from annotate.accounts import models as accounts

if TYPE_CHECKING:  # rest_framework.views loads this module
    from rest_framework.views import APIView


class HasScope(permissions.BasePermission):
    """Lets a token through that carries the view's scope for this method; a view without one is closed to all.

    `view.scopes` maps a method to a scope, or to None where any valid token will do.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        scopes: dict[str, str | None] = getattr(view, "scopes", {})
        if not isinstance(token, accounts.ApiToken):
            return False
        if request.method not in scopes:
            raise exceptions.MethodNotAllowed(str(request.method))
        wanted = scopes[request.method]
        if wanted is not None and wanted not in token.scopes:
            raise exceptions.PermissionDenied(
                f"This token lacks the scope {wanted!r}; it has {', '.join(token.scopes)}."
            )
        return True
