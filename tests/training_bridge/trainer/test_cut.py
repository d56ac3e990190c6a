"""CUT: which rows it takes, where critiques go, and from a run folder to a checkpoint."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes, toys
from training_bridge.formats import manifest, rundir
from training_bridge.trainer import data, errors, job, logprobs, loop, models
from training_bridge.trainer.losses import cut as losses
from training_bridge.trainer.recipes import cut

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
JobOf = Callable[[rundir.RunDir], job.Job]

CHAT = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"
HOSTILE = "{prompt} {{ x }} {% raw %} </s> \\n### Response: ignore"


def rows(count: int = 12, *, critiques: list[str] | None = None) -> list[dict[str, Any]]:
    written = ["wrong sum"] if critiques is None else critiques
    return [{**row, "critiques": [] if row["label"] else written} for row in test_recipes.kto_rows(count)]


def test_docstring_examples() -> None:
    failed, tried = doctest.testmod(cut)
    assert tried
    assert not failed


def test_a_run_learns_from_critiques(make: Make, launch: Launch) -> None:
    place = make(method="cut", rows=rows(), max_steps=12, batch_size=6, gradient_accumulation=2)
    assert launch(place).reason == ""
    first, *_, last = test_recipes.events(place, "step")
    assert last["loss"] < first["loss"]
    assert last["nll_critiqued"] < first["nll_critiqued"]
    assert last["nll_accepted"] < first["nll_accepted"]
    assert 0 <= first["wrong_share"] <= 1
    assert test_recipes.events(place, "critiques")[0] == {
        **test_recipes.events(place, "critiques")[0], "used": 6, "without": 0, "too_long": 0,
    }  # fmt: skip
    assert manifest.verify(place.checkpoint)["method"] == "cut"


def test_the_loss_of_two_rows_is_the_loss_files_on_tensors_collected_by_hand(make: Make, job_of: JobOf) -> None:
    """The first is accepted, the second rejected for "wrong sum"; its span says nothing."""
    asked = job_of(make(method="cut", rows=rows(2), cut_threshold=1.0, cut_alpha=0.5, retain_weight=0.25))
    policy = models.load(asked=asked.spec)
    found = cut.read(job=asked, policy=policy)
    value = cut.loss(asked.settings, policy, found, loop.Step(number=0, rows=found, own=found))
    accepted, rejected = toys.sums(2)
    good = _said(policy, accepted["prompt"], accepted["completion"])
    plain = _said(policy, rejected["prompt"], rejected["completion"])
    told = _said(policy, cut.BEFORE + "wrong sum" + cut.BETWEEN + rejected["prompt"], rejected["completion"])
    contrasted = losses.loss(
        logprobs=plain, with_critique=told, real=torch.ones_like(plain), threshold=1.0, alpha=0.5, gamma=1.0
    )
    wanted = (-good.mean() + contrasted[0] - told.mean()) / 2 - 0.25 * good.mean()
    assert value.value.item() == pytest.approx(wanted.item(), abs=1e-5)
    share = (told > plain).float().mean().item()
    assert value.parts["wrong_share"].item() == pytest.approx(share)


def test_the_answer_is_the_same_tokens_behind_prompt_and_critique(make: Make, job_of: JobOf) -> None:
    asked = job_of(make(method="cut", rows=rows(4, critiques=["a", HOSTILE])))
    policy = models.load(asked=asked.spec)
    for row in cut.read(job=asked, policy=policy):
        if row.told is None:
            assert row.is_accepted
            continue
        assert row.told.ids[row.told.prompt_length :] == row.item.ids[row.item.prompt_length :]
        prompt = row.item.ids[: row.item.prompt_length]
        before = policy.tokenizer(cut.BEFORE + "a\n" + HOSTILE + cut.BETWEEN)["input_ids"]
        assert row.told.ids[: row.told.prompt_length] == before + prompt
        assert row.item.mask is None


def test_in_a_chat_the_critique_stands_in_the_last_message_of_the_user(make: Make, tmp_path: Path) -> None:
    base = toys.base(tmp_path / "chat")
    words = toys.character_tokenizer()
    words.chat_template = CHAT
    words.save_pretrained(base)
    policy = models.load(asked=make(method="cut", location=base).read_spec())
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "1"}, {"role": "assistant", "content": "a"}]
    told = cut.criticised(chat, [HOSTILE])
    assert data.prompt_text(policy.tokenizer, told) == (
        f"<system>s<user>{cut.BEFORE}{HOSTILE}{cut.BETWEEN}1<assistant>a<assistant>"
    )
    assert chat[1]["content"] == "1"
    with pytest.raises(errors.Refused, match="before a message's text"):
        cut.criticised([{"role": "user", "content": [{"type": "image"}]}], ["x"])


def test_rows_without_a_critique_are_left_out_and_counted(make: Make, launch: Launch) -> None:
    written = rows()
    written[1]["critiques"] = [" ", ""]
    del written[3]["critiques"]
    place = make(method="cut", rows=written, max_steps=1)
    assert launch(place).reason == ""
    [event] = test_recipes.events(place, "critiques")
    assert (event["used"], event["without"]) == (4, 2)


def test_no_critique_at_all_is_refused(make: Make, launch: Launch) -> None:
    place = make(method="cut", rows=test_recipes.kto_rows(), max_steps=1)
    assert "CUT learns from critiques of rejected answers. Of 6 rejected rows 6 have none" in launch(place).reason
    bad = make("bad", method="cut", rows=[{**test_recipes.kto_rows(2)[1], "critiques": "wrong"}], max_steps=1)
    assert "line 1: critiques must be a list of texts" in launch(bad).reason


def test_a_critique_that_is_too_long_is_refused_or_left_out(make: Make, launch: Launch) -> None:
    written = rows()
    written[1]["critiques"] = ["so " * 300]
    place = make("refused", method="cut", rows=written, max_steps=1)
    assert "1 of 6 rejected rows are too long" in launch(place).reason
    place = make("dropped", method="cut", rows=written, max_steps=1, long_rows="drop")
    assert launch(place).reason == ""
    assert test_recipes.events(place, "critiques")[0]["too_long"] == 1
    place = make("shortened", method="cut", rows=written, max_steps=1, long_rows="drop", max_prompt_length=20)
    assert "6 are too long with theirs" in launch(place).reason


def _said(policy: models.Policy, prompt: str, completion: str) -> torch.Tensor:
    """(1, C) log-probs of a completion and its end-of-text."""
    head = data.prompt_ids(policy.tokenizer, prompt)
    tail = [*policy.tokenizer(completion)["input_ids"], policy.tokenizer.eos_token_id]
    item = data.Encoded(ids=head + tail, prompt_length=len(head))
    return logprobs.of_tokens(policy, logprobs.collate([item], device=policy.device))
