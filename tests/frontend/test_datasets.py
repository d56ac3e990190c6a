from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint
from tests import factories
from tests.factories import NOW
from training_bridge.exports import actions
from training_bridge.exports.models import DatasetVersion

pytestmark = pytest.mark.django_db

FORM = {"format": "kto", "constraint_set": "1", "min_judgments": "1", "seed": "0", "holdout": "0", "kinds": ["person"]}


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User, settings: Any, tmp_path: Path) -> Campaign:
    settings.DATASETS = tmp_path
    made = factories.campaign("helpdesk", by=admin)
    factories.judgment(factories.output(made))
    factories.judgment(factories.output(made), "nothing_wrong")
    constraint_actions.regroup(campaign_id=made.pk, now=NOW)
    for each in Constraint.objects.filter(campaign=made):
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    constraint_actions.approve(campaign=made, by=admin, now=NOW)
    return made


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def ready(campaign: Campaign, admin: User) -> DatasetVersion:
    chosen = campaign.constraint_sets.get()
    made = actions.request(campaign=campaign, constraint_set=chosen, format="kto", by=admin, now=NOW)
    return actions.build(dataset_id=made.pk, clock=lambda: NOW)


def test_list_says_what_comes_first(page: Client, admin: User, campaign: Campaign) -> None:
    factories.campaign("empty", by=admin)
    assert "approved constraint set" in page.get("/c/empty/datasets/").content.decode()
    assert "No approved constraint set" in page.get("/c/empty/datasets/new/").content.decode()
    assert "New version" in page.get("/c/helpdesk/datasets/").content.decode()


def test_preview_says_what_it_will_hold(page: Client, campaign: Campaign) -> None:
    answer = page.post("/c/helpdesk/datasets/new/", {**FORM, "action": "preview"}, headers={"HX-Request": "true"})
    assert "<dt>Rows</dt><dd>2</dd>" in answer.content.decode()
    assert not DatasetVersion.objects.exists()


def test_request_goes_to_the_version(page: Client, campaign: Campaign) -> None:
    answer = page.post("/c/helpdesk/datasets/new/", {**FORM, "action": "request", "holdout": "0.25"})
    assert (answer.status_code, answer["Location"]) == (302, "/c/helpdesk/datasets/1/")
    assert DatasetVersion.objects.get().options["holdout"] == 0.25
    text = page.get("/c/helpdesk/datasets/1/").content.decode()
    assert 'hx-trigger="every 1s"' in text


@pytest.mark.parametrize(
    "wrong",
    [{"seed": "x"}, {"holdout": "nan"}, {"kinds": []}, {"constraint_set": "7"}, {"format": "x"}, {"min_judgments": ""}],
)
def test_request_keeps_what_was_typed_when_refused(page: Client, campaign: Campaign, wrong: dict[str, Any]) -> None:
    answer = page.post("/c/helpdesk/datasets/new/", {**FORM, **wrong})
    assert answer.status_code == 422
    assert not DatasetVersion.objects.exists()


@pytest.mark.parametrize("is_chat", [False, True])
def test_pairs_are_offered_counted_and_shown(page: Client, campaign: Campaign, admin: User, is_chat: bool) -> None:
    """Both ways: the judgments of the campaign have no correction, one more has."""
    asked = factories.prompt(campaign)
    if is_chat:
        asked.messages = [{"role": "user", "content": "When?"}]
        asked.save()
    span = {"start": 0, "end": 2, "correction": "So", "critique": "not so"}
    factories.judgment(factories.output(campaign, "No, in 2018.", prompt=asked), violations=[span])
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    chosen = constraint_actions.renew(campaign=campaign, by=admin, now=NOW)
    assert 'value="pairs"' in page.get("/c/helpdesk/datasets/new/").content.decode()
    form = {**FORM, "format": "pairs", "constraint_set": str(chosen.revision), "action": "preview"}
    text = page.post("/c/helpdesk/datasets/new/", form, headers={"HX-Request": "true"}).content.decode()
    assert "<dt>Rows</dt><dd>1</dd>" in text
    assert "1 rejected without correction" in text
    made = actions.request(campaign=campaign, constraint_set=chosen, format="pairs", by=admin, now=NOW)
    actions.build(dataset_id=made.pk, clock=lambda: NOW)
    text = page.get("/c/helpdesk/datasets/1/").content.decode()
    assert "trl.DPOTrainer" in text
    assert ("answers to a chat prompt as messages" in text) == is_chat
    assert "1 rejected without correction" in text


