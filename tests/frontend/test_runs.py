"""The pages of runs: who may, what they show, and what the form makes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.formats import rundir, spec
from training_bridge.runs import models, sampling

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("sums", by=factories.superuser("ada"))


@pytest.fixture
def base(tmp_path: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


@pytest.fixture
def researcher(client: Client, campaign: Campaign) -> Client:
    client.force_login(factories.member(campaign, "researcher"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def make(campaign: Campaign, base: models.Checkpoint, **fields: Any) -> models.Run:
    values: dict[str, Any] = {"method": "sample", "requested_at": factories.NOW, **fields}
    return models.Run.objects.create(campaign=campaign, base=base, **values)


def typed(start: models.Checkpoint, /, **more: str) -> dict[str, str]:
    return {"method": "sample", "base": str(start.pk), "s-count": "1", **more}


@pytest.mark.parametrize("page", ["", "new/", "1/", "1/events/"])
@pytest.mark.parametrize(("role", "status"), [("annotator", 403), ("reviewer", 403), (None, 404)])
def test_only_admins_and_researchers_come_in(
    client: Client, campaign: Campaign, base: models.Checkpoint, page: str, role: str | None, status: int
) -> None:
    make(campaign, base, pk=1)
    who = factories.member(campaign, role) if role else factories.user()
    client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"/c/sums/runs/{page}").status_code == status


def test_another_campaigns_run_is_not_found_on_every_verb(
    researcher: Client, campaign: Campaign, base: models.Checkpoint
) -> None:
    theirs = make(factories.campaign("theirs"), base)
    for page in ("", "events/"):
        assert researcher.get(f"/c/sums/runs/{theirs.pk}/{page}").status_code == 404
    for verb in ("cancel", "resume"):
        assert researcher.post(f"/c/sums/runs/{theirs.pk}/{verb}/").status_code == 404


def test_the_empty_list_says_what_to_do(researcher: Client) -> None:
    assert b"New run" in researcher.get("/c/sums/runs/").content


def test_the_list_asks_as_often_for_many_runs_as_for_few(
    researcher: Client,
    campaign: Campaign,
    base: models.Checkpoint,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    asked = []
    for count in (2, 12):
        for _ in range(count):
            make(campaign, base, state="running", total_steps=10)
        with django_assert_max_num_queries(15) as seen:
            assert researcher.get("/c/sums/runs/").status_code == 200
        asked.append(len(seen))
    assert asked[0] == asked[1]


def test_the_form_requests_a_run(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    factories.output(campaign)
    answer = researcher.post("/c/sums/runs/new/", typed(base, **{"h-beta": "0.3", "s-purpose": "evaluate"}))
    run = models.Run.objects.get()
    assert answer["Location"] == f"/c/sums/runs/{run.pk}/"
    assert (run.method, run.base, run.hyperparameters["beta"], run.hyperparameters["span_mask"]) == (
        "sample",
        base,
        0.3,
        False,
    )
    assert (run.sampling["count"], run.sampling["purpose"]) == (1, "evaluate")


def test_the_form_trains_on_a_dataset(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    from annotate.accounts.models import User

    dataset = rows.dataset(campaign, User.objects.get(username="ada"))
    researcher.post("/c/sums/runs/new/", typed(base, method="d2o", dataset=str(dataset.version), **{"s-count": "0"}))
    assert models.Run.objects.get().dataset == dataset


def test_every_setting_has_one_field(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    text = researcher.get("/c/sums/runs/new/").content.decode()
    names = [f"h-{each.name}" for each in dataclasses.fields(spec.Hyperparameters)]
    names += [f"s-{each.name}" for each in dataclasses.fields(sampling.Choice) if each.name != "purpose"]  # radios
    assert {name: text.count(f'id="{name}"') for name in names} == dict.fromkeys(names, 1)


@pytest.mark.parametrize(("format", "method"), [("pairs", "dpo"), ("kto", "kto"), ("d2o", "d2o")])
def test_the_form_begins_with_a_method_for_the_dataset(
    researcher: Client, campaign: Campaign, base: models.Checkpoint, format: str, method: str
) -> None:
    from annotate.accounts.models import User

    rows.dataset(campaign, User.objects.get(username="ada"), format=format)
    text = researcher.get("/c/sums/runs/new/?dataset=1").content.decode()
    assert f'value="{method}" checked' in text
    assert f"v1 · {'pairs' if format == 'pairs' else format.upper()}" in text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("h-learning_rate", "fast", "Give a number."),
        ("h-max_steps", "1.5", "Give a whole number."),
        ("h-warmup_steps", "-1", "may not be below 0"),
        ("h-dtype", "int3", "may be one of"),
        ("s-top_p", "7", "top_p is 7.0"),
        ("s-prompt_batch", "999999", "has no batch 999999"),
        ("base", "0", "no such checkpoint"),
        ("base", "x", "Choose a base checkpoint"),
        ("method", "magic", "The method may be"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    researcher: Client, campaign: Campaign, base: models.Checkpoint, name: str, value: str, said: str
) -> None:
    factories.output(campaign)
    answer = researcher.post("/c/sums/runs/new/", typed(base, **{"h-seed": "4711", name: value}))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'value="4711"' in answer.content.decode()
    assert not models.Run.objects.exists()


def test_the_form_starts_from_an_earlier_run(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    run = make(campaign, base, hyperparameters={"seed": 1234})
    assert 'value="1234"' in researcher.get(f"/c/sums/runs/new/?like={run.pk}").content.decode()


def test_a_running_run_polls_and_an_ended_one_does_not(
    researcher: Client, campaign: Campaign, base: models.Checkpoint
) -> None:
    run = make(campaign, base, state="running", phase="training", step=3, total_steps=9)
    page = researcher.get(f"/c/sums/runs/{run.pk}/").content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "3 of 9" in page
    models.Run.objects.update(state="failed", reason="Out of memory while training.", ended_at=factories.NOW)
    part = researcher.get(f"/c/sums/runs/{run.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in part
    assert "<html" not in part
    assert "Out of memory while training." in part
    assert "Resume" in part


def test_the_log_is_hostile_text(
    researcher: Client, campaign: Campaign, base: models.Checkpoint, tmp_path: Path
) -> None:
    place = rundir.RunDir(path=tmp_path / "run")
    place.path.mkdir()
    place.stderr.write_text("<script>alert(1)</script>\n 10%\r 20%\n\u202egnp.exe\n")
    run = make(campaign, base, state="lost", folder=str(place.path))
    page = researcher.get(f"/c/sums/runs/{run.pk}/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert " 20%" in page
    assert " 10%" not in page
    assert 'title="RLO"' in page


def test_events_are_read_from_where_the_reader_stopped(
    researcher: Client, campaign: Campaign, base: models.Checkpoint, tmp_path: Path
) -> None:
    place = rundir.RunDir(path=tmp_path / "run")
    place.path.mkdir()
    run = make(campaign, base, state="running", folder=str(place.path))
    address = f"/c/sums/runs/{run.pk}/events/"
    assert researcher.get(address).json() == {"events": [], "next": 0, "has_more": False, "is_over": False}
    place.append_event({"kind": "step", "step": 1, "loss": 0.7})
    first = researcher.get(address).json()
    assert [event["step"] for event in first["events"]] == [1]
    with place.events.open("a") as file:
        file.write('{"kind": "step", "st')
    assert researcher.get(f"{address}?after={first['next']}").json()["events"] == []
    with place.events.open("a") as file:
        file.write('ep": 2}\n')
    second = researcher.get(f"{address}?after={first['next']}").json()
    assert [event["step"] for event in second["events"]] == [2]
    for nonsense in ("x", "-1", "9" * 30, "99999"):
        assert researcher.get(f"{address}?after={nonsense}").status_code == 200


def test_cancel_and_resume_from_the_page(researcher: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    run = make(campaign, base)
    assert researcher.get(f"/c/sums/runs/{run.pk}/cancel/").status_code == 405
    researcher.post(f"/c/sums/runs/{run.pk}/cancel/")
    assert models.Run.objects.get().state == "cancelled"
    researcher.post(f"/c/sums/runs/{run.pk}/resume/")
    assert models.Run.objects.get().state == "requested"
    models.Run.objects.update(state="succeeded")
    assert researcher.post(f"/c/sums/runs/{run.pk}/cancel/").status_code == 422
