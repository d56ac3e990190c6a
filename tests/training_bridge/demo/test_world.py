"""The world's problems: the same for a seed, and never in two pools."""

from __future__ import annotations

from itertools import islice

from training_bridge.demo import world


def prompts(pool: str, seed: int, count: int = 300) -> list[str]:
    return [each.prompt for each in islice(world.problems(pool, seed=seed), count)]


def test_problems_are_the_same_for_a_seed_and_distinct() -> None:
    assert prompts(world.HELD_IN, 3) == prompts(world.HELD_IN, 3)
    assert prompts(world.HELD_IN, 3) != prompts(world.HELD_IN, 4)
    assert len(set(prompts(world.HELD_IN, 3))) == 300


def test_pools_are_disjoint_whatever_the_seed() -> None:
    pools = [set(prompts(pool, seed)) for seed, pool in enumerate((world.PRETRAIN, world.HELD_IN, world.HELD_OUT))]
    assert not (pools[0] & pools[1] or pools[0] & pools[2] or pools[1] & pools[2])


def test_parse_refuses_what_is_not_of_this_world() -> None:
    assert world.parse("How old is the sun?") is None
    assert world.parse("Ann has 3 cups and gets 2 more. How many pens does Ann have?") is None
