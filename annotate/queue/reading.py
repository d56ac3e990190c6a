"""What the statements of the queue return, as rows of its models."""

from __future__ import annotations

import json
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection

from annotate.intake.models import Output, Prompt
from annotate.queue import sql
from annotate.queue.models import Lease

LEASE = [field.attname for field in Lease._meta.concrete_fields]
OUTPUT = ["id", "prompt_id", "text", "text_sha256", "meta"]
PROMPT = ["id", "text", "messages", "twins"]
JSON = {"draft", "meta", "messages", "twins"}
COLUMNS = [
    *(("lease", name) for name in LEASE),
    *(("output", name) for name in OUTPUT),
    *(("prompt", name) for name in PROMPT),
]
SELECTED = ", ".join(f"{table}.{name}" for table, name in COLUMNS)


def leased(arguments: dict[str, Any]) -> Lease | None:
    """Run LEASE_NEXT; return its lease with its output and prompt, which have only what a judge may see."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LEASE_NEXT.format(columns=SELECTED), arguments)
        row = cursor.fetchone()
    if row is None:
        return None
    values = [
        json.loads(value) if name in JSON and value is not None else value
        for (_, name), value in zip(COLUMNS, row, strict=True)
    ]
    lease = Lease.from_db(DEFAULT_DB_ALIAS, LEASE, values[: len(LEASE)])
    lease.output = Output.from_db(DEFAULT_DB_ALIAS, OUTPUT, values[len(LEASE) : -len(PROMPT)])
    lease.output.prompt = Prompt.from_db(DEFAULT_DB_ALIAS, PROMPT, values[-len(PROMPT) :])
    return lease
