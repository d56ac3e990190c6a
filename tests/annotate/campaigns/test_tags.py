"""Tag sets as plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.accounts import keys as known
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


def test_allocate_keys_gives_digits_then_letters_of_the_name_then_any() -> None:
    digits = [TagDraft(name=f"tag {n}") for n in range(10)]
    named = [TagDraft(name=name) for name in ("Grammar", "Gender, wrong", "Größe 7", "Überhaupt", "ggg", "語彙")]
    keys = [draft.key for draft in tags.allocate_keys([*digits, *named])]
    assert "".join(keys[:10]) == "1234567890"
    assert keys[10:] == ["b", "n", "d", "h", "f", "l"]  # of "Grammar" no letter is free, of "Gender" the n


def test_allocate_keys_leaves_tags_without_when_keys_run_out() -> None:
    keys = [draft.key for draft in tags.allocate_keys([TagDraft(name=str(n)) for n in range(80)])]
    assert keys[: len(tags.KEYS)] == list(tags.KEYS)
    assert set(keys[len(tags.KEYS) :]) == {""}


@given(st.lists(st.sampled_from(["", *tags.KEYS]), max_size=40))
def test_allocate_keys_never_conflicts(keys: list[str]) -> None:
    chosen = [key if key not in keys[:n] else "" for n, key in enumerate(keys)]
    drafts = tags.allocate_keys([TagDraft(name=str(n), key=key) for n, key in enumerate(chosen)])
    given_out = [draft.key for draft in drafts if draft.key]
    assert len(given_out) == len(set(given_out))
    assert not set(given_out) & known.RESERVED
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
        (TagDraft(name="a", key="é"), "key"),
        (TagDraft(name="a", key="."), "key"),
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


def test_errors_of_keys_name_both() -> None:
    drafts = tags.prepared(
        [TagDraft(name="Typo", key="g"), TagDraft(name="Tone", key="x"), TagDraft(name="Form", key="x")]
    )
    assert [error.message for error in tags.errors_of(drafts)] == [
        "“g” cannot be the key of “Typo”: on the Work page it is “nothing wrong”.",
        "“x” cannot be the key of both “Tone” and “Form”.",
    ]


def test_errors_of_an_empty_set() -> None:
    assert [error.index for error in tags.errors_of([])] == [None]


def test_errors_of_the_starting_set_are_none() -> None:
    drafts = tags.prepared(tags.STARTING_SET)
    assert tags.errors_of(drafts) == []
    assert {draft.kind for draft in drafts} == {"factual", "logical", "format", "safety"}