def test_version_page_of_every_state(page: Client, campaign: Campaign, admin: User) -> None:
    made = ready(campaign, admin)
    text = page.get("/c/helpdesk/datasets/1/").content.decode()
    assert made.manifest_sha256 in text
    assert "load_dataset" in text
    DatasetVersion.objects.create(
        campaign=campaign,
        constraint_set=made.constraint_set,
        version=2,
        format="d2o",
        options=made.options,
        state="failed",
        reason="<b>no rows</b>",
        last_judgment_id=1,
        requested_at=NOW,
    )
    assert "&lt;b&gt;no rows" in page.get("/c/helpdesk/datasets/2/").content.decode()
    assert page.post("/c/helpdesk/datasets/2/retry/").status_code == 302
    assert page.post("/c/helpdesk/datasets/1/retry/").status_code == 422
    assert page.get("/c/helpdesk/datasets/3/").status_code == 404


def test_download_streams_the_file(page: Client, campaign: Campaign, admin: User) -> None:
    made = ready(campaign, admin)
    answer: Any = page.get("/c/helpdesk/datasets/1/files/train.jsonl")
    assert b"".join(answer.streaming_content) == (Path(made.folder) / "train.jsonl").read_bytes()
    assert answer["Content-Disposition"] == 'attachment; filename="helpdesk-v1-train.jsonl"'


@pytest.mark.parametrize(
    "name", ["..%2f..%2fv1%2ftrain.jsonl", "%2e%2e", "nothing", "..%5ctrain.jsonl", "%00", "train.jsonl%00"]
)
def test_download_of_anything_else_is_not_found(page: Client, campaign: Campaign, admin: User, name: str) -> None:
    ready(campaign, admin)
    assert page.get(f"/c/helpdesk/datasets/1/files/{name}").status_code == 404


@pytest.mark.parametrize(("role", "status"), [("annotator", 403), ("reviewer", 403), ("researcher", 200)])
def test_who_may(client: Client, campaign: Campaign, admin: User, role: str, status: int) -> None:
    ready(campaign, admin)
    client.force_login(factories.member(campaign, role), backend="django.contrib.auth.backends.ModelBackend")
    for place in ("", "new/", "1/", "1/files/train.jsonl"):
        assert client.get(f"/c/helpdesk/datasets/{place}").status_code == status
    assert client.post("/c/helpdesk/datasets/new/", FORM).status_code == (302 if status == 200 else 403)


def test_outsiders_see_nothing(client: Client, campaign: Campaign, admin: User) -> None:
    ready(campaign, admin)
    other = factories.user()
    factories.campaign("theirs", by=other)
    client.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
    for place in ("1/", "1/files/train.jsonl"):
        assert client.get(f"/c/helpdesk/datasets/{place}").status_code == 404
        assert client.get(f"/c/theirs/datasets/{place}").status_code == 404


def test_list_queries_do_not_grow(
    page: Client, campaign: Campaign, admin: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ready(campaign, admin)
    page.get("/c/helpdesk/datasets/")
    with django_assert_max_num_queries(10):
        page.get("/c/helpdesk/datasets/")
    for _ in range(3):
        ready(campaign, admin)
    with django_assert_max_num_queries(10):
        assert page.get("/c/helpdesk/datasets/").content.decode().count("is-ready") == 4
