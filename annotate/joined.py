"""Rows of a hand-written join, read as model instances. For the few statements that run at every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.base import ModelState

Part = tuple[str, type[models.Model], Sequence[str] | None]


class Joined:
    """What a statement selects: for each part its alias in the statement, its model and its columns (None: all).

    Columns that are left out are deferred: reading one is a statement.
    """

    def __init__(self, *parts: Part) -> None:
        self._parts: list[tuple[type[models.Model], list[str], slice]] = []
        self._converters: list[tuple[int, Callable[[str], Any]]] = []
        names: list[str] = []
        for alias, model, wanted in parts:
            columns = list(wanted or (field.attname for field in model._meta.concrete_fields))
            begin = len(names)
            self._parts.append((model, columns, slice(begin, begin + len(columns))))
            fields = {field.attname: field for field in model._meta.concrete_fields}
            json_at = (at for at, name in enumerate(columns, begin) if isinstance(fields[name], models.JSONField))
            self._converters += [(at, json.loads) for at in json_at]
            names += [f'"{alias}"."{name}"' for name in columns]
        self.columns = ", ".join(names)

    def read(self, row: Sequence[Any]) -> list[Any]:
        """Return an instance per part, in their order."""
        values = list(row)
        for at, convert in self._converters:
            if values[at] is not None:
                values[at] = convert(values[at])
        return [_made(model, dict(zip(columns, values[at], strict=True))) for model, columns, at in self._parts]


def _made(model: type[models.Model], values: dict[str, Any]) -> models.Model:
    """As `Model.from_db`, without the signals of a model's making, which nobody here listens to."""
    instance = model.__new__(model)
    instance.__dict__.update(values, _state=ModelState())
    instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS
    return instance
