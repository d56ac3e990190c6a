"""From an approved constraint set to the bytes of a dataset version."""

import hashlib
import json

from django.urls import reverse

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.models import Constraint
from tests import factories
from tests.annotate.api.conftest import Connect
from training_bridge.exports import actions as exports
from training_bridge.exports.models import DatasetVersion

SCOPES = ("datasets:read", "datasets:write")


def _approved(admin: User) -> Campaign:
    campaign = factories.campaign("helpdesk", by=admin)
    for number in range(3):
        output = factories.output(campaign, f"It came out in 201{number}.")
        factories.judgment(output, violations=[{"start": 15, "end": 19, "critique": "states a date not in the source"}])
    constraints.regroup(campaign_id=campaign.pk, now=factories.NOW)
    for constraint in Constraint.objects.filter(campaign=campaign):
        constraints.accept(constraint=constraint, by=admin, now=factories.NOW)
    constraints.approve(campaign=campaign, by=admin, now=factories.NOW)
    return campaign


def test_request_build_and_download(connect: Connect) -> None:
    admin = factories.user()
    _approved(admin)
    client = connect(admin, *SCOPES)
    address = reverse("api-datasets", kwargs={"slug": "helpdesk"})
    answer = client.post(address, json.dumps({"format": "d2o"}), content_type="application/json")
    assert answer.status_code == 202
    exports.build(dataset_id=DatasetVersion.objects.get().pk, clock=clock.now)
    version = client.get(reverse("api-dataset", kwargs={"slug": "helpdesk", "version": 1})).json()
    assert version["state"] == "ready"
    for name, facts in version["manifest"]["files"].items():
        where = reverse("api-dataset-file", kwargs={"slug": "helpdesk", "version": 1, "name": name})
        body = b"".join(client.get(where).streaming_content)  # type: ignore[attr-defined]
        assert hashlib.sha256(body).hexdigest() == facts["sha256"]


def test_a_file_the_manifest_does_not_name_is_404(connect: Connect) -> None:
    admin = factories.user()
    _approved(admin)
    client = connect(admin, *SCOPES)
    client.post(
        reverse("api-datasets", kwargs={"slug": "helpdesk"}),
        json.dumps({"format": "kto"}),
        content_type="application/json",
    )
    exports.build(dataset_id=DatasetVersion.objects.get().pk, clock=clock.now)
    below = reverse("api-dataset", kwargs={"slug": "helpdesk", "version": 1}) + "/files/"
    for name in ("..", "..%2f..%2fsecrets", "%2e%2e/secret-key", "passwd", ".train.jsonl"):
        assert client.get(below + name).status_code == 404


def test_request_without_an_approved_set_is_404(connect: Connect) -> None:
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    answer = connect(admin, *SCOPES).post(
        reverse("api-datasets", kwargs={"slug": "helpdesk"}),
        json.dumps({"format": "kto"}),
        content_type="application/json",
    )
    assert answer.status_code == 404


def test_request_with_an_unknown_option_is_422_and_names_it(connect: Connect) -> None:
    admin = factories.user()
    _approved(admin)
    answer = connect(admin, *SCOPES).post(
        reverse("api-datasets", kwargs={"slug": "helpdesk"}),
        json.dumps({"format": "kto", "options": {"sede": 3}}),
        content_type="application/json",
    )
    assert answer.status_code == 422
    assert answer.json()["field"] == "sede"
    assert not DatasetVersion.objects.exists()


def test_constraint_sets_are_listed_with_their_entries(connect: Connect) -> None:
    admin = factories.user()
    _approved(admin)
    answer = connect(admin, *SCOPES).get(reverse("api-constraint-sets", kwargs={"slug": "helpdesk"}))
    only = answer.json()["results"][0]
    assert only["revision"] == 1
    assert only["entries"]
