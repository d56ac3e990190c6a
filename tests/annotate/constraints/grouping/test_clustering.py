from __future__ import annotations

import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import statements
from annotate.constraints.grouping.clustering import Anchor, Item, Tuning
from annotate.constraints.grouping.embedding import Text

DATES = [f"says a date the source does not give: {year}" for year in range(1990, 1996)]
UNITS = [f"the unit should be apples, not {fruit}" for fruit in ("pears", "plums", "figs", "dates", "limes")]


def items(*critiques: str) -> list[Item]:
    return [Item(number, Text(critique)) for number, critique in enumerate(critiques, start=1)]


def test_group_separates_different_complaints() -> None:
    found = grouping.group(items=items(*DATES, *UNITS, "rude"))
    assert [set(each.members) for each in found.groups] == [{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11}]
    assert found.rest == [12]


def test_group_leaves_violations_without_text_together() -> None:
    found = grouping.group(items=[Item(id_, Text()) for id_ in range(50)])
    assert not found.groups
    assert found.rest == list(range(50))


def test_group_makes_no_singletons_of_different_quotes() -> None:
    words = [Item(id_, Text(quote=f"{chr(97 + id_ % 26) * 4}{chr(97 + id_ // 26) * 5}")) for id_ in range(300)]
    found = grouping.group(items=words)
    assert len(found.groups) <= grouping.MOST_GROUPS
    assert all(len(each.members) >= grouping.smallest(300) for each in found.groups)


def test_group_joins_the_nearest_anchor() -> None:
    anchors = [Anchor(7, [Text(DATES[0])]), Anchor(9, [Text(UNITS[0])])]
    found = grouping.group(items=items(DATES[3], UNITS[3], "rude"), anchors=anchors)
    assert {id_: key for id_, (key, _) in found.joined.items()} == {1: 7, 2: 9}
    assert found.rest == [3]


def test_group_of_equally_near_anchors_takes_the_lowest_key() -> None:
    found = grouping.group(items=items(DATES[0]), anchors=[Anchor(9, [Text(DATES[0])]), Anchor(7, [Text(DATES[0])])])
    assert found.joined[1] == (7, 1.0)


def test_group_lets_an_old_group_take_only_what_says_as_much_of_it_as_its_own() -> None:
    told = functools.partial(
        grouping.group, items=items(*UNITS), anchors=[Anchor(7, [Text(each) for each in DATES])], least=9
    )
    assert len(told(tuning=Tuning(alike=-1.0, shared=0.0)).joined) == len(UNITS)
    assert not told(tuning=Tuning(alike=-1.0)).joined


def test_group_founds_one_for_a_new_kind_and_leaves_the_known_to_the_old() -> None:
    anchors = [Anchor(7, [Text(each) for each in DATES])]
    found = grouping.group(items=items(*DATES[:3], *UNITS), anchors=anchors)
    assert set(found.joined) == {1, 2, 3}
    assert [set(each.members) for each in found.groups] == [{4, 5, 6, 7, 8}]


def test_group_founds_no_second_one_of_an_old_kind() -> None:
    anchors = [Anchor(7, [Text(each) for each in DATES])]
    found = grouping.group(items=items(*DATES, *DATES), anchors=anchors)
    assert len(found.joined) == 12
    assert not found.groups


def test_group_ignores_critiques_that_are_json() -> None:
    found = grouping.group(items=[Item(id_, Text(f'{{"passage_id": {id_}}}')) for id_ in range(20)])
    assert not found.groups


def test_group_is_bounded() -> None:
    many = [Item(id_, Text(f"complaint number {chr(97 + id_ % 26)}{id_ % 7} about {id_ % 40}")) for id_ in range(400)]
    assert len(grouping.group(items=many, most=3).groups) <= 3
    assert not grouping.group(items=many, most=0).groups


TEXTS = st.sampled_from(
    [*(Text(each) for each in DATES), *(Text(each) for each in UNITS), Text(), Text(quote="3"), Text("", "EMI", "RCA")]
)


@settings(max_examples=15, deadline=None)
@given(
    texts=st.lists(st.one_of(TEXTS, st.builds(Text, st.text(max_size=30), st.text(max_size=10))), max_size=40),
    seed=st.integers(0, 99),
)
def test_group_depends_on_nothing_but_the_set_of_items(texts: list[Text], seed: int) -> None:
    listed = [Item(number, text) for number, text in enumerate(texts)]
    shuffled = random.Random(seed).sample(listed, len(listed))
    anchors = [Anchor(1, [Text(DATES[2])]), Anchor(2, [Text("", "EMI", "")])]
    first = grouping.group(items=listed, anchors=anchors, least=3)
    again = grouping.group(items=shuffled, anchors=anchors[::-1], least=3)
    assert first == again
    places = [*first.joined, *first.rest, *(id_ for each in first.groups for id_ in each.members)]
    assert sorted(places) == sorted(item.id for item in listed)
    assert all(each.medoid in each.members and len(each.members) >= 3 for each in first.groups)


def test_group_samples_large_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "SAMPLE", 40)
    monkeypatch.setattr(grouping, "CHUNK", 7)
    texts = [f"says a date the source does not give {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(120)]
    found = grouping.group(items=items(*texts))
    assert len(found.groups) == 1
    assert len(found.groups[0].members) > 100


def test_medoid_is_the_most_typical() -> None:
    assert grouping.medoid(items("rude", "the source gives no date", "the source gives no such date")) in (2, 3)
    assert grouping.medoid([Item(1, Text())]) is None


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (Text("Says a date the source does not give."), "Invented fact: says a date the source does not give"),
        (Text("EMI is wrong. It was RCA."), "Invented fact: EMI is wrong"),
        (Text(quote="31 August"), "Invented fact: as in “31 August”"),
        (Text(correction="RCA", quote="EMI"), "Invented fact: where it should read “RCA”"),
        (Text(), "Invented fact: not in the source"),
        (Text("<script>alert(1)</script>"), "Invented fact: <script>alert(1)</script>"),
        (Text("a\u202eb\nc"), "Invented fact: ab c"),
    ],
)
def test_draft_names_the_prohibition(text: Text, statement: str) -> None:
    assert statements.draft(tag="Invented fact", description="Not in the source.", text=text) == statement


def test_draft_is_short() -> None:
    assert len(statements.draft(tag="t" * 120, text=Text("word " * 1000))) <= statements.LONGEST
