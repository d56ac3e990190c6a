"""The science bench on a miniature world: its rows, its sampler, one cell from its run folder to its line."""

import json
from pathlib import Path

import pytest
import torch

from tests.bench.science import bases, cells, measuring, plans, policies, pool, worlds
from training_bridge.demo import truth, world
from training_bridge.trainer import data, generation, models

MINI = worlds.WORLDS["mini"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("science")


@pytest.fixture(scope="module")
def base(work: Path) -> bases.Base:
    return bases.prepare(MINI, seed=1, work=work)


def test_worlds_ask_what_their_pools_hold() -> None:
    for place in worlds.WORLDS.values():
        asked = worlds.problems(place, world.HELD_OUT, seed=1, count=40)
        assert len({each.prompt for each in asked}) == 40
        assert all(world.pool_of(each.prompt) == world.HELD_OUT for each in asked)
        assert all(world.parse(each.prompt) == each for each in asked)
        assert max(each.second for each in asked) <= place.most
    assert worlds.problems(MINI, world.HELD_IN, seed=1, count=5) == worlds.problems(
        MINI, world.HELD_IN, seed=1, count=5
    )


def test_characters_are_one_token_each(tmp_path: Path) -> None:
    worlds.write_start(worlds.WORLDS["characters"], tmp_path)
    words = models.tokenizer(str(tmp_path))
    text = "Ann has 12 apples. 7 + 5 = 12."
    assert len(words(text, add_special_tokens=False)["input_ids"]) == len(text)
    assert words.decode(words(text)["input_ids"], skip_special_tokens=True) == text


def test_a_row_has_the_spans_of_its_findings() -> None:
    problem = world.Problem(kind="gain", name="Ann", first=8, second=5, unit="apples", rule="none")
    text = "8 + 5 = 13. Ben has 13 pears."
    made = bases.row(problem, text, truth.judge(problem=problem, text=text), name="1")
    assert not made["label"]
    assert [text[each["start"] : each["end"]] for each in made["spans"]] == ["Ben", "pears"]
    assert made["severity"] == "critical"
    right = "8 + 5 = 13. Ann has 13 apples."
    assert bases.row(problem, right, truth.judge(problem=problem, text=right), name="2")["label"]


def test_what_was_left_out_is_penalised_whole() -> None:
    problem = world.Problem(kind="gain", name="Ann", first=8, second=5, unit="apples", rule="begin")
    text = "8 + 5 = 13. Ann has 13 apples."
    made = bases.row(problem, text, truth.judge(problem=problem, text=text), name="1")
    assert not made["label"]
    assert made["spans"] == []


@pytest.mark.parametrize(
    ("rule", "text", "mended"),
    [
        ("none", "8 + 5 = 12. Ben has 13 pears. Numbers are fun.", "8 + 5 = 13. Ann has 13 apples."),
        ("sum", "Ann has 13 apples.", "none"),  # the sum is missing, and nobody wrote it
    ],
)
def test_a_correction_mends_what_is_wrong_in_place(rule: str, text: str, mended: str) -> None:
    problem = world.Problem(kind="gain", name="Ann", first=8, second=5, unit="apples", rule=rule)
    made = bases.row(problem, text, truth.judge(problem=problem, text=text), name="1")
    pair = bases.corrected(made)
    assert (pair["chosen"] if pair else "none") == mended


def test_a_rejected_answer_has_its_critiques() -> None:
    problem = world.Problem(kind="gain", name="Ann", first=8, second=5, unit="apples", rule="none")
    bad, good = "8 + 5 = 13. Ann has 13 pears.", "8 + 5 = 13. Ann has 13 apples."
    rows = [bases.row(problem, text, truth.judge(problem=problem, text=text), name="1") for text in (bad, good)]
    told, silent = (bases.criticised(row)["critiques"] for row in rows)
    assert len(told) == 1
    assert "pears" in told[0]
    assert silent == []


def test_pairs_and_critiques_are_made_of_the_judged_rows(base: bases.Base) -> None:
    ways = {way.method: plans.cell("mini", 1, way, rate=1e-4) for way in plans.WAYS}
    rejected = [row for row in cells._rows(ways["bnf"], base) if not row["label"]]
    assert cells._rows(ways["dpo"], base) == [pair for row in rejected if (pair := bases.corrected(row))]
    told = [row for row in cells._rows(ways["cut"], base) if not row["label"]]
    assert len(told) == len(rejected)
    assert all(row["critiques"] for row in told)


def test_the_sampler_is_the_trainers_where_nothing_is_drawn(base: bases.Base) -> None:
    policy = policies.load(base.checkpoint)
    prompts = [each.prompt for each in base.held_out]
    theirs = generation.complete(
        policy=policy,
        prompts=[data.prompt_ids(policy.tokenizer, prompt) for prompt in prompts],
        settings=generation.Settings(temperature=0, top_p=1, max_new_tokens=20),
        seed="0",
        check=lambda: None,
    )
    ours = policies.sample(policy, prompts, at_most=20, seed="0", temperature=0)
    assert [row[0].text for row in ours] == [each.text for each in theirs]
    assert [row[0].ended for row in ours] == [each.ended for each in theirs]


def test_the_sampler_draws_what_the_model_says(base: bases.Base) -> None:
    """The share of each first token, over 4,000 draws, against the model's own probabilities."""
    policy = policies.load(base.checkpoint)
    prompt = base.held_out[0].prompt
    drawn = policies.sample(policy, [prompt], at_most=1, seed="1", each=4000)[0]
    said = policies.sample(policy, [prompt], at_most=1, seed="1", each=4000)[0]
    assert drawn == said
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([data.prompt_ids(policy.tokenizer, prompt)])).logits[0, -1]
    chances = logits.softmax(0)
    for token in chances.topk(3).indices.tolist():
        text = policy.tokenizer.decode([token], skip_special_tokens=True)
        share = sum(each.text == text for each in drawn) / 4000
        assert share == pytest.approx(chances[token].item(), abs=0.03)


