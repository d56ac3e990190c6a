"""The client against the real platform, in one process."""

import json
from pathlib import Path

import httpx
import pytest
from django.test import Client as Browser

from annotate import clock
from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken, User
from annotate.constraints import actions as constraints
from annotate.constraints.models import Constraint
from annotate.judgments import imports
from tests import factories
from training_bridge.client import Client, Refused
from training_bridge.exports import actions as exports
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest

LINES = [
    {
        "prompt": f"When was album {n} released?",
        "output": f"It was released in 201{n}.",
        "annotations": [
            {"annotator": "a", "tags": [{"type": "Invented fact", "severity": "major", "start": 19, "end": 23}]}
        ],
    }
    for n in range(4)
]


def _through_django(request: httpx.Request) -> httpx.Response:
    """Hand the request to the real views, in this process and transaction."""
    # A WSGI server would give a chunked body to Django as an empty one.
    assert "transfer-encoding" not in request.headers
    answer = Browser().generic(
        request.method,
        request.url.raw_path.decode(),
        request.read(),
        content_type=request.headers.get("Content-Type", "application/octet-stream"),
        headers={"Authorization": request.headers["Authorization"]},
    )
    return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.getvalue())


@pytest.fixture
def admin(db: None) -> User:
    admin = factories.user("ada")
    factories.campaign("helpdesk", by=admin)
    return admin


@pytest.fixture
def client(admin: User) -> Client:
    _, token = accounts.create_token(user=admin, name="t", scopes=ApiToken.Scope.values, now=factories.NOW)
    return Client(url="http://localhost", token=token, transport=httpx.MockTransport(_through_django))


def test_import_judgments_and_dataset_go_through(client: Client, admin: User, tmp_path: Path) -> None:
    source = tmp_path / "outputs.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    batch = client.import_outputs(campaign="helpdesk", path=source)
    imports.run(batch_id=batch["id"], clock=clock.now)
    done = client.wait(lambda: client.read_import(campaign="helpdesk", batch=batch["id"]))
    assert (done["state"], done["new_count"], done["judgment_count"]) == ("done", 4, 4)

    judgments = list(client.judgments(campaign="helpdesk", page_size=3))
    assert [each["violations"][0]["quote"] for each in judgments] == ["2010", "2011", "2012", "2013"]

    campaign = admin.memberships.get().campaign
    constraints.regroup(campaign_id=campaign.pk, now=factories.NOW)
    for constraint in Constraint.objects.all():
        constraints.accept(constraint=constraint, by=admin, now=factories.NOW)
    constraints.approve(campaign=campaign, by=admin, now=factories.NOW)
    version = client.request_dataset(campaign="helpdesk", format="d2o")["version"]
    exports.build(dataset_id=DatasetVersion.objects.get().pk, clock=clock.now)
    folder = client.download_dataset(campaign="helpdesk", version=version, into=tmp_path)
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert {row["rejected"] for row in rows} == {line["output"] for line in LINES}


def test_download_refuses_a_file_that_differs_from_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    manifest.write(tmp_path, {})
    (tmp_path / "train.jsonl").write_text("{ }\n")
    with pytest.raises(manifest.BrokenManifest, match=r"train\.jsonl"):
        manifest.verify(tmp_path)


def test_what_the_platform_refuses_is_raised_with_its_sentence(client: Client) -> None:
    with pytest.raises(Refused, match="constraint set") as refusal:
        client.request_dataset(campaign="helpdesk", format="kto")
    assert refusal.value.status == 404
