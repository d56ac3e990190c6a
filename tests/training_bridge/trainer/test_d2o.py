"""D2O's anchors: refreshed under way, sampled under the constraints, and the same again after a run was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_process, test_recipes, toys
from training_bridge.formats import rundir
from training_bridge.trainer import anchors, drawing, generation, instructing, job, loop, models, parallel, starting
from training_bridge.trainer.recipes import d2o

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]

ASKED: dict[str, Any] = {
    "method": "d2o", "max_steps": 8, "anchors": 2, "anchor_max_new_tokens": 4, "save_every": 1, "anchor_refresh": 3,
}  # fmt: skip
RULES = ["Greets the reader", "Leaves out the unit"]


def asked(**more: Any) -> dict[str, Any]:
    return {**ASKED, "rows": test_recipes.d2o_rows(8), **more}


def stored(place: rundir.RunDir) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.anchors.read_text().splitlines()]


class Killed(BaseException):
    """What nothing in the trainer catches."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The n-th call of a function ends the process, as far as this process can."""

    def plant(module: Any, name: str, *, call: int) -> None:
        calls, whole = iter(range(1, 1_000_000)), getattr(module, name)

        def dies(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                monkeypatch.setattr(module, name, whole)
                raise Killed
            return whole(*args, **kwargs)

        monkeypatch.setattr(module, name, dies)

    return plant


@pytest.mark.parametrize("rank", [0, 2], ids=["full", "lora"])
def test_refresh_samples_the_policy_as_it_stands(make: Make, launch: Launch, rank: int) -> None:
    kept, fresh = make("kept", **asked(anchor_refresh=0, lora_rank=rank)), make("fresh", **asked(lora_rank=rank))
    assert launch(kept).reason == launch(fresh).reason == ""
    prompts = len({row["prompt"] for row in test_recipes.d2o_rows(8)})
    assert [row["after"] for row in stored(fresh)] == [0] * prompts + [3] * prompts + [6] * prompts
    assert [event["after"] for event in test_recipes.events(fresh, "anchors")] == [0, 3, 6]
    assert {row["after"] for row in stored(kept)} == {0}
    assert not test_recipes.is_same(kept.checkpoint, fresh.checkpoint)
    phases = [event["phase"] for event in test_recipes.events(fresh, "phase")]
    assert phases == [
        "starting", "loading", "anchors", "reference", "training",
        "anchors", "reference", "training", "anchors", "reference", "training", "saving",
    ]  # fmt: skip
    both = [test_recipes.events(each, "step")[:3] for each in (kept, fresh)]
    assert [step["loss"] for step in both[0]] == [step["loss"] for step in both[1]]


@pytest.mark.parametrize("rank", [0, 2], ids=["full", "lora"])
@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (anchors, "_append", 3),  # the first refresh has sampled, and kept one batch of two
        (d2o, "loss", 4),  # the refresh is whole, its first step is not
        (d2o, "loss", 6),  # two steps after it, none before the next
        (starting, "standing_in", 2),  # the second refresh is sampled, and not scored
    ],
)
def test_killed_around_a_refresh_ends_with_the_same_weights(
    make: Make,
    launch: Launch,
    kill_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    rank: int,
    module: Any,
    name: str,
    call: int,
) -> None:
    monkeypatch.setattr(generation, "ON_CPU", 8)  # two batches
    whole, cut = make("whole", **asked(lora_rank=rank)), make("cut", **asked(lora_rank=rank))
    assert launch(whole).reason == ""
    kill_at(module, name, call=call)
    with pytest.raises(Killed):
        launch(cut)
    assert launch(cut).reason == ""
    assert test_recipes.events(cut, "resumed")
    assert stored(cut) == stored(whole)
    assert test_recipes.is_same(whole.checkpoint, cut.checkpoint)


def test_kill_9_with_refreshes_ends_with_the_same_weights(make: Make, launch: Launch) -> None:
    more = {"max_steps": 60, "save_every": 4, "anchor_refresh": 10}
    whole, cut = make("whole", **asked(**more)), make("cut", **asked(**more))
    assert launch(whole).reason == ""
    process = test_process.start(cut)
    try:
        test_process.wait_for_step(cut, 23)
        process.kill()
        process.wait()
        assert not cut.checkpoint.exists()
        process = test_process.start(cut)
        assert process.wait(timeout=test_process.PATIENCE_SECONDS) == 0, cut.stderr.read_text()
    finally:
        process.kill()
        process.wait()
    assert test_recipes.events(cut, "resumed")[0]["step"] >= 20
    assert test_recipes.is_same(whole.checkpoint, cut.checkpoint)


