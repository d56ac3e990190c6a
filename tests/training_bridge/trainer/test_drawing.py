"""Who draws completions. vLLM is not installed here: a stand-in shows what it would be asked."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import rundir, spec
from training_bridge.trainer import drawing, errors, generation, job, models

Make = Callable[..., rundir.RunDir]
JobOf = Callable[[rundir.RunDir], job.Job]

GREEDY = generation.Settings(temperature=0.0, top_p=1.0, max_new_tokens=4)
END = 1


class LLM:
    """Answers every prompt with its last token, one more, and the end; the second prompt's answer is cut off."""

    made: list[dict[str, Any]] = []
    asked: list[tuple[Any, Any, dict[str, Any]]] = []

    def __init__(self, **arguments: Any) -> None:
        self.made.append(arguments)

    def generate(self, prompts: Any, params: Any, **rest: Any) -> list[Any]:
        self.asked.append((prompts, params, rest))
        answers = [[each["prompt_token_ids"][-1], 7, END] for each in prompts]
        answers[1] = answers[1][:2]
        return [types.SimpleNamespace(outputs=[types.SimpleNamespace(token_ids=tuple(ids))]) for ids in answers]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LLM]]:
    """A module named vllm, on a machine with a GPU of 80 GiB of which half is free."""
    whole, inputs = types.ModuleType("vllm"), types.ModuleType("vllm.inputs")
    lora, request = types.ModuleType("vllm.lora"), types.ModuleType("vllm.lora.request")
    whole.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    whole.LLM, whole.SamplingParams = LLM, types.SimpleNamespace  # type: ignore[attr-defined]
    inputs.TokensPrompt = dict  # type: ignore[attr-defined]
    request.LoRARequest = lambda *facts: facts  # type: ignore[attr-defined]
    lora.request, whole.lora, whole.inputs = request, lora, inputs  # type: ignore[attr-defined]
    for module in (whole, inputs, lora, request):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (40 << 30, 80 << 30))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    LLM.made, LLM.asked = [], []
    yield LLM
    sys.modules.pop("training_bridge.trainer.drawing_vllm", None)


def asked(**more: Any) -> dict[str, Any]:
    return {"method": "d2o", "rows": test_recipes.d2o_rows(4), "anchors": 2, "anchor_max_new_tokens": 4, **more}


def draw(
    work: job.Job, policy: models.Policy, *, is_moved: bool = False, settings: generation.Settings = GREEDY
) -> list[generation.Completion]:
    with drawing.opened(engine="vllm", job=work, policy=policy, tokens=20, is_moved=is_moved) as complete:
        return complete(prompts=[[5, 6], [8]], settings=settings, seed="batch", check=lambda: None)


def test_vllm_is_asked_what_the_spec_says(vllm: type[LLM], make: Make, job_of: JobOf, base: Path) -> None:
    work = job_of(make(**asked()))
    policy = models.load(asked=work.spec)
    settings = generation.Settings(temperature=0.8, top_p=0.9, max_new_tokens=4)
    found = draw(work, policy, settings=settings)
    assert vllm.made == [
        {
            "model": str(base),
            "dtype": "float32",
            "max_model_len": 20,
            "gpu_memory_utilization": 0.45,
            "load_format": "safetensors",
            "generation_config": "vllm",
            "trust_remote_code": False,
            "seed": 0,
        }
    ]
    [(prompts, params, rest)] = vllm.asked
    assert prompts == [{"prompt_token_ids": [5, 6]}, {"prompt_token_ids": [8]}]
    assert rest == {"use_tqdm": False, "lora_request": None}
    assert {(each.temperature, each.top_p, each.max_tokens, each.detokenize) for each in params} == {
        (0.8, 0.9, 4, False)
    }
    assert {tuple(each.stop_token_ids) for each in params} == {(END,)}
    assert len({each.seed for each in params}) == 2
    assert all(0 <= each.seed < 2**63 for each in params)
    assert [(each.ended, each.tokens) for each in found] == [(True, 2), (False, 2)]
    assert found[0].text == policy.tokenizer.decode([6, 7])


def test_vllm_gets_the_same_seeds_for_the_same_batch(vllm: type[LLM], make: Make, job_of: JobOf) -> None:
    work = job_of(make(**asked()))
    policy = models.load(asked=work.spec)
    draw(work, policy)
    draw(work, policy)
    one, other = ([each.seed for each in params] for _, params, _ in vllm.asked)
    assert one == other


