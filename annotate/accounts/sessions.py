"""Sessions that know whose they are, so that one statement finds the session, its person and what they may open.

settings.SESSION_ENGINE names this module.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

from annotate.accounts.models import Session


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = super().create_model_instance(data)
        assert isinstance(session, Session)
        session.user_id = data.get(SESSION_KEY)
        return session

    def adopt(self, data: dict[str, Any]) -> None:
        """Hold what was read of this session elsewhere, decoded by `decode`; it is not read again."""
        self._session_cache = data
        self.accessed = True
