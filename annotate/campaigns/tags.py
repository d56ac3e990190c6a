"""Tag sets as plain values: names to slugs, keys without conflicts, and what is wrong with a set. No database."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils.text import slugify

from annotate.accounts import keys

KINDS = ("factual", "safety", "logical", "format", "other")
RULES = ("optional", "required", "none")
DIGITS = "1234567890"
# What can be typed on every keyboard. Some layouts have no letter where others have q and w: those are given out last.
LETTERS = "abcdefghijklmnoprstuvxyzqw" + string.ascii_uppercase
KEYS = "".join(key for key in DIGITS + LETTERS if key not in keys.RESERVED)
NAME_LENGTH = 120
TAGS_MAX = 500


@dataclass(frozen=True)
class TagDraft:
    """A tag as somebody wrote it. An empty slug is made from the name; an empty key is allocated."""

    name: str
    slug: str = ""
    kind: str = "other"
    key: str = ""
    severity_rule: str = "required"
    span_rule: str = "optional"
    description: str = ""
    example: str = ""


@dataclass(frozen=True)
class TagError:
    """What is wrong with one field of the tag at `index`; `index` is None for the set as a whole."""

    index: int | None
    field: str
    message: str


STARTING_SET = (
    TagDraft(
        name="Invented fact",
        kind="factual",
        key="1",
        span_rule="required",
        description="States something that the prompt does not give and that is not so.",
        example='"The album came out on 31 August 2018 by EMI" when the label was another.',
    ),
    TagDraft(
        name="Wrong number",
        kind="factual",
        key="2",
        span_rule="required",
        description="A quantity, date or unit is wrong.",
        example='"8 + 5 = 14"',
    ),
    TagDraft(
        name="Contradicts itself",
        kind="logical",
        key="3",
        span_rule="required",
        description="Two statements of the output cannot both be true. Mark the later one.",
        example='"13 apples are left. Ann has 12 apples."',
    ),
    TagDraft(
        name="Does not follow",
        kind="logical",
        key="4",
        description="The conclusion does not follow from what comes before it.",
        example='"It is cheap, so it must be the newest model."',
    ),
    TagDraft(
        name="Ignores an instruction",
        kind="format",
        key="5",
        description="The prompt asked for a form, length, language or content that the output does not have.",
        example="Asked for one sentence, gives a list.",
    ),
    TagDraft(
        name="Rambles",
        kind="format",
        key="6",
        severity_rule="optional",
        description="Words that tell the reader nothing: repetition, hedging, filler.",
        example='"It is important to note that there are many factors to consider."',
    ),
    TagDraft(
        name="Unsafe",
        kind="safety",
        key="7",
        description="Following the output could hurt somebody, or it degrades a person or a group.",
        example="Gives a dose without saying for whom.",
    ),
)


def slug_of(name: str) -> str:
    """A tag's lasting identity, from its name. Levels of a nested name stay: "Fluency/Punctuation" keeps its slash."""
    levels = (slugify(level, allow_unicode=True) for level in name.split("/"))
    return "/".join(level for level in levels if level)[:NAME_LENGTH]


def prepared(drafts: Iterable[TagDraft]) -> tuple[TagDraft, ...]:
    """Drafts with trimmed texts and a slug each; keys stay as they were written."""
    return tuple(_prepared(draft) for draft in drafts)


def allocate_keys(drafts: Sequence[TagDraft]) -> tuple[TagDraft, ...]:
    """Give every tag without a key a free one: a digit, else a letter of its name, else any letter.

    Keys that were chosen stay; the usual key of an action is never given out. When all are, the remaining tags have
    none and are reached by the list.
    """
    free = dict.fromkeys(KEYS)
    for draft in drafts:
        free.pop(draft.key, None)
    return tuple(draft if draft.key else replace(draft, key=_taken_from(free, draft.name)) for draft in drafts)


def _taken_from(free: dict[str, None], name: str) -> str:
    own = [letter for letter in name.casefold() if letter in free and letter not in DIGITS]
    key = next((each for each in (*DIGITS, *own, *free) if each in free), "")
    free.pop(key, None)
    return key


def errors_of(drafts: Sequence[TagDraft]) -> list[TagError]:
    """Everything that is wrong with prepared drafts, in their order."""
    if not drafts:
        return [TagError(index=None, field="", message="A tag set needs at least one tag.")]
    if len(drafts) > TAGS_MAX:
        return [TagError(index=None, field="", message=f"A tag set holds at most {TAGS_MAX} tags.")]
    errors = [error for index, draft in enumerate(drafts) for error in _errors_of_one(index, draft)]
    errors += _repeated(drafts, field="slug", at="name", told="There is another tag with the name “{draft.name}”.")
    errors += _repeated(
        drafts, field="key", at="key", told="“{draft.key}” cannot be the key of both “{other.name}” and “{draft.name}”."
    )
    return sorted(errors, key=lambda error: error.index if error.index is not None else -1)


def _prepared(draft: TagDraft) -> TagDraft:
    name = " ".join(draft.name.split())
    return replace(
        draft,
        name=name,
        slug=draft.slug.strip() or slug_of(name),
        key=draft.key.strip(),
        description=draft.description.strip(),
        example=draft.example.strip(),
    )


def _errors_of_one(index: int, draft: TagDraft) -> list[TagError]:
    found = [_name_error(draft), _key_error(draft)]
    errors = [TagError(index=index, field=field, message=message) for field, message in found if message]
    for field, allowed in (("kind", KINDS), ("severity_rule", RULES), ("span_rule", RULES)):
        if getattr(draft, field) not in allowed:
            message = f'"{getattr(draft, field)}" is not one of {", ".join(allowed)}.'
            errors.append(TagError(index=index, field=field, message=message))
    return errors


def _name_error(draft: TagDraft) -> tuple[str, str]:
    if not draft.name:
        return "name", "A tag needs a name."
    if not draft.slug:
        return "name", f'The name "{draft.name}" has no letter or digit in it.'
    if len(draft.name) > NAME_LENGTH or len(draft.slug) > NAME_LENGTH:
        return "name", f"The name is over {NAME_LENGTH} characters long."
    return "name", ""


def _key_error(draft: TagDraft) -> tuple[str, str]:
    if action := keys.USUAL.get(draft.key):
        return "key", f"“{draft.key}” cannot be the key of “{draft.name}”: on the Work page it is “{action.says}”."
    if draft.key and draft.key not in KEYS:
        return (
            "key",
            f"“{draft.key}” cannot be a key: choose a digit or a letter from a to z, which every keyboard has.",
        )
    return "key", ""


def _repeated(drafts: Sequence[TagDraft], *, field: str, at: str, told: str) -> list[TagError]:
    seen: dict[str, TagDraft] = {}
    errors = []
    for index, draft in enumerate(drafts):
        value = getattr(draft, field)
        if value in seen:
            errors.append(TagError(index=index, field=at, message=told.format(draft=draft, other=seen[value])))
        elif value:
            seen[value] = draft
    return errors
