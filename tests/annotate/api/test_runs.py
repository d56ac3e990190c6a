"""Starting, reading and cancelling a run through the API."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from tests import factories
from tests.annotate.api.conftest import Connect
from tests.training_bridge.runs import rows
from training_bridge.runs.models import Run

SCOPES = ("runs:read", "runs:write")


@pytest.fixture
def admin(db: None) -> User:
    return factories.superuser("ada")


@pytest.fixture
def campaign(admin: User, tmp_path: Path) -> Campaign:
    campaign = factories.campaign("helpdesk", by=admin)
    factories.output(campaign)
    rows.checkpoint(tmp_path, "base")
    rows.dataset(campaign, admin, format="d2o")
    return campaign


def _start(client: Client, **wanted: Any) -> Any:
    body = {"method": "d2o", "base": "base", "dataset": 1, **wanted}
    address = reverse("api-runs", kwargs={"slug": "helpdesk"})
    return client.post(address, json.dumps(body), content_type="application/json")


def test_start_then_cancel(connect: Connect, admin: User, campaign: Campaign) -> None:
    client = connect(admin, *SCOPES)
    answer = _start(client, hyperparameters={"max_steps": 5})
    assert (answer.status_code, answer.json()["state"], answer.json()["base"]) == (202, "requested", "base")
    run = answer.json()["id"]
    cancel = reverse("api-run-cancel", kwargs={"slug": "helpdesk", "run_id": run})
    assert [client.post(cancel).json()["state"] for _ in range(2)] == ["cancelled", "cancelled"]
    assert client.get(reverse("api-run", kwargs={"slug": "helpdesk", "run_id": run})).json()["state"] == "cancelled"


def test_start_without_a_dataset_by_checks(connect: Connect, admin: User, campaign: Campaign) -> None:
    checks = [{"check": "length", "most": 9}]
    answer = _start(connect(admin, *SCOPES), method="nsr", dataset=None, checks=checks)
    assert (answer.status_code, answer.json()["dataset"], answer.json()["checks"]) == (202, None, checks)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"base": "no such"}, 404),
        ({"dataset": 7}, 404),
        ({"method": "kto"}, 422),
        ({"hyperparameters": {"learning_rat": 1}}, 422),
        ({"hyperparameters": {"max_steps": "ten"}}, 422),
        ({"method": "magic"}, 400),
        ({"dataset": None}, 422),
        ({"method": "nsr"}, 422),
        ({"method": "nsr", "dataset": None}, 422),
        ({"method": "nsr", "dataset": None, "checks": [{"check": "no such"}]}, 422),
        ({"method": "nsr", "dataset": None, "checks": ["length"]}, 400),
        ({"checks": [{"check": "length", "most": 9}]}, 422),
    ],
)
def test_what_cannot_be_run_is_refused_and_stores_nothing(
    connect: Connect, admin: User, campaign: Campaign, wanted: dict[str, Any], status: int
) -> None:
    answer = _start(connect(admin, *SCOPES), **wanted)
    assert answer.status_code == status
    assert not Run.objects.exists()


def test_another_campaigns_run_is_404(connect: Connect, admin: User, campaign: Campaign) -> None:
    client = connect(admin, *SCOPES)
    run = _start(client).json()["id"]
    factories.campaign("other", by=admin)
    assert client.get(reverse("api-run", kwargs={"slug": "other", "run_id": run})).status_code == 404


def test_checkpoints_are_listed(connect: Connect, admin: User, campaign: Campaign) -> None:
    answer = connect(admin, *SCOPES).get(reverse("api-checkpoints", kwargs={"slug": "helpdesk"}))
    assert [each["name"] for each in answer.json()["results"]] == ["base"]
