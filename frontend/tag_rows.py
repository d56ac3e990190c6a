"""The rows of a form that edits a tag set: what was posted becomes drafts, drafts and refusals become rows again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import QueryDict

from annotate.accounts import keys
from annotate.campaigns import tags
from annotate.campaigns.models import Tag
from annotate.campaigns.tags import TagDraft, TagError

COLUMNS = ("name", "slug", "kind", "key", "severity_rule", "span_rule", "description", "example")
BLANK_ROWS = 3
KINDS = Tag.Kind.choices
SEVERITY_RULES = (("required", "asked for"), ("optional", "optional"), ("none", "not used"))
SPAN_RULES = (("required", "must be marked"), ("optional", "optional"), ("none", "whole output only"))


@dataclass(frozen=True)
class Row:
    draft: TagDraft
    errors: dict[str, str] = field(default_factory=dict)


def posted(data: QueryDict) -> list[TagDraft]:
    """Rows without a name are left out, which is also how one is removed without JavaScript."""
    columns = [data.getlist(f"tag_{column}")[: tags.TAGS_MAX + BLANK_ROWS + 1] for column in COLUMNS]
    drafts = [TagDraft(**dict(zip(COLUMNS, values, strict=True))) for values in zip(*columns, strict=False)]
    return [draft for draft in drafts if draft.name.strip()]


def rows(drafts: Sequence[TagDraft], *, errors: Sequence[TagError] = (), blank: int = BLANK_ROWS) -> list[Row]:
    """A row for each draft with what is wrong with it, then some blank ones."""
    wrong: dict[int, dict[str, str]] = {}
    for error in errors:
        if error.index is not None:
            wrong.setdefault(error.index, {}).setdefault(error.field, error.message)
    kept = [Row(draft=draft, errors=wrong.get(index, {})) for index, draft in enumerate(drafts)]
    return [*kept, *(Row(draft=TagDraft(name="")) for _ in range(blank))]


def choices() -> dict[str, object]:
    reserved = [key for key in keys.USUAL if len(key) == 1]
    return {"kinds": KINDS, "severity_rules": SEVERITY_RULES, "span_rules": SPAN_RULES, "reserved_keys": reserved}
