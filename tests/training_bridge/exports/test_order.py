from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from training_bridge.exports import order


def places(prompts: list[int]) -> list[order.Place]:
    return [
        order.Place(key=order.key(seed=1, content_key=str(number)), prompt_id=prompt, output_id=number)
        for number, prompt in enumerate(prompts)
    ]


@given(prompts=st.lists(st.integers(0, 6), max_size=60))
def test_arrange_parts_neighbours_wherever_possible(prompts: list[int]) -> None:
    arranged = order.arrange(places(prompts))
    assert sorted(each.output_id for each in arranged) == list(range(len(prompts)))
    most = max(Counter(prompts).values(), default=0)
    unavoidable = max(0, 2 * most - len(prompts) - 1)
    touching = sum(a.prompt_id == b.prompt_id for a, b in itertools.pairwise(arranged))
    assert touching <= unavoidable


@given(prompts=st.lists(st.integers(0, 6), max_size=30), data=st.data())
def test_arrange_depends_on_the_seed_only(prompts: list[int], data: st.DataObject) -> None:
    listed = places(prompts)
    assert order.arrange(data.draw(st.permutations(listed))) == order.arrange(listed)


def test_is_held_out_keeps_about_the_share() -> None:
    held = sum(order.is_held_out(seed=0, prompt_sha256=str(number), share=0.2) for number in range(2000))
    assert 320 < held < 480
    assert not any(order.is_held_out(seed=0, prompt_sha256=str(number), share=0) for number in range(100))
