"""What is told of the watched answers, when, and what the guard hands back."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_paired, test_recipes
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import data, guard, held_out, models, probe
from training_bridge.trainer.recipes import unpaired

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], Any]


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ({"max_steps": 5, "probe_every": 2}, [2, 4, 5]),
        ({"max_steps": 5, "probe_every": 9}, [5]),
        ({"max_steps": 3}, [1, 2, 3]),
    ],
)
def test_looks_are_as_often_as_asked_and_after_the_last_step(
    make: Make, launch: Launch, asked: dict[str, Any], steps: list[int]
) -> None:
    place = make(method="npo", rows=test_recipes.kto_rows(), **asked)
    assert launch(place).reason == ""
    assert [event["step"] for event in test_recipes.events(place, "probe")] == steps


def test_a_tenth_of_the_steps_unless_it_is_set(make: Make, job_of: JobOf) -> None:
    items = [data.Encoded(ids=[3, 4], prompt_length=1)]
    watched = probe.of(items=items, job=job_of(make(method="kto", max_steps=250)))
    assert watched is not None
    assert watched.every == 25


def test_a_look_tells_the_means_of_the_whole_distributions(make: Make, job_of: JobOf) -> None:
    place = make(method="kto", batch_size=2, max_steps=1)
    policy = models.load(asked=place.read_spec())
    items = [data.Encoded(ids=[3, 4, 5, 6 + number], prompt_length=1 + number % 3) for number in range(5)]
    watched = probe.of(items=items, job=job_of(place))
    assert watched is not None
    watched.begin(policy)
    chosen, entropies, masses = [], [], []
    for item in items:
        with torch.no_grad():
            scores = policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1]
        scores = scores.log_softmax(1)
        chosen += [row[token].item() for row, token in zip(scores, item.ids[item.prompt_length :], strict=True)]
        entropies += torch.special.entr(scores.exp()).sum(1).tolist()
        masses += scores.exp().topk(probe.TOP, dim=1).values.sum(1).tolist()
    told = watched.before
    found = [told.mean_logprob, told.entropy, told.top_mass]
    assert found == pytest.approx([sum(each) / len(each) for each in (chosen, entropies, masses)], abs=1e-5)


def test_a_fall_is_told_once_and_stands_in_the_manifest(make: Make, launch: Launch) -> None:
    place = make(**test_recipes.falling(learning_rate=3e-3))
    assert launch(place).reason == ""
    looks = test_recipes.events(place, "probe")
    first = next(event for event in looks if event["change"] < -probe.WARNED_AT)
    assert first is not looks[-1]
    [displaced] = test_recipes.events(place, "displaced")
    assert (displaced["step"], displaced["change"]) == (first["step"], first["change"])
    facts = manifest.verify(place.checkpoint)
    assert facts["displaced"]["step"] == first["step"]
    assert (facts["rows"]["read"], facts["rows"]["long_rows"]) == (12, "refuse")
    assert "stopped" not in facts


def test_nothing_is_said_where_nothing_fell(make: Make, launch: Launch) -> None:
    place = make(method="sft", rows=test_recipes.kto_rows(), max_steps=3)
    launch(place)
    assert test_recipes.events(place, "displaced") == []
    assert "displaced" not in manifest.verify(place.checkpoint)


def test_the_numbers_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(held_out)
    assert (tried.attempted > 1, tried.failed) == (True, 0)


def test_held_out_answers_are_watched_and_not_trained_on(make: Make, launch: Launch, job_of: JobOf) -> None:
    rows = test_recipes.kto_rows(24)
    work = job_of(make(method="npo", rows=rows, hold_out=0.25))
    policy = models.load(asked=work.spec)
    read = unpaired.read(job=work, policy=policy)
    trained, watched = unpaired.divided(job=work, rows=read)
    out = [row for row in read if row.item in watched]
    assert all(row.is_accepted for row in out)
    assert trained == [row for row in read if row not in out]
    prompts = {row.prompt_key for row in read if row.is_accepted}
    assert len({row.prompt_key for row in out}) == round(len(prompts) / 4)
    assert not {row.prompt_key for row in out} & {row.prompt_key for row in trained if row.is_accepted}
    [told] = test_recipes.events(work.folder, "watched")
    assert (told["good"], told["held_out"]) == (sum(row.is_accepted for row in read), len(out))


def test_without_a_share_the_watched_answers_are_trained_on(make: Make, job_of: JobOf) -> None:
    work = job_of(make(method="kto", rows=test_recipes.kto_rows(8)))
    read = unpaired.read(job=work, policy=models.load(asked=work.spec))
    trained, watched = unpaired.divided(job=work, rows=read)
    assert (trained, watched) == (read, [row.item for row in read if row.is_accepted])


@pytest.mark.parametrize("method", ["kto", "npo", "bnf", "gradient_ascent", "sft", "cut", "dpo", "orpo"])
def test_every_method_on_stored_answers_holds_some_out(make: Make, launch: Launch, method: str) -> None:
    rows = test_paired.pairs(8) if method in ("dpo", "orpo") else test_recipes.kto_rows(16)
    rows = [{**row, "critiques": ["wrong sum"]} for row in rows] if method == "cut" else rows
    place = make(method=method, rows=rows, hold_out=0.5, max_steps=1, batch_size=4)
    assert launch(place).reason == ""
    [told] = test_recipes.events(place, "watched")
    assert 0 < told["held_out"] < told["good"]


def test_a_guard_whose_first_look_fails_hands_back_the_base(make: Make, launch: Launch) -> None:
    place = make(**test_recipes.falling(learning_rate=3e-2, probe_every=20, stop_below=1e-4))
    assert launch(place).state == "succeeded"
    facts = manifest.verify(place.checkpoint)
    assert (facts["steps"], facts["stopped"]["step"], facts["stopped"]["kept"]) == (0, 20, 0)
    assert (facts["stopped"]["kept_change"], facts["stopped"]["allowed"]) == (0.0, 1e-4)
    base = test_recipes.weights(place.path.parents[0] / place.read_spec().base.location)
    kept = test_recipes.weights(place.checkpoint)
    assert all(kept[name].equal(base[name]) for name in kept)


def test_the_guard_keeps_the_best_look_and_stops_below_it(make: Make, job_of: JobOf) -> None:
    place = make(method="kto")
    policy = models.load(asked=place.read_spec())
    kept = guard.Guard(folder=place.steps, allowed=0.25, fingerprint="")
    kept.begin(policy)
    assert [kept.holds(policy, step=step, change=change) for step, change in [(1, -0.2), (2, 0.5), (3, 0.3)]] == [
        True
    ] * 3
    assert kept.holds(policy, step=4, change=0.5)  # as good, and learned longer
    assert not kept.holds(policy, step=5, change=0.2)
    assert (kept.restore(policy), kept.kept_change) == (4, 0.5)


def test_a_resumed_guard_does_not_judge_a_look_before_the_one_it_kept(make: Make, job_of: JobOf) -> None:
    place = make(method="kto")
    policy = models.load(asked=place.read_spec())
    first, again = (guard.Guard(folder=place.steps, allowed=0.1, fingerprint="") for _ in range(2))
    first.begin(policy)
    assert first.holds(policy, step=7, change=0.5)
    again.begin(policy)
    assert again.holds(policy, step=6, change=0.0)
    assert (again.restore(policy), again.kept_change) == (7, 0.5)
    assert not again.holds(policy, step=8, change=0.0)


def test_a_guard_keeps_nothing_of_another_spec(make: Make, job_of: JobOf) -> None:
    place = make(method="kto")
    policy = models.load(asked=place.read_spec())
    folder = place.steps
    old = guard.Guard(folder=folder, allowed=1.0, fingerprint="old")
    old.begin(policy)
    assert old.holds(policy, step=7, change=0.5)
    again = guard.Guard(folder=folder, allowed=1.0, fingerprint="old")
    again.begin(policy)
    assert (again.restore(policy), again.kept_change) == (7, 0.5)
    new = guard.Guard(folder=folder, allowed=1.0, fingerprint="new")
    new.begin(policy)
    assert (new.restore(policy), new.kept_change) == (0, 0.0)
