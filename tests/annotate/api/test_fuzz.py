"""The API attacked by its own description: whatever is sent, the answer is one that the schema names, never a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core import signals
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from annotate import clock
from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken
from annotate.constraints.models import Constraint
from annotate.queue import actions as queue
from annotate.queue.models import Lease
from annotate.wsgi import application
from tests import factories
from tests.annotate.constraints.checks import checks as check_rows
from tests.training_bridge.runs import rows

EXAMPLES = 20
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def _json_lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Some lines as the schema has them, or whatever else was made up."""
    return value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"


def _described() -> Any:
    schema = schemathesis.openapi.from_dict(dict(SchemaGenerator().get_schema(request=None, public=True)))  # type: ignore[no-untyped-call]
    schema.app = application
    return schema


SCHEMA = _described()
OPERATIONS = [each.ok() for each in SCHEMA.get_all_operations() if "schema" not in each.ok().path.split("/")]


@pytest.fixture
def token(db: None, tmp_path: Path) -> Iterator[str]:
    """A token that may do everything in a campaign that has one of everything."""
    admin = factories.superuser("ada")
    campaign = factories.campaign("helpdesk", by=admin)
    factories.judgment(factories.output(campaign))
    check_rows.group(campaign)
    check_rows.saved(campaign)
    factories.output(campaign)
    queue.lease_next(campaign=campaign, annotator=admin, now=clock.now())
    rows.checkpoint(tmp_path, "base")
    rows.dataset(campaign, admin, format="d2o")
    _, plaintext = accounts.create_token(user=admin, name="fuzz", scopes=ApiToken.Scope.values, now=factories.NOW)
    # As Django's own test client does: a request must not close the connection that holds the test's transaction.
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield plaintext
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.label for each in OPERATIONS])
def test_every_answer_is_described(operation: Any, token: str) -> None:
    statuses = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(hypothesis.strategies.data())
    def attack(data: hypothesis.strategies.DataObject) -> None:
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        mode = data.draw(hypothesis.strategies.sampled_from(modes))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if "slug" in case.path_parameters:
            case.path_parameters["slug"] = "helpdesk"
        if "constraint_id" in case.path_parameters:
            case.path_parameters["constraint_id"] = Constraint.objects.get().pk
        if "leases" in operation.path.split("/"):
            case.path_parameters["token"] = str(Lease.objects.get().token)
        response = case.call(headers={"Authorization": f"Bearer {token}", "Host": "testserver"})
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    attack()
    assert statuses
