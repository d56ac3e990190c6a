"""The client against the real platform, in one process."""

import functools
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client as Browser

from annotate import clock
from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken, User
from annotate.api.actions import give_annotator_token
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.checks.models import Check
from annotate.constraints.models import Constraint
from annotate.judgments import imports
from annotate.judgments.models import Judgment
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.training_bridge.runs import rows
from training_bridge.client import Client, Refused
from training_bridge.client import __main__ as command
from training_bridge.exports import actions as exports
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest

HEADERS = ("Authorization", "Idempotency-Key")
API_DOC = Path(__file__).parents[3] / "docs" / "api.md"
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
        headers={name: request.headers[name] for name in HEADERS if name in request.headers},
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
    assert [each["slug"] for each in client.campaigns()] == ["helpdesk"]
    batch = client.import_outputs(campaign="helpdesk", path=source, purpose="annotate")
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


@pytest.fixture
def helpdesk(admin: User) -> Campaign:
    campaign = admin.memberships.get().campaign
    for year in (2018, 2031, 2019):
        factories.output(campaign, f"It came out in {year}.")
    return campaign


def test_next_judge_and_skip_go_through(client: Client, helpdesk: Campaign) -> None:
    lease = client.next(campaign="helpdesk")
    assert lease is not None
    answer = client.judge(lease=lease["lease"], verdict="nothing_wrong", and_next=True)
    assert answer["next"]["output"] == "It came out in 2031."
    client.skip(lease=answer["next"]["lease"], reason="Not readable")
    last = client.next(campaign="helpdesk")
    assert last is not None
    assert client.judge(lease=last["lease"], verdict="cannot_tell", comment="Who knows")["next"] is None
    assert client.next(campaign="helpdesk") is None
    assert [each["verdict"] for each in client.judgments(campaign="helpdesk")] == ["nothing_wrong", "cannot_tell"]


def test_judge_sends_again_when_the_answer_is_lost_and_stores_once(
    client: Client, admin: User, helpdesk: Campaign
) -> None:
    lease = client.next(campaign="helpdesk")
    assert lease is not None
    lost = iter([True, True, False])

    def lossy(request: httpx.Request) -> httpx.Response:
        answer = _through_django(request)
        if next(lost):
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return answer

    _, token = accounts.create_token(user=admin, name="t", scopes=["judgments:write"], now=factories.NOW)
    unlucky = Client(url="http://localhost", token=token, transport=httpx.MockTransport(lossy))
    assert unlucky.judge(lease=lease["lease"], verdict="nothing_wrong")["revision"] == 1
    assert Judgment.objects.get().verdict == "nothing_wrong"


def test_the_example_of_the_docs_judges_until_nothing_is_left(
    helpdesk: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = give_annotator_token(campaign=helpdesk, username="checker", kind="script", by=admin, now=factories.NOW)
    monkeypatch.setenv("NEGATIVA_TOKEN", token)
    here = functools.partial(Client, transport=httpx.MockTransport(_through_django))
    monkeypatch.setattr("training_bridge.client.Client", here)
    [example] = [
        each for each in re.findall(r"```python\n(.*?)```", API_DOC.read_text(), re.S) if "client.judge" in each
    ]
    exec(compile(example, str(API_DOC), "exec"), {})  # the reader runs it, too
    judged = Judgment.objects.order_by("id")
    assert [each.verdict for each in judged] == ["nothing_wrong", "rejected", "nothing_wrong"]
    assert judged[1].violations.get().quote == "2031"
    assert {each.annotator.kind for each in judged} == {"script"}


def test_checks_are_saved_tried_and_ruled_on(client: Client) -> None:
    campaign = checks.world("checked", hits=3, alarms=1)
    campaign_actions.add_member(
        campaign=campaign, user=User.objects.get(username="ada"), role="reviewer", now=clock.now()
    )
    constraint = checks.constraint(campaign).pk
    here: dict[str, Any] = {"campaign": "checked", "constraint": constraint}
    assert client.preview_check(**here, check=[{"check": "number_in_source"}])["alarm"] == 1
    assert client.save_check(**here, check=checks.TEXT)["version"] == 1
    assert client.step_check(**here, to="shadow")["state"] == "shadow"
    checks.run(Check.objects.get())
    assert [each["figures"]["hit"] for each in client.checks(campaign="checked")] == [3]
    assert client.read_check(**here)["declared"] == [{"check": "number_in_source"}]
    assert len(list(client.check_results(**here, version=1, page_size=2))) == 6
    [disagreement] = client.disagreements(campaign="checked")
    assert client.rule(campaign="checked", result=disagreement["id"], side="people")["violated"] is False
    with pytest.raises(Refused, match="mosst"):
        client.save_check(**here, check="check: length\nmosst: 9\n")


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


def test_a_run_on_checks_goes_through(client: Client, admin: User, tmp_path: Path) -> None:
    factories.output(Campaign.objects.get())
    rows.checkpoint(tmp_path, "small")
    checks = [{"check": "length", "most": 9}]
    run = client.start_run(campaign="helpdesk", method="nsr", base="small", checks=checks)
    assert (run["dataset"], run["checks"]) == (None, checks)
    with pytest.raises(Refused, match="NSR needs checks"):
        client.start_run(campaign="helpdesk", method="nsr", base="small")


@pytest.mark.parametrize("text", [None, "{", "{}", "[1]"])
def test_the_command_refuses_a_file_that_is_no_list_of_checks(
    tmp_path: Path, text: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEGATIVA_TOKEN", "given")
    file = tmp_path / "checks.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit):
        command.main(["run", "helpdesk", "nsr", "--base", "small", "--checks", str(file)])
    assert "checks.json" in capsys.readouterr().err
