"""Files from outside: bombs, archives, pickles, addresses; what stays on disk, and where names may lead."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import imports
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.runs import actions, checkpoint_folder

pytestmark = pytest.mark.django_db
GOOD = b'{"prompt": "a", "output": "good"}\n'


@pytest.fixture
def campaign(client: Client) -> Campaign:
    admin = factories.user("ada")
    client.force_login(admin)
    return factories.campaign("helpdesk", by=admin)


def _send(client: Client, name: str, content: bytes) -> Any:
    return client.post("/c/helpdesk/import/", {"file": SimpleUploadedFile(name, content)})


def _imported() -> ImportBatch:
    return imports.run(batch_id=ImportBatch.objects.get().pk, clock=clock.now)


def test_a_gzip_bomb_is_read_in_little_memory_and_its_line_refused(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotate.intake.lines.MAX_LINE_BYTES", 256 * 1024)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(GOOD)
        for _ in range(100):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + GOOD.replace(b"good", b"also good"))
    assert packed.tell() < 1024 * 1024
    assert _send(client, "bomb.jsonl.gz", packed.getvalue()).status_code == 302
    tracemalloc.start()
    batch = _imported()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 1024 * 1024
    assert (batch.state, batch.new_count, batch.refused_count) == ("done", 2, 1)
    refused = batch.refused_lines.get()
    assert refused.line == 2
    assert "longer than" in refused.reason


@pytest.mark.parametrize("name", ["x.jsonl", "x.zip", "x.csv", "../../x.jsonl"])
def test_an_archive_or_pickle_by_any_name_is_refused_and_not_kept(
    client: Client, campaign: Campaign, settings: Any, name: str, django_capture_on_commit_callbacks: Any
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../../../tmp/slipped", "x")
    for content in (packed.getvalue(), b"\x80\x04\x95\x05\x00\x00\x00", b"PAR1 not really", b""):
        answer = _send(client, name, content)
        if content.startswith(b"PAR1"):
            with django_capture_on_commit_callbacks(execute=True):
                assert _imported().state == "failed"
        else:
            assert answer.status_code == 422
        ImportBatch.objects.all().delete()
        assert not list(settings.UPLOADS.iterdir()) if settings.UPLOADS.exists() else True


@pytest.mark.parametrize("content", [GOOD, GOOD * 3 + b"{", gzip.compress(GOOD, mtime=0)[:-4]])
def test_an_upload_is_deleted_when_its_import_has_ended(
    client: Client, campaign: Campaign, settings: Any, content: bytes, django_capture_on_commit_callbacks: Any
) -> None:
    _send(client, "outputs.jsonl", content)
    [kept] = settings.UPLOADS.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    with django_capture_on_commit_callbacks(execute=True):
        assert _imported().state == "done"
    assert not list(settings.UPLOADS.iterdir())


def test_an_upload_stays_while_its_import_can_be_resumed(
    client: Client, campaign: Campaign, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _send(client, "outputs.jsonl", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr("annotate.judgments.imports._store", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            _imported()
    assert list(settings.UPLOADS.iterdir())
    assert _imported().new_count == 1


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/b/../../c.jsonl"])
def test_an_uploads_name_leads_nowhere(client: Client, campaign: Campaign, settings: Any, name: str) -> None:
    _send(client, name, GOOD)
    for batch in ImportBatch.objects.all():
        assert Path(batch.path).parent == settings.UPLOADS
        assert "/" not in batch.name
        assert len(Path(batch.path).name) == 32


def test_lines_that_are_wrong_are_refused_with_their_place_and_lose_nothing_good(
    client: Client, campaign: Campaign
) -> None:
    wrong = [
        b"\xff\xfe{",
        b"{",
        b"[]",
        b"3",
        b'{"prompt": "a"}',
        b'{"prompt": "a", "output": ""}',
        b'{"prompt": 3, "output": 4}',
        b'{"prompt": "a", "output": "\\u0000"}',
        b'{"prompt": "a", "output": "\\ud800"}',
        b'{"prompt": "a", "output": "b", "meta": {"x": "\\udfff"}}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ]
    body = b"\n".join([GOOD.strip(), *wrong, GOOD.strip().replace(b"good", b"fine")]) + b"\n"
    _send(client, "outputs.jsonl", body)
    batch = _imported()
    assert batch.state == "done"
    assert sorted(Output.objects.values_list("text", flat=True)) == ["fine", "good"]
    assert list(batch.refused_lines.order_by("line").values_list("line", flat=True)) == list(range(2, len(wrong) + 2))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest",
        "https://evil.example/m",
        "file:///etc",
        "ftp://x/y",
        "s3://b/k",
        "//evil/x",
        "gopher://x",
        "http:/x",
        "\\\\evil\\share",
        "../../etc",
        "a/../../b",
        "owner/model@http://x",
        "x" * 2000,
    ],
)
def test_a_checkpoint_is_no_address_to_fetch(location: str) -> None:
    with pytest.raises(actions.CannotRegister):
        actions.register_checkpoint(name="x", location=location, by=factories.superuser(), now=factories.NOW)


def test_a_folder_on_the_server_is_for_its_administrators(client: Client, campaign: Campaign, tmp_path: Path) -> None:
    weights = rows.weights_folder(tmp_path / "w")
    for place in (str(weights), "/etc", "/proc/self"):
        answer = client.post("/c/helpdesk/checkpoints/new/", {"name": "x", "location": place})
        assert answer.status_code == 422
        assert "administrators" in answer.text


def test_pickled_weights_beside_safetensors_are_refused(tmp_path: Path) -> None:
    folder = rows.weights_folder(tmp_path / "w")
    assert checkpoint_folder.check(folder=folder, kind="full").tensor_count
    (folder / "model.safetensors").write_bytes(b"\x80\x04\x95" + b"x" * 100)
    with pytest.raises(checkpoint_folder.BadFolder):
        checkpoint_folder.check(folder=folder, kind="full")


@pytest.mark.parametrize("name", ["..", "../../settings.py", "%2e%2e/%2e%2e/manage.py", "/etc/passwd", "..%2f..%2fx"])
def test_static_files_lead_nowhere_else(client: Client, name: str) -> None:
    assert client.get(f"/static/{name}").status_code in (301, 302, 400, 404)
