"""Importing through the API: streamed to disk, stored by the task, told by the answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from annotate.intake.models import ImportBatch, Output
from tests import factories
from tests.annotate.api.conftest import Connect
from worker.tasks import intake as intake_tasks

LINES = [{"prompt": f"Question {n}?", "output": f"Answer {n}.", "model": "m"} for n in range(3)]


def _body(lines: list[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the nudged task here, after the request's answer is made, as a free worker would."""
    monkeypatch.setattr(intake_tasks.run_import, "nudge", lambda batch_id: intake_tasks.run_import(batch_id))


def test_import_stores_every_line_once(connect: Connect, at_once: None) -> None:
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    client = connect(admin, "outputs:write")
    address = reverse("api-imports", kwargs={"slug": "helpdesk"})
    for _ in range(2):
        answer = client.generic("POST", address, _body(LINES), content_type="application/x-ndjson")
        assert answer.status_code == 202
        assert client.get(answer.headers["Location"]).json()["state"] == "done"
    assert Output.objects.count() == 3
    assert list(ImportBatch.objects.order_by("id").values_list("new_count", "known_count")) == [(3, 0), (0, 3)]


def test_import_says_which_lines_it_refused(connect: Connect, at_once: None) -> None:
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    client = connect(admin, "outputs:write")
    body = _body(LINES[:1]) + b'{"prompt": "x", "output": ""}\nnot json\n' + _body(LINES[1:])
    answer = client.generic(
        "POST", reverse("api-imports", kwargs={"slug": "helpdesk"}), body, content_type="application/x-ndjson"
    )
    said = client.get(answer.headers["Location"]).json()
    assert (said["new_count"], said["refused_count"]) == (3, 2)
    assert [each["line"] for each in said["refused"]] == [2, 3]


def test_import_refuses_a_body_over_the_limit(connect: Connect, settings: Any, tmp_path: Path) -> None:
    settings.UPLOAD_MAX_BYTES, settings.UPLOADS = 10, tmp_path
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    answer = connect(admin, "outputs:write").generic(
        "POST", reverse("api-imports", kwargs={"slug": "helpdesk"}), _body(LINES), content_type="application/x-ndjson"
    )
    assert answer.status_code == 413
    assert not ImportBatch.objects.exists()
    assert not list(tmp_path.iterdir())


def test_import_refuses_another_content_type(connect: Connect) -> None:
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    answer = connect(admin, "outputs:write").post(
        reverse("api-imports", kwargs={"slug": "helpdesk"}), {"outputs": []}, content_type="application/json"
    )
    assert answer.status_code == 415


def test_import_of_gold_and_twins(connect: Connect, at_once: None) -> None:
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    client = connect(admin, "outputs:write")
    address = reverse("api-imports", kwargs={"slug": "helpdesk"})
    answered = {**LINES[0], "annotations": [{"annotator": "key", "ok": True}], "prompt_masked": "Ask me."}
    body = _body([answered, LINES[1]])
    answer = client.generic("POST", f"{address}?purpose=gold", body, content_type="application/x-ndjson")
    said = client.get(answer.headers["Location"]).json()
    assert (said["purpose"], said["new_count"], said["judgment_count"]) == ("gold", 1, 1)
    [refused] = said["refused"]
    assert (refused["line"], "needs its known answer" in refused["reason"]) == (2, True)
    assert Output.objects.get().prompt.twins == {"masked": {"text": "Ask me.", "messages": []}}
    answer = client.generic("POST", f"{address}?purpose=x", body, content_type="application/x-ndjson")
    assert answer.status_code == 400
