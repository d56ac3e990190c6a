"""Tag sets as plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.campaigns import tags
from annotate.campaigns.tags import TagDraft


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Invented fact", "invented-fact"),
        ("Fluency/Punctuation", "fluency/punctuation"),
        (" Accuracy / Mistranslation ", "accuracy/mistranslation"),
        ("//", ""),
        ("???", ""),
        ("Erfundene Größe", "erfundene-größe"),
        ("x" * 300, "x" * 120),
    ],
)
def test_slug_of(name: str, slug: str) -> None:
    assert tags.slug_of(name) == slug


def test_allocate_keys_keeps_what_was_chosen_and_fills_the_rest() -> None:
    drafts = [TagDraft(name="a"), TagDraft(name="b", key="1"), TagDraft(name="c", key="x"), TagDraft(name="d")]
    assert [draft.key for draft in tags.allocate_keys(drafts)] == ["2", "1", "x", "3"]


def test_allocate_keys_leaves_tags_without_when_keys_run_out() -> None:
    keys = [draft.key for draft in tags.allocate_keys([TagDraft(name=str(n)) for n in range(60)])]
    assert keys[: len(tags.KEYS)] == list(tags.KEYS)
    assert set(keys[len(tags.KEYS) :]) == {""}


@given(st.lists(st.sampled_from(["", *tags.KEYS]), max_size=40))
def test_allocate_keys_never_conflicts(keys: list[str]) -> None:
    chosen = [key if key not in keys[:n] else "" for n, key in enumerate(keys)]
    drafts = tags.allocate_keys([TagDraft(name=str(n), key=key) for n, key in enumerate(chosen)])
    given_out = [draft.key for draft in drafts if draft.key]
    assert len(given_out) == len(set(given_out))
    assert not set(given_out) & tags.RESERVED_KEYS
    assert all(draft.key == key for draft, key in zip(drafts, chosen, strict=True) if key)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (TagDraft(name=""), "name"),
        (TagDraft(name="!!!"), "name"),
        (TagDraft(name="x" * 121), "name"),
        (TagDraft(name="a", key="g"), "key"),
        (TagDraft(name="a", key="M"), "key"),
        (TagDraft(name="a", key="?"), "key"),
        (TagDraft(name="a", key="ab"), "key"),
        (TagDraft(name="a", key="\x07"), "key"),
        (TagDraft(name="a", kind="taste"), "kind"),
        (TagDraft(name="a", severity_rule="maybe"), "severity_rule"),
        (TagDraft(name="a", span_rule="maybe"), "span_rule"),
    ],
)
def test_errors_of_one_tag(draft: TagDraft, field: str) -> None:
    errors = tags.errors_of(tags.prepared([draft]))
    assert [(error.index, error.field) for error in errors] == [(0, field)]


def test_errors_of_repeated_names_and_keys() -> None:
    drafts = tags.prepared([TagDraft(name="A b", key="1"), TagDraft(name="a  B", key="1")])
    assert [(error.index, error.field) for error in tags.errors_of(drafts)] == [(1, "name"), (1, "key")]


def test_errors_of_an_empty_set() -> None:
    assert [error.index for error in tags.errors_of([])] == [None]


def test_errors_of_the_starting_set_are_none() -> None:
    drafts = tags.prepared(tags.STARTING_SET)
    assert tags.errors_of(drafts) == []
    assert {draft.kind for draft in drafts} == {"factual", "logical", "format", "safety"}
