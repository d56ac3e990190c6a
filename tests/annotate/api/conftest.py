"""A client with a token of the given scopes, as a script would call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.test import Client

if TYPE_CHECKING:
    from annotate.accounts.models import User

Connect = Callable[..., Client]


@pytest.fixture
def connect(db: None) -> Connect:
    from annotate.accounts import actions as accounts
    from tests import factories

    def build(user: User, *scopes: str) -> Client:
        _, token = accounts.create_token(user=user, name="test", scopes=scopes, now=factories.NOW)
        return Client(headers={"Authorization": f"Bearer {token}"})

    return build
