"""Loading: any Hugging Face causal language model by name or folder, safetensors only, no remote code."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from torch import Tensor

from training_bridge.formats import manifest, spec
from training_bridge.trainer import attending, errors, heads, job, packing, parallel

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A model on its device, its tokenizer, and the precision it computes in."""

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    is_adapter: bool = False

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(device_type=self.device.type, dtype=self.dtype)

    def logits(self, laid: packing.Layout) -> Tensor:
        """(lines, length, vocabulary) logits. Behind a row, where it is padded, they mean nothing."""
        with self.autocast():
            output: Tensor = self.model(use_cache=False, **attending.arguments(laid)).logits
        return output

    def hidden(self, laid: packing.Layout) -> Tensor:
        """(lines, length, width): what the head is handed."""
        with heads.hidden_only(self.head.linear) as kept, self.autocast():
            self.model(use_cache=False, **attending.arguments(laid))
        return kept[0]

    @functools.cached_property
    def head(self) -> heads.Head:
        """The model's head, tried once; a warning (stderr.log) says where it cannot be applied in chunks."""
        found = heads.of(self.model, device=self.device, under=self.autocast)
        if found.problem:
            warnings.warn(f"Whole logits are computed, at a cost in memory: {found.problem}.", stacklevel=2)
        return found

    @functools.cached_property
    def packing(self) -> attending.Packing:
        """How batches are laid out, tried once; a warning (stderr.log) says where they have to be padded."""
        if self.head.problem:
            return attending.Packing(problem="whole logits are computed")
        found = attending.of(
            self.model, linear=self.head.linear, device=self.device, dtype=self.dtype, under=self.autocast
        )
        if found.problem:
            warnings.warn(f"Batches are padded, at a cost in time: {found.problem}.", stacklevel=2)
        return found

    def tell(self, job: job.Job) -> None:
        """Say, once, what costs this model's runs memory or time: the events whole_logits and no_packing."""
        if "told" in vars(self):
            return
        vars(self)["told"] = True
        if self.head.problem:
            job.reporter.event("whole_logits", reason=self.head.problem)
        elif reason := self.packing.reason(longest=job.settings.max_length):
            job.reporter.event("no_packing", reason=reason)

    @property
    def head_dtype(self) -> torch.dtype:
        """What the head multiplies in: as under autocast, or as its weights are."""
        if self.dtype != torch.float32:
            return self.dtype
        weights: torch.dtype = self.head.linear.weight.dtype
        return weights

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        parallel.settle(self.model)
        return {name: each for name, each in self.model.named_parameters() if each.requires_grad}

    def divide(self) -> None:
        """Divide the weights between several processes. The head and the packing are tried before, on whole ones."""
        _ = self.head, self.packing
        parallel.divide(self.model)

    def weights(self) -> dict[str, Tensor]:
        """What is trained, whole and on the CPU. Several processes must all ask at once."""
        return {name: parallel.whole(each) for name, each in self.trainable().items()}

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Put back what `weights` returned."""
        with torch.no_grad():
            for name, parameter in self.trainable().items():
                parameter.copy_(parallel.divided_as(weights[name], parameter))


def tokenizer(location: str) -> Any:
    """Load the tokenizer with an end-of-text token and some padding token. Raises Refused."""
    try:
        loaded = transformers.AutoTokenizer.from_pretrained(location, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        if not Path(location).exists():
            raise errors.Refused(
                f"The base {location} is neither a folder on this machine nor a model that could be downloaded: "
                f"{_first_line(error)}"
            ) from error
        raise errors.Refused(
            f"The base {location} has no tokenizer that can be loaded ({_first_line(error)}). "
            "Put its tokenizer files beside the weights."
        ) from error
    if not loaded.get_vocab():
        raise errors.Refused(f"The base {location} has no tokenizer files. Put its tokenizer beside the weights.")
    if loaded.eos_token_id is None:
        raise errors.Refused(
            f"The tokenizer of {location} names no end-of-text token (eos_token), so completions could never end."
        )
    if loaded.pad_token_id is None:
        loaded.pad_token = loaded.eos_token
    return loaded


def fresh(*, asked: spec.RunSpec) -> Policy:
    """Build the architecture of base.location/config.json with new weights drawn from the seed. Raises Refused."""
    location = asked.base.location
    if not (Path(location) / "config.json").is_file():
        raise errors.Refused(
            f"pretrain needs a folder with config.json and a tokenizer; {location} has no config.json."
        )
    words = tokenizer(location)
    config = _config(location)
    torch.manual_seed(asked.hyperparameters.seed)
    model = transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, trust_remote_code=False
    )
    if model.generation_config is not None:
        model.generation_config.eos_token_id = words.eos_token_id
        model.generation_config.pad_token_id = words.pad_token_id
    _check_vocabulary(model, words, location)
    return _placed(model, words, asked.hyperparameters)


def load(*, asked: spec.RunSpec) -> Policy:
    """Load base (with its adapter merged in), for sampling or for training. Dropout is off. Raises Refused."""
    location = asked.base.location
    _check_weights(location)
    words = tokenizer(location)
    model = weights_of(base=asked.base)
    _check_vocabulary(model, words, location)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return _placed(model, words, asked.hyperparameters)


def weights_of(*, base: spec.Base) -> Any:
    """The base's model with its adapter merged in, float32, in the CPU's memory. Raises Refused."""
    _check_weights(base.location)
    model = _pretrained(base.location)
    return _merged(model, base.adapter) if base.adapter else model


def for_training(*, asked: spec.RunSpec) -> Policy:
    """Load base to be trained: all weights, or a new adapter on frozen ones. Raises Refused."""
    policy = load(asked=asked)
    settings = asked.hyperparameters
    return with_lora(policy, settings=settings) if settings.lora_rank else policy


def go_on_alone(policy: Policy, *, asked: spec.RunSpec) -> None:
    """The first of several processes gets the whole trained model; the others are let go by raising Released.

    `policy` is filled with a model of its own, so whoever holds it need not know.
    """
    weights = policy.weights()
    is_first = parallel.is_first()
    parallel.end()
    if not is_first:
        raise errors.Released
    alone = fresh(asked=asked) if asked.method == "pretrain" else for_training(asked=asked)
    alone.restore(weights)
    policy.__dict__.clear()
    policy.__dict__.update(alone.__dict__)


def trained(*, job: job.Job) -> Policy:
    """Load what an earlier launch of this run folder finished training, to sample from it. Raises Refused."""
    return load(asked=dataclasses.replace(job.spec, base=result_of(job=job)))


def result_of(*, job: job.Job) -> spec.Base:
    """The weights in checkpoint/, with the base that they belong to where they are an adapter."""
    facts = manifest.read(job.folder.checkpoint) or {}
    here = str(job.folder.checkpoint)
    if facts.get("kind") == "adapter":
        return spec.Base(location=job.spec.base.location, adapter=here)
    return spec.Base(location=here)


def with_lora(policy: Policy, *, settings: spec.Hyperparameters) -> Policy:
    """Freeze the weights and put a trainable low-rank adapter on every linear layer of the blocks."""
    import peft  # not at the top: it costs a second that full runs need not pay

    if policy.dtype != torch.float32:
        policy.model.to(policy.dtype)  # frozen weights need no float32 copy; PEFT keeps the adapter's in float32
    config = peft.LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(settings.seed)
    adapted = peft.get_peft_model(policy.model, config)
    return Policy(model=adapted, tokenizer=policy.tokenizer, device=policy.device, dtype=policy.dtype, is_adapter=True)


def device_of(name: str) -> torch.device:
    """`auto` is the GPU where there is one. Raises Refused for a device that this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise errors.Refused(f"device is {name!r}; it may be auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise errors.Refused(f"device is {name!r}, but this machine has no such GPU. Use auto or cpu.")
    if device.type not in ("cpu", "cuda"):
        raise errors.Refused(f"device is {name!r}; it may be auto, cpu, cuda or cuda:N.")
    return device


def _placed(model: Any, words: Any, settings: spec.Hyperparameters) -> Policy:
    device = device_of(settings.device)
    return Policy(model=model.to(device), tokenizer=words, device=device, dtype=getattr(torch, settings.dtype))


def _config(location: str) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(location, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.Refused(f"The base {location} has no usable config.json: {_first_line(error)}") from error


def _check_weights(location: str) -> None:
    """Say clearly what is wrong with a folder before transformers does. A name is checked by the download."""
    folder = Path(location)
    if not folder.exists():
        if location.startswith((".", "/", "~")):
            raise errors.Refused(f"The base {location} does not exist on this machine.")
        return
    if not (folder / "config.json").is_file():
        raise errors.Refused(f"The base {location} has no config.json: it is not a Hugging Face model folder.")
    if any(folder.glob("*.safetensors")):
        return
    if any(path for pattern in PICKLES for path in folder.glob(pattern)):
        raise errors.Refused(
            f"The base {location} has its weights only as a pickle (.bin or .pt), which can run any code when it is "
            "opened. Convert them to safetensors."
        )
    raise errors.Refused(f"The base {location} has no weights: no .safetensors file is in the folder.")


def _pretrained(location: str) -> Any:
    try:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            location, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise errors.Refused(
            f"The base {location} could not be loaded as a causal language model with safetensors weights: "
            f"{_first_line(error)}"
        ) from error
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        # transformers would draw them at random and go on.
        raise errors.Refused(
            f"The base {location} lacks {len(missing)} of its weights, {missing[0]} among them: its files are not "
            "whole or belong to another architecture."
        )
    return model


def _merged(model: Any, adapter: str) -> Any:
    import peft  # as above

    folder = Path(adapter)
    if folder.exists() and not any(folder.glob("adapter_model.safetensors")):
        raise errors.Refused(f"The adapter {adapter} has no adapter_model.safetensors.")
    try:
        return peft.PeftModel.from_pretrained(model, adapter, use_safetensors=True).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise errors.Refused(f"The adapter {adapter} does not fit the base: {_first_line(error)}") from error


def _check_vocabulary(model: Any, words: Any, location: str) -> None:
    rows = model.get_input_embeddings().num_embeddings
    largest = max(words.get_vocab().values())
    if largest >= rows:
        raise errors.Refused(
            f"The tokenizer of {location} has token ids up to {largest}, but the model has only {rows} embeddings."
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
