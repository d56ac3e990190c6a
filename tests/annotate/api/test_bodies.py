"""Bodies and addresses nobody meant to send: refused with their reason, nothing stored, nothing left behind."""

import base64
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotate.intake.models import ImportBatch
from tests import factories
from tests.annotate.api.conftest import Connect
from training_bridge.exports.models import DatasetVersion

SCOPES = ("outputs:write", "judgments:read", "datasets:read", "datasets:write", "runs:read", "runs:write")


@pytest.fixture
def caller(connect: Connect) -> Client:
    admin = factories.superuser("ada")
    factories.campaign("helpdesk", by=admin)
    return connect(admin, *SCOPES)


def _address(name: str, **more: Any) -> str:
    return reverse(name, kwargs={"slug": "helpdesk", **more})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"format": "kto\x00"}',
        rb'{"format": "kto", "options": {"a": "\u0000"}}',
        rb'{"format": "kto", "options": {"\ud800": 1}}',
        rb'{"format": "\udfff"}',
        b'{"format": "kto", "options": {"seed": Infinity}}',
        b'{"format": "kto", "constraint_set": NaN}',
        b'{"format": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[]",
        b'"kto"',
        b"null",
        b'{"format": ["kto"], "options": []}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_of_another_shape_is_400(caller: Client, body: bytes) -> None:
    answer = caller.post(_address("api-datasets"), body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()
    assert not DatasetVersion.objects.exists()


@pytest.mark.parametrize("charset", ["hex", "utf-7", "nonsense", "utf-16"])
def test_json_is_utf_8_whatever_the_header_says(caller: Client, charset: str) -> None:
    body = json.dumps({"format": "parquet"})
    answer = caller.generic("POST", _address("api-datasets"), body, content_type=f"application/json; charset={charset}")
    assert (answer.status_code, list(answer.json())) == (400, ["format"])


def test_a_body_over_the_limit_is_413_before_it_is_parsed(caller: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"format": "kto", "options": {"padding": "x" * 1000}})
    assert caller.post(_address("api-datasets"), body, content_type="application/json").status_code == 413


@pytest.mark.parametrize("position", ["abc", "1 or 1=1", "\x00", "-1", "9" * 40, "1.5"])
def test_a_cursor_that_is_not_ours_is_404(caller: Client, position: str) -> None:
    cursor = base64.b64encode(f"p={position}".encode()).decode()
    assert caller.get(_address("api-judgments"), {"cursor": cursor}).status_code == 404


@pytest.mark.parametrize("name", ["a\x00b", "x" * 300])
@pytest.mark.parametrize("where", ["name", "namespace"])
def test_an_import_with_an_impossible_name_keeps_no_file(caller: Client, settings: Any, where: str, name: str) -> None:
    address = f"{_address('api-imports')}?{where}={name.replace(chr(0), '%00')}"
    answer = caller.generic("POST", address, b'{"prompt": "a", "output": "b"}', content_type="application/x-ndjson")
    assert (answer.status_code, list(answer.json())) == (400, [where])
    assert not ImportBatch.objects.exists()
    assert not settings.UPLOADS.exists()


def test_an_import_whose_sender_goes_away_keeps_no_file(
    caller: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:

    class Broken:
        def __init__(self, *_: object) -> None:
            self.parts = [b'{"prompt": "a", "output": "b"}\n']

        def read(self, *_: object) -> bytes:
            if not self.parts:
                raise OSError("the connection was reset")
            return self.parts.pop()

    monkeypatch.setattr("rest_framework.request.Request.stream", property(Broken))
    caller.raise_request_exception = False
    caller.generic("POST", _address("api-imports"), b"{}", content_type="application/x-ndjson")
    assert not ImportBatch.objects.exists()
    assert not list(settings.UPLOADS.iterdir())


def test_an_import_without_a_body_is_400(caller: Client) -> None:
    answer = caller.generic("POST", _address("api-imports"), b"", content_type="application/x-ndjson")
    assert answer.status_code == 400
    assert "Content-Length" in answer.json()["detail"]
    assert not ImportBatch.objects.exists()


def test_an_uploaded_body_is_for_the_server_only(caller: Client, settings: Any) -> None:
    body = b'{"prompt": "a", "output": "b"}\n'
    answer = caller.generic("POST", _address("api-imports"), body, content_type="application/x-ndjson")
    assert answer.status_code == 202
    [kept] = settings.UPLOADS.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["", "nothing", "campaigns/helpdesk/runs/null", "campaigns/helpdesk/datasets/-1"])
def test_an_unknown_address_answers_in_json(caller: Client, path: str) -> None:
    for answer in (caller.get(f"/api/v1/{path}"), caller.post(f"/api/v1/{path}")):
        assert answer.status_code == 404
        assert answer.json()["detail"]
