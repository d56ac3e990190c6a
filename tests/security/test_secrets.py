"""Secrets stay where they are: not in answers, the schema, error pages, or the log."""

from __future__ import annotations

import logging

import pytest
from django.conf import settings
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db


def _secrets() -> list[str]:
    password = str(settings.DATABASES["default"].get("PASSWORD") or "")
    return [settings.SECRET_KEY, settings.DATABASE_CONNINFO, *([password] if password else [])]


def test_no_answer_without_a_login_names_a_secret(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotate.hosting.health.check", lambda **_: (_ for _ in ()).throw(RuntimeError("x")))
    client.raise_request_exception = False
    answers = [client.get(path).text for path in ("/readyz", "/healthz", "/api/v1/schema", "/sign-in/", "/nowhere")]
    monkeypatch.undo()
    answers.append(client.get("/readyz").text)
    for answer in answers:
        assert not any(secret in answer for secret in _secrets())
        assert "postgres" not in answer.lower()
        assert str(settings.HOME) not in answer


def test_no_password_or_token_reaches_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    factories.user("ada", password=factories.PASSWORD)
    caplog.set_level(logging.DEBUG)
    client.post("/sign-in/", {"username": "ada", "password": "a wrong password 1"})
    client.post("/sign-in/", {"username": "ada", "password": factories.PASSWORD})
    client.get("/api/v1/campaigns", headers={"Authorization": "Bearer ngt_made-up-token"})
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    for secret in ("a wrong password 1", factories.PASSWORD, "ngt_made-up-token", *_secrets()):
        assert secret not in logged
