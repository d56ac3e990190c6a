from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from annotate.asking import client, configured
from tests.annotate.asking import server

MESSAGES = [{"role": "user", "content": "Is it?"}]


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[server.Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with server.running() as made:
        yield made


def ask(model: configured.Model, *, seconds: float | None = None) -> client.Reply:
    with client.opened(model) as http:
        return client.ask(http=http, model=model, messages=MESSAGES, seconds=seconds)


def failure(model: configured.Model, *, seconds: float | None = None) -> client.ModelFailed:
    with pytest.raises(client.ModelFailed) as failed:
        ask(model, seconds=seconds)
    assert str(failed.value).startswith(("The model “local”", "What the model “local”"))
    return failed.value


def test_ask_sends_what_is_configured_and_reads_the_answer(local: server.Server) -> None:
    local.script = lambda asked: server.completion("Yes.", prompt_tokens=11, answer_tokens=2)
    model = local.model(key=SecretStr("sk-abc"), max_tokens=None, extra={"top_k": 1})
    assert ask(model) == client.Reply(text="Yes.", prompt_tokens=11, answer_tokens=2)
    [asked] = local.asked
    assert asked == {
        "path": "/v1/chat/completions",
        "model": "small",
        "messages": MESSAGES,
        "temperature": 0,
        "top_k": 1,
    }
    assert local.headers[0]["Authorization"] == "Bearer sk-abc"
    ask(local.model())
    assert "Authorization" not in local.headers[1]


@pytest.mark.parametrize(
    ("said", "says", "is_of_this"),
    [
        (server.Said(body=b"<html>garbage</html>"), "is no chat completion", False),
        (server.Said(body=b"[" * 100_000), "is no chat completion", False),
        (server.Said(body=b'{"choices": []}'), "is no chat completion", False),
        (server.Said(status=302, headers={"Location": "http://127.0.0.1:1/"}), "points to another address", False),
        (server.Said(status=307, headers={"Location": "/elsewhere"}), "points to another address", False),
        (server.Said(body=b"x" * (client.LARGEST + 1)), "more than 1,000,000 bytes", True),
        (server.Said(body=b"x", headers={"Content-Encoding": "gzip"}), "a packed answer", False),
        (server.refused(401, "Incorrect key"), "answered 401: Incorrect key.", False),
        (server.refused(400, "maximum context length"), "answered 400: maximum context length.", True),
        (server.refused(500, "x" * 9_000), "answered 500: xxx", False),
        (server.Said(status=503, body=b"nothing that is JSON"), "answered 503.", False),
        (server.Said(status=204), "answered 204.", False),
    ],
)
def test_ask_names_what_went_wrong(local: server.Server, said: server.Said, says: str, is_of_this: bool) -> None:
    local.script = lambda asked: said
    failed = failure(local.model())
    assert says in str(failed)
    assert len(str(failed)) < 400
    assert failed.is_of_this is is_of_this
    assert len(local.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "99999999999999"}, client.LONGEST_PAUSE),
        ({"Retry-After": "soon"}, None),
        ({}, None),
        ({"Retry-After": "-1"}, None),
    ],
)
def test_busy_server_says_when_to_come_again(local: server.Server, headers: dict[str, str], seconds: float) -> None:
    local.script = lambda asked: server.refused(429, "slow down", **headers)
    assert failure(local.model()).retry_after == seconds


def test_date_to_come_again_is_compared_with_the_servers_own() -> None:
    headers = {"Date": "Fri, 31 Dec 1999 23:59:00 GMT", "Retry-After": "Sat, 01 Jan 2000 00:00:30 GMT"}
    assert client._retry_after(headers) == 90
    assert client._retry_after({"Retry-After": headers["Retry-After"]}) is None


def test_slow_answer_is_not_waited_for(local: server.Server) -> None:
    local.script = lambda asked: server.Said(is_stuck=True)
    for failed in (failure(local.model(timeout=0.2)), failure(local.model(), seconds=0.2)):
        assert "did not answer in time" in str(failed)
        assert failed.is_of_this


def test_server_that_is_not_there_is_named() -> None:
    with server.running() as gone:
        model = gone.model()
    failed = failure(model)
    assert "cannot be reached (ConnectError)" in str(failed)
    assert not failed.is_of_this


def test_key_is_in_no_error_and_no_log(local: server.Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    local.script = lambda asked: server.refused(401, "Incorrect API key provided: sk-abc")
    failed = failure(local.model(key=SecretStr("sk-abc")))
    assert str(failed) == "The model “local” answered 401: Incorrect API key provided: …."
    assert "sk-abc" not in caplog.text