def test_answers_that_end_early_leave_the_others_alone(base: bases.Base) -> None:
    """Every drawn answer has the log-prob that the trainer gives it: no key or value went astray in the batch."""
    policy = policies.load(base.checkpoint)
    prompts = [each.prompt for each in base.held_out]
    together = policies.sample(policy, prompts, at_most=20, seed="0", temperature=0)
    for prompt, row in zip(prompts, together, strict=True):
        assert policies.sample(policy, [prompt], at_most=20, seed="0", temperature=0) == [row]


def test_a_cell_is_trained_measured_and_kept_once(work: Path, base: bases.Base) -> None:
    way = plans.WAYS[0]
    cell = plans.cell("mini", 1, way, rate=1e-4, has_tries=True, max_steps=2)
    assert pool.run([cell], work=work, workers=1, until=float("inf")) == 0
    kept = pool.results(work)[cell.key]
    assert kept["reason"] == ""
    assert len(kept["clean_of"]) == len(base.held_out)
    assert kept["clean"] == sum(map(int, kept["clean_of"])) / (measuring.EACH * len(base.held_out))
    assert kept["entropy"] > 0
    lines = (work / pool.RESULTS).read_text()
    assert pool.run([cell], work=work, workers=1, until=float("inf")) == 0
    assert (work / pool.RESULTS).read_text() == lines
    assert not list((work / cells.SCRATCH).glob("*@*"))


def test_a_cell_that_fails_says_why(work: Path, base: bases.Base) -> None:
    cell = cells.Cell(
        world="mini",
        seed=1,
        label="guard of nothing",
        method="kto",
        is_rejected_only=True,
        hyperparameters={"stop_below": 0.1, "max_steps": 1, "batch_size": 4},
    )
    found = cells.run(cell, work=work)
    assert "stop_below" in found["reason"]
    assert "clean" not in found
    assert json.dumps(found)


def test_no_cell_begins_after_the_hour(work: Path) -> None:
    wanted = list(plans.masks("mini", [1]))
    assert pool.run(wanted, work=work / "later", workers=1, until=0.0) == len(wanted)
    assert len({each.key for each in wanted}) == len(wanted)