def test_vllm_draws_from_the_checkpoint_once_there_is_one(
    vllm: type[LLM], make: Make, job_of: JobOf, launch: Callable[[rundir.RunDir], rundir.Status], base: Path
) -> None:
    full, adapter = make("full", **asked(max_steps=1)), make("adapter", **asked(max_steps=1, lora_rank=9))
    for place in (full, adapter):
        assert launch(place).reason == ""
        work = job_of(place)
        draw(work, models.trained(job=work))
    assert [each["model"] for each in vllm.made] == [str(full.checkpoint), str(base)]
    assert (vllm.made[1]["enable_lora"], vllm.made[1]["max_lora_rank"]) == (True, 16)
    assert [rest["lora_request"] for _, _, rest in vllm.asked] == [None, ("adapter", 1, str(adapter.checkpoint))]


@pytest.mark.parametrize("rank", [0, 2], ids=["full", "lora"])
def test_vllm_draws_from_a_policy_under_way(vllm: type[LLM], make: Make, job_of: JobOf, base: Path, rank: int) -> None:
    work = job_of(make(**asked(lora_rank=rank)))
    policy = models.for_training(asked=work.spec)
    draw(work, policy, is_moved=True)
    place = work.folder.steps / "as-it-stands"
    assert vllm.made[0]["model"] == str(base if rank else place)
    assert vllm.asked[0][2]["lora_request"] == (("adapter", 1, str(place)) if rank else None)
    assert not place.exists()


def test_vllm_reads_whole_weights_under_way(
    vllm: type[LLM], make: Make, job_of: JobOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[str] = []
    monkeypatch.setattr(
        LLM, "__init__", lambda _, **facts: files.extend(each.name for each in Path(facts["model"]).iterdir())
    )
    work = job_of(make(**asked()))
    draw(work, models.for_training(asked=work.spec), is_moved=True)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)


def test_vllm_takes_no_adapter_over_an_adapter(
    vllm: type[LLM], make: Make, job_of: JobOf, launch: Callable[[rundir.RunDir], rundir.Status]
) -> None:
    first = make("first", **asked(max_steps=1, lora_rank=2))
    assert launch(first).reason == ""
    work = job_of(make("second", **asked(lora_rank=2, adapter=str(first.checkpoint))))
    with pytest.raises(errors.Refused, match="one adapter"):
        draw(work, models.for_training(asked=work.spec), is_moved=True)


def test_vllm_takes_no_adapter_of_a_rank_beyond_its_largest(
    vllm: type[LLM], make: Make, job_of: JobOf, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 513}))
    drawing_vllm = importlib.import_module("training_bridge.trainer.drawing_vllm")
    with pytest.raises(errors.Refused, match="up to rank 512"):
        drawing_vllm._rank_of(str(tmp_path))


def spec_of(base: Path, **parts: Any) -> spec.RunSpec:
    values = {"method": "sample", "base": {"location": str(base)}, "checkpoint_name": "x", **parts}
    return spec.RunSpec.from_dict(values)


def test_vllm_that_is_not_installed_is_refused_before_anything_is_loaded(
    make: Make, launch: Callable[[rundir.RunDir], rundir.Status]
) -> None:
    place = make(
        method="sample", prompts=test_recipes.prompts(), sampling={"engine": "vllm"}, location=Path("/nowhere")
    )
    status = launch(place)
    assert "not installed beside the trainer" in status.reason


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"sampling": {"engine": "vllm"}, "hyperparameters": {"device": "cpu"}}, "sampling.engine .* cpu"),
        ({"method": "d2o", "hyperparameters": {"anchor_engine": "vllm", "device": "cpu"}}, "anchor_engine .* cpu"),
        ({"sampling": {"engine": "vllm"}, "hyperparameters": {"device": "cuda:1"}}, "first GPU .* cuda:1"),
        (
            {"sampling": {"engine": "vllm", "temperature": 2.5}, "hyperparameters": {"device": "cuda"}},
            "up to 2, and 2.5",
        ),
    ],
)
def test_vllm_is_refused_where_it_cannot_work(
    vllm: type[LLM], monkeypatch: pytest.MonkeyPatch, base: Path, parts: dict[str, Any], what: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(errors.Refused, match=what):
        drawing.check(asked=spec_of(base, **parts))


def test_vllm_may_be_asked_for_where_it_works(vllm: type[LLM], monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    drawing.check(asked=spec_of(base, sampling={"engine": "vllm"}))
    drawing.check(asked=spec_of(base, method="kto", hyperparameters={"anchor_engine": "vllm"}))


def test_a_run_samples_through_vllm(
    vllm: type[LLM],
    make: Make,
    launch: Callable[[rundir.RunDir], rundir.Status],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole path, with the checks that a CPU does not pass left out."""
    monkeypatch.setattr(drawing, "check", lambda **_: None)
    place = make(
        **asked(anchor_engine="vllm", max_steps=2, anchor_refresh=1),
        prompts=test_recipes.prompts(),
        sampling={"engine": "vllm", "max_new_tokens": 4},
    )
    assert launch(place).reason == ""
    assert len(vllm.made) == 3
    assert {row["meta"]["engine"] for row in test_recipes.outputs(place)} == {"vllm"}
