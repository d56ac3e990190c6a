"""The checks of a run, typed into its form."""

import json
from pathlib import Path

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from frontend import run_checks
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.formats.checks import declared
from training_bridge.runs import models

ONE = '[{"check": "length", "most": 9}]'


@pytest.fixture
def campaign(db: None) -> Campaign:
    return factories.campaign("sums", by=factories.superuser("ada"))


@pytest.fixture
def base(tmp_path: Path, campaign: Campaign) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


@pytest.fixture
def researcher(client: Client, campaign: Campaign) -> Client:
    client.force_login(factories.member(campaign, "researcher"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def typed(start: models.Checkpoint, /, **more: str) -> dict[str, str]:
    return {"method": "nsr", "base": str(start.pk), "s-count": "0", "checks": ONE, **more}


def test_examples_are_one_of_each_kind_and_can_be_made() -> None:
    examples = [json.loads(example) for example, _ in run_checks.EXAMPLES]
    assert {each["check"] for each in examples} == declared.KINDS.keys()
    assert declared.read(examples)


def test_the_form_requests_a_run_and_offers_its_checks_again(
    researcher: Client, campaign: Campaign, base: models.Checkpoint
) -> None:
    factories.output(campaign)
    answer = researcher.post("/c/sums/runs/new/", typed(base, **{"h-rollouts": "3"}))
    run = models.Run.objects.get()
    assert answer["Location"] == f"/c/sums/runs/{run.pk}/"
    assert (run.dataset, run.checks, run.hyperparameters["rollouts"]) == (None, json.loads(ONE), 3)
    assert "length" in researcher.get(f"/c/sums/runs/{run.pk}/").content.decode()
    again = researcher.get(f"/c/sums/runs/new/?like={run.pk}")
    assert again.context["values"]["checks"] == '[\n  {"check": "length", "most": 9}\n]'


def test_checks_of_another_method_are_left_alone(
    researcher: Client, campaign: Campaign, base: models.Checkpoint
) -> None:
    factories.output(campaign)
    researcher.post("/c/sums/runs/new/", typed(base, method="sample", checks="not JSON", **{"s-count": "1"}))
    assert models.Run.objects.get().checks == []


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ("", "NSR needs checks"),
        ("[", "This is not valid JSON (line 1"),
        ("[" * 40_000, "This is not valid JSON"),
        ("[" + " " * 50_000 + "]", "Give a list of checks"),
        ('{"check": "length"}', "Give a list of checks"),
        ("[1]", "Give a list of checks"),
        ('[{"check": "length"}]', "Check 1 (length): it needs least or most"),
        (
            '[{"check": "judge", "model": "local", "question": "Is it?"}]',
            "a judge may check a constraint and is no reward",
        ),
        ('[{"check": "<b>"}]', "Check 1 is &#x27;&lt;b&gt;&#x27;"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    researcher: Client, campaign: Campaign, base: models.Checkpoint, checks: str, said: str
) -> None:
    factories.output(campaign)
    answer = researcher.post("/c/sums/runs/new/", typed(base, checks=checks))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert answer.context["values"]["checks"] == checks
    assert not models.Run.objects.exists()
