"""Who is calling: `Authorization: Bearer <token>`, and nothing else. Sessions do not open this door."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from annotate import clock
from annotate.accounts import actions as account_actions
from annotate.accounts import models as accounts
from annotate.accounts import queries as account_queries

KEYWORD = "Bearer"


class TokenAuthentication(authentication.BaseAuthentication):
    """Turns a bearer token into (its user, the token). 401 for a token that is unknown, revoked or malformed."""

    def authenticate(self, request: Request) -> tuple[accounts.User, accounts.ApiToken] | None:
        keyword, _, plaintext = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        token = account_queries.token_of(plaintext=plaintext.strip())
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This token is unknown or was revoked. Make a new one on your account page."
            )
        account_actions.note_token_use(token=token, now=clock.now())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token made on the account page."}
