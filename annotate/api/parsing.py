"""JSON bodies: read up to a limit, always UTF-8, and free of what the database cannot hold."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from rest_framework import exceptions, parsers, status

from annotate.intake import texts


class TooLarge(exceptions.APIException):
    """The body is over the limit of its address."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class JSON(parsers.BaseParser):
    """400 for a body that is no JSON, is nested too deep, or has a NUL or half a surrogate pair; 413 for a large one.

    Not DRF's own parser, to which DRF hands the whole body whatever its size, to be read in the charset of the header.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = _read(stream)
        try:
            return texts.check_json(json.loads(body.decode(), parse_constant=_refuse), "the body")
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not JSON that can be read: {_told(error)}.") from error


class Yaml(parsers.BaseParser):
    """A text of YAML as `{"text": ...}`, not read any further: 400 for what is not UTF-8 or has a NUL; 413 as above."""

    media_type = "application/yaml"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = _read(stream)
        try:
            return texts.check_json({"text": body.decode()}, "the body")
        except ValueError as error:
            raise exceptions.ParseError("The body is not UTF-8 text that can be stored.") from error


def _read(stream: Any) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The body is over {limit} bytes.")
    return body


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    # The decoder quotes nothing but places; a broken byte is named by its number.
    return str(error).encode(errors="replace").decode()
