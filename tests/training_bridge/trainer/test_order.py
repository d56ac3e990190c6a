from __future__ import annotations

from training_bridge.trainer import order
from training_bridge.trainer.recipes import kto


def test_batch_gives_every_row_once_an_epoch() -> None:
    batches = order.Order(count=12, batch_size=4, seed=1)
    assert sorted(row for index in range(3) for row in batches.batch(index)) == list(range(12))
    assert sorted(row for index in range(3, 6) for row in batches.batch(index)) == list(range(12))
    assert [batches.batch(index) for index in range(3)] != [batches.batch(index) for index in range(3, 6)]


def test_batch_depends_on_seed_and_index_only() -> None:
    one, other = order.Order(count=50, batch_size=8, seed=3), order.Order(count=50, batch_size=8, seed=3)
    for index in range(20):
        one.batch(index)
    assert one.batch(17) == other.batch(17)
    assert one.batch(17) != order.Order(count=50, batch_size=8, seed=4).batch(17)


def test_batch_never_holds_a_row_twice() -> None:
    few = order.Order(count=3, batch_size=8, seed=0)
    assert [sorted(few.batch(index)) for index in range(3)] == [[0, 1, 2]] * 3


def test_batch_by_lengths_puts_like_lengths_together() -> None:
    lengths = [each % 100 for each in range(1600)]
    batches = order.Order(count=1600, batch_size=16, seed=0, lengths=lengths)
    found = [batches.batch(index) for index in range(100)]
    assert sorted(row for batch in found for row in batch) == list(range(1600))
    spread = max(max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in found)
    assert spread < 40


def test_partners_never_share_a_prompt_and_serve_once() -> None:
    prompts = [f"prompt {each % 7}" for each in range(40)]
    found = kto.partners(prompts, seed=5)
    assert all(other is not None and prompts[other] != prompts[row] for row, other in enumerate(found))
    assert sorted(each for each in found if each is not None) == list(range(40))
    assert found == kto.partners(prompts, seed=5)


def test_partners_when_one_prompt_has_most_rows() -> None:
    prompts = ["common"] * 9 + ["rare"]
    found = kto.partners(prompts, seed=0)
    assert all(other is not None and prompts[other] != prompts[row] for row, other in enumerate(found))


def test_partners_of_a_single_prompt_are_none() -> None:
    assert kto.partners(["same"] * 4, seed=0) == [None] * 4
