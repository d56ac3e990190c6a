"""The schema describes every address, without a warning, with the token each needs."""

from typing import Any

from django.test import Client
from django.urls import reverse
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from annotate.api.urls import RESOURCES


def _schema() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def test_schema_is_valid_and_without_warnings() -> None:
    reset_generator_stats()
    validate_schema(_schema())  # type: ignore[no-untyped-call]
    assert not GENERATOR_STATS


def test_schema_names_every_address_with_its_token() -> None:
    paths = {path: operations for path, operations in _schema()["paths"].items() if not path.endswith("/schema")}
    assert len(paths) == sum(len(resource.urls) for resource in RESOURCES)
    assert all(each["security"] == [{"token": []}] for operations in paths.values() for each in operations.values())


def test_schema_can_be_read_without_a_token(client: Client, db: None) -> None:
    assert client.get(reverse("api-schema")).status_code == 200