@pytest.mark.slow
def test_two_processes_sample_the_anchors_of_one(make: Make, launch: Launch) -> None:
    more = {"rows": test_recipes.d2o_rows(30), "max_steps": 1, "anchors": 8, "anchor_refresh": 0}
    one, two = make("one", **asked(**more)), make("two", **asked(**more))
    assert launch(one).reason == ""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, "-m", "training_bridge.trainer", str(two.path)], cwd=test_process.ROOT, env=environment, check=False
    )
    assert ended.returncode == 0, two.read_status()
    assert stored(two) == stored(one)


def test_refreshes_are_for_one_process(make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "count", lambda: 2)
    status = launch(make(**asked()))
    assert "divided between 2 processes" in status.reason


def test_refreshed_anchors_that_are_lost_cannot_be_sampled_again(
    make: Make, launch: Launch, kill_at: Callable[..., None]
) -> None:
    place = make(**asked())
    kill_at(d2o, "loss", call=6)
    with pytest.raises(Killed):
        launch(place)
    lines = place.anchors.read_text().splitlines(keepends=True)
    place.anchors.write_text("".join(lines[:-1]))
    status = launch(place)
    assert status.state == "failed"
    assert "after step 3" in status.reason


def test_a_row_whose_new_anchors_cannot_be_used_goes_back_to_its_first(
    make: Make, job_of: Callable[[rundir.RunDir], job.Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(**asked())
    work = job_of(place)
    policy = models.for_training(asked=work.spec)
    usable = d2o._usable(work, policy)
    rejected = {row["prompt"]: {row["rejected"]} for row, _ in usable}
    keyed = {anchors.key_of(prompt): texts for prompt, texts in rejected.items()}
    first = anchors.sample(job=work, policy=policy, rejected=keyed)
    rows = d2o._rows(work, usable, d2o._encoded(work, policy, first))
    before = {row.key: row.anchors for row in rows}
    empty = next(iter(before))

    def sampled(**_: Any) -> dict[str, list[anchors.Anchor]]:
        said = {key: [{"text": "new.", "ended": True}] * 2 for key in keyed}
        return {**said, empty: [{"text": "", "ended": False}, {"text": "new.", "ended": True}]}

    monkeypatch.setattr(anchors, "sample", sampled)
    refresh = d2o.Refresh(job=work, policy=policy, rows=rows, rejected=keyed)
    refresh.bring(2)
    assert all(row.anchors is before[row.key] for row in rows)
    policy.model.train()
    refresh.bring(3)
    assert [row.anchors is before[row.key] for row in rows] == [row.key == empty for row in rows]
    assert all(each.reference is not None for row in rows if row.key != empty for each in row.anchors)
    assert policy.model.training


def test_constraints_are_told_and_neither_kept_nor_trained(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    complete = generation.complete

    def spied(**kwargs: Any) -> list[generation.Completion]:
        words = kwargs["policy"].tokenizer
        seen.extend(words.decode(ids) for ids in kwargs["prompts"])
        return complete(**kwargs)

    trained: list[str] = []
    loss = d2o.loss

    def watched(work: job.Job, policy: models.Policy, rows: list[d2o.Row], step: loop.Step[d2o.Row]) -> loop.Loss:
        trained.extend(policy.tokenizer.decode(each.ids) for row in rows for each in row.anchors)
        return loss(work, policy, rows, step)

    monkeypatch.setattr(generation, "complete", spied)
    monkeypatch.setattr(d2o, "loss", watched)
    place = told(make("told", **asked(anchor_constraints=True)))
    assert launch(place).reason == ""
    prompts = {row["prompt"] for row in test_recipes.d2o_rows(8)}
    wanted = instructing.text_of(RULES).replace(":", "<unk>")  # no letter of the toy tokenizer
    assert {text.rpartition("\n\n")[0] for text in seen} == {wanted}
    assert {text.rpartition("\n\n")[2] for text in seen} == prompts
    assert {row["prompt"] for row in stored(place)} == prompts
    assert {row["instructions"] for row in stored(place)} == {instructing.sha256_of(instructing.text_of(RULES))}
    assert trained
    assert not any("prohibitions" in text for text in trained)


def told(place: rundir.RunDir) -> rundir.RunDir:
    values = json.loads(place.spec.read_text())
    place.spec.write_text(json.dumps({**values, "constraints": RULES}))
    return place


def test_anchors_of_other_instructions_are_not_taken(make: Make, job_of: Callable[[rundir.RunDir], job.Job]) -> None:
    """A folder whose spec was changed between launches: what was sampled without the constraints stays unused."""
    place = make(**asked())
    rejected = {anchors.key_of(row["prompt"]): {row["rejected"]} for row in test_recipes.d2o_rows(8)}
    work = job_of(place)
    policy = models.for_training(asked=work.spec)
    plain = anchors.sample(job=work, policy=policy, rejected=rejected)
    values = json.loads(place.spec.read_text())
    values["hyperparameters"]["anchor_constraints"] = True
    place.spec.write_text(json.dumps(values))
    work = job_of(told(place))
    prompted = anchors.sample(job=work, policy=policy, rejected=rejected)
    assert prompted != plain
    assert len(stored(place)) == 2 * len(rejected)
    assert anchors.sample(job=work, policy=policy, rejected=rejected) == prompted
    assert len(stored(place)) == 2 * len(rejected)


def test_constraints_without_statements_are_refused(make: Make, launch: Launch) -> None:
    status = launch(make(**asked(anchor_constraints=True)))
    assert status.state == "failed"
    assert "no constraints to tell" in status.reason


TEMPLATE = "{% for each in messages %}<{{ each.role }}>{{ each.content }}\n{% endfor %}<assistant>"
CHAT = [{"role": "user", "content": "2 + 2"}]


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{{ messages[-1].content }}", "leaves the system message out"),
        ("{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}x", "no system"),
    ],
)
def test_a_template_that_takes_no_system_message_is_refused(template: str, what: str) -> None:
    words = toys.character_tokenizer()
    words.chat_template = template
    with pytest.raises(Exception, match=what):
        instructing.prompt_ids(words, CHAT, told="Be brief.", at_most=0)


def test_instructions_stand_in_the_system_message() -> None:
    words = toys.character_tokenizer()
    words.chat_template = TEMPLATE.replace("<", "").replace(">", "")
    found = words.decode(instructing.prompt_ids(words, CHAT, told="Be brief.", at_most=0))
    assert found == "systemBe brief.\nuser2 + 2\nassistant"


def test_a_long_prompt_loses_its_beginning_and_never_the_instructions() -> None:
    words = toys.character_tokenizer()
    found = instructing.prompt_ids(words, "abcdefgh", told="Be brief.", at_most=3)
    assert words.decode(found) == "Be brief.\n\nfgh"
    whole = instructing.prompt_ids(words, "abcdefgh", told="Be brief.", at_most=8)
    assert words.decode(whole) == "Be brief.\n\nabcdefgh"
    assert words.decode(instructing.prompt_ids(words, "abcdefgh", told="", at_most=3)) == "fgh"


def test_an_anchor_fits_beside_its_prompt(make: Make, launch: Launch) -> None:
    """Prompts of 8 characters, rows of at most 12: anchors get 4 tokens, though 50 are asked for."""
    place = make(**asked(anchor_max_new_tokens=50, max_length=12, anchor_refresh=0))
    assert launch(place).reason == ""
    lengths = [len(each["text"]) + each["ended"] for row in stored(place) for each in row["anchors"]]
    assert max(lengths) == 4


def test_instructions_that_fill_the_context_are_refused(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instructing, "text_of", lambda _: "x" * 510)
    status = launch(told(make(**asked(anchor_constraints=True))))
    assert "nothing is left for an answer" in status.reason


def test_more_draws_than_a_batch_holds_are_drawn_in_parts(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    complete = generation.complete

    def counted(**kwargs: Any) -> list[generation.Completion]:
        sizes.append(len(kwargs["prompts"]))
        return complete(**kwargs)

    monkeypatch.setattr(generation, "complete", counted)
    monkeypatch.setattr(generation, "ON_CPU", 3)
    place = make(**asked(anchors=5, max_steps=1))
    assert launch(place).reason == ""
    assert max(sizes) == 3
    assert {len(row["anchors"]) for row in stored(place)} == {5}


def test_a_gpu_draws_as_many_as_a_quarter_of_its_memory_holds(
    make: Make, job_of: Callable[[rundir.RunDir], job.Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = models.load(asked=job_of(make(**asked())).spec)
    assert generation.at_once(policy, tokens=100) == 64
    on_gpu = models.Policy(
        model=policy.model, tokenizer=policy.tokenizer, device=torch.device("cuda"), dtype=torch.bfloat16
    )

    class Card:
        total_memory = 4 * 10_000_000

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Card)
    cached = 2 * 2 * 2 * 16 * 2 * 100  # keys and values, layers, heads, width, bytes, tokens
    scored = 6 * 4 * (len(toys.LETTERS) + 3)
    assert generation.at_once(on_gpu, tokens=100) == 10_000_000 // (cached + scored)
    Card.total_memory = 1 << 40
    assert generation.at_once(on_gpu, tokens=100) == 1024


def test_transformers_draw_what_generation_draws(make: Make, job_of: Callable[[rundir.RunDir], job.Job]) -> None:
    work = job_of(make(**asked()))
    policy = models.load(asked=work.spec)
    settings = generation.Settings(temperature=1.0, top_p=1.0, max_new_tokens=4)
    prompts = [[5, 6], [7]]
    with drawing.opened(engine="transformers", job=work, policy=policy, tokens=6) as complete:
        found = complete(prompts=prompts, settings=settings, seed="s", check=lambda: None)
    wanted = generation.complete(policy=policy, prompts=prompts, settings=settings, seed="s", check=lambda: None)
    assert found == wanted
