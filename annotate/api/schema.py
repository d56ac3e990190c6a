"""What every operation may answer besides its own: the refusals, described once."""

from __future__ import annotations

from typing import Any

from drf_spectacular import openapi
from drf_spectacular.plumbing import ResolvedComponent

REFUSAL = {
    "type": "object",
    "description": "What happened and what to do. `field` names the part of the request it is about, if any.",
    "properties": {"detail": {"type": "string"}, "field": {"type": "string"}},
    "required": ["detail"],
}
MESSAGES = {"type": "array", "items": {"type": "string"}}
INVALID = {
    "description": (
        "Either one `detail`, or a list of messages for each field that is not right; within a list of objects, those "
        "of each object by its place."
    ),
    "oneOf": [
        {"$ref": "#/components/schemas/Refusal"},
        {
            "type": "object",
            "not": {"required": ["detail"]},
            "additionalProperties": {"oneOf": [MESSAGES, {"type": "object"}]},
        },
    ],
}
ALWAYS = {
    "401": "The token is missing, unknown or revoked.",
    "403": "The token lacks the scope, or its user's role does not include this.",
    "404": "There is no such thing, or it is not yours to see.",
}
WITH_BODY = {
    "413": "The body is too large.",
    "415": "The body has another content type than this address takes.",
    "422": "The request can be read, but a rule says no.",
}


class AutoSchema(openapi.AutoSchema):
    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Describe the operation, with the answers of a request that is refused."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            answers = {**ALWAYS, **(WITH_BODY if self.method == "POST" else {})}
            refusal = self._component("Refusal", REFUSAL)
            for status, meaning in answers.items():
                operation["responses"].setdefault(status, _json(meaning, refusal))
            invalid = self._component("Invalid", INVALID)
            operation["responses"].setdefault("400", _json("The request is not right in itself.", invalid))
        return operation

    def _component(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=name
        )
        self.registry.register_on_missing(component)
        return dict(component.ref)


def _json(meaning: str, schema: dict[str, str]) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}
