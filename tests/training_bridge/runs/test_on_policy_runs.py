"""Runs without a dataset: NSR and W-REINFORCE answer the campaign's prompts, and checks say what is right."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from tests.training_bridge.runs import rows
from tests.training_bridge.runs.rows import NOW
from training_bridge.formats import spec
from training_bridge.runs import actions, folder, models
from training_bridge.runs.launchers import process

pytestmark = pytest.mark.django_db

SHORT = [{"check": "length", "most": 9, "name": "short"}]


@pytest.fixture
def ada() -> User:
    return rows.admin()


@pytest.fixture
def sums(ada: User) -> Campaign:
    return rows.campaign(ada)


@pytest.fixture
def base(tmp_path: Path, runs_folder: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


def request(campaign: Campaign, base: models.Checkpoint, **more: Any) -> models.Run:
    values: dict[str, Any] = {
        "campaign": campaign,
        "method": "nsr",
        "base": base,
        "dataset": None,
        "hyperparameters": {},
        "sampling": {"count": 0},
        "checks": SHORT,
        "by": None,
        "now": NOW,
    }
    return actions.request(**{**values, **more})


@pytest.mark.parametrize("method", spec.ON_POLICY)
def test_fill_writes_prompts_and_checks(sums: Campaign, base: models.Checkpoint, method: str) -> None:
    rows.batch(sums, ["a", "b", "c"])
    rows.batch(sums, [*"abcde"], purpose="evaluate")
    run = request(sums, base, method=method)
    place = folder.fill(run)
    lines = [json.loads(line) for line in place.train_rows.read_text().splitlines()]
    assert sorted(line["prompt"] for line in lines) == ["question 0", "question 1", "question 2"]
    assert all(line.keys() == {"id", "prompt"} for line in lines)
    asked = place.read_spec()
    assert (asked.method, list(asked.checks)) == (method, SHORT)
    before = place.train_rows.read_bytes()
    assert folder.fill(run).train_rows.read_bytes() == before


def test_fill_writes_no_more_prompts_than_the_steps_see(sums: Campaign, base: models.Checkpoint) -> None:
    rows.batch(sums, [str(number) for number in range(20)])
    settings = {"max_steps": 3, "batch_size": 2, "gradient_accumulation": 2}
    chosen = [
        (folder.fill(request(sums, base, hyperparameters={**settings, "seed": seed})).train_rows.read_text())
        for seed in (0, 1)
    ]
    assert [len(each.splitlines()) for each in chosen] == [12, 12]
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"checks": []}, "checks", "NSR needs checks"),
        ({"checks": [{"check": "max_size"}]}, "checks", "Check 1 is 'max_size'"),
        ({"checks": [{"check": "python", "function": "os.system"}]}, "checks", "os.system is not among the functions"),
        ({"method": "sample", "sampling": {"count": 1}}, "checks", "sample only has none"),
    ],
)
def test_request_refuses_by_field(
    sums: Campaign, base: models.Checkpoint, changes: dict[str, Any], field: str, says: str
) -> None:
    rows.batch(sums, ["a"])
    with pytest.raises(actions.CannotRequest) as caught:
        request(sums, base, **changes)
    assert caught.value.field == field
    assert says in caught.value.message


def test_request_needs_prompts_and_takes_no_dataset(sums: Campaign, base: models.Checkpoint, ada: User) -> None:
    with pytest.raises(actions.CannotRequest, match="There are no prompts to answer"):
        request(sums, base)
    rows.batch(sums, ["a"])
    with pytest.raises(actions.CannotRequest, match="A run of NSR takes no dataset"):
        request(sums, base, dataset=rows.dataset(sums, ada))
    assert request(sums, base).dataset is None


def test_the_database_knows_which_methods_have_a_dataset(sums: Campaign, base: models.Checkpoint) -> None:
    models.Run.objects.create(campaign=sums, method="nsr", base=base, requested_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Run.objects.create(campaign=sums, method="kto", base=base, requested_at=NOW)


def test_a_schedule_trains_on_datasets_only() -> None:
    names = [value for value, _ in models.SCHEDULED_METHODS]
    assert names
    assert set(names) == set(spec.ROWS)
    assert {value for value, _ in models.TRAINING_METHODS} == {*spec.ROWS, *spec.ON_POLICY}


def test_the_trainer_is_told_which_functions_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEGATIVA_CHECKS", "ours.tone")
    assert process.environment()["NEGATIVA_CHECKS"] == "ours.tone"
