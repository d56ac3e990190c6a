"""D2O's anchors: what the model says by itself to each prompt, sampled and kept in anchors.jsonl.

First the starting model's; with `anchor_refresh` also the policy's own, after every so many steps. With
`anchor_constraints` the model is told the constraints while it samples (instructing.py); kept is the prompt alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training_bridge.formats import rows
from training_bridge.trainer import data, drawing, errors, fitting, generation, instructing, job, models, parallel

TRIES = 4

Anchor = dict[str, Any]


def key_of(prompt: rows.PromptValue) -> str:
    return json.dumps(prompt, ensure_ascii=False, sort_keys=True)


def prompt_of(key: str) -> rows.PromptValue:
    prompt: rows.PromptValue = json.loads(key)
    return prompt


def sample(
    *,
    job: job.Job,
    policy: models.Policy,
    rejected: Mapping[str, set[str]],
    step: int = 0,
    may_draw: bool = True,
) -> dict[str, list[Anchor]]:
    """K anchors {"text", "ended"} for each prompt (by key_of), from the policy as it stands after `step` steps.

    `rejected` holds each prompt's rejected texts: a draw that equals one is drawn again, up to TRIES times in all,
    because a row that is at once anchor and rejected teaches nothing. What was sampled before an interruption is
    read back; batches have their own seeds, so a resumed run has the same anchors. An anchor has no more tokens than
    fit beside the longest prompt of its batch.

    `may_draw` False: the policy is no longer that of `step`. Then Refused is raised where an anchor is missing.
    """
    settings = job.settings
    asked = _Asked(job=job, policy=policy, rejected=rejected, step=step, told=instructing.of(asked=job.spec))
    kept = parallel.from_first(_read(job, asked) if parallel.is_first() else {})
    missing = [batch for batch in asked.batches() if any(len(kept.get(key, [])) != settings.anchors for key in batch)]
    if missing and not may_draw:
        raise errors.Refused(
            f"anchors.jsonl lacks anchors that were sampled after step {step}, and training has gone on since: they "
            "cannot be sampled again. Start the run anew."
        )
    done = len(rejected) - sum(map(len, missing))
    job.reporter.phase("anchors", total_steps=len(rejected), step=done)
    for found in _drawn(asked, missing):
        if parallel.is_first():
            _append(job, asked, found)
        kept.update(found)
        done += len(found)
        job.reporter.progress(done)
    same = sum(anchor["text"] in rejected[key] for key in rejected for anchor in kept[key])
    count = len(rejected) * settings.anchors
    job.reporter.event("anchors", after=step, prompts=len(rejected), anchors=count, equal_to_rejected=same)
    return {key: kept[key] for key in rejected}


class _Asked:
    """One sampling of all prompts: `ids` with the instructions in force, `room` for each one's answer in tokens."""

    def __init__(
        self, *, job: job.Job, policy: models.Policy, rejected: Mapping[str, set[str]], step: int, told: str
    ) -> None:
        self.job, self.policy, self.rejected, self.step, self.told = job, policy, rejected, step, told
        limit, longest = fitting.of(job=job), job.settings.anchor_max_new_tokens
        at_most = job.settings.max_prompt_length
        if limit.policy == "truncate_left" and limit.tokens:
            fits = max(1, limit.tokens - longest)
            at_most = min(at_most or fits, fits)
        self.ids: dict[str, list[int]] = {}
        self.room: dict[str, int] = {}
        for key in rejected:
            prompt = prompt_of(key)
            alone = data.prompt_ids(policy.tokenizer, prompt, at_most=at_most)
            self.ids[key] = instructing.prompt_ids(policy.tokenizer, prompt, told=told, at_most=at_most)
            self.room[key] = _room(limit, longest, alone=len(alone), told=len(self.ids[key]))
        self.tokens = max(len(self.ids[key]) + self.room[key] for key in rejected)
        self.at_once = drawing.at_once(engine=job.settings.anchor_engine, policy=policy, tokens=self.tokens)

    def batches(self) -> Iterator[list[str]]:
        """Prompts of like length together, as many as make one batch with their K draws."""
        order = sorted(self.rejected, key=lambda key: (len(self.ids[key]), key))
        size = max(1, self.at_once // self.job.settings.anchors)
        for at in range(0, len(order), size):
            yield order[at : at + size]


def _room(limit: fitting.Limit, longest: int, *, alone: int, told: int) -> int:
    """Tokens of an anchor that fit beside the prompt alone, as it is trained, and with the instructions. Refused: none.

    A prompt that leaves none by itself has no row that could be trained on, and still gets one.
    """
    fits = max(1, min(longest, (limit.tokens or alone + longest) - alone))
    if limit.able and told + 1 > limit.able and told > alone:
        raise errors.Refused(
            f"With the constraints a prompt has {told} tokens, and the base can read {limit.able}: nothing is left for "
            "an answer. Unset anchor_constraints, or set max_prompt_length."
        )
    return min(fits, max(1, (limit.able or told + fits) - told))


def _drawn(asked: _Asked, missing: Sequence[list[str]]) -> Iterator[dict[str, list[Anchor]]]:
    """The anchors of the missing batches, as many at once as there are processes, each of which draws one.

    The engine is opened only when a batch is missing: vLLM takes a minute to start.
    """
    if not missing:
        return
    job = asked.job
    engine = drawing.opened(
        engine=job.settings.anchor_engine, job=job, policy=asked.policy, tokens=asked.tokens, is_moved=asked.step > 0
    )
    with engine as complete:
        for at in range(0, len(missing), parallel.count()):
            own = missing[at + parallel.rank() : at + parallel.rank() + 1]
            drawn = _draw(asked, complete, own[0]) if own else {}
            yield {key: said for theirs in parallel.gather_objects(drawn) for key, said in theirs.items()}


def _draw(asked: _Asked, complete: drawing.Complete, batch: Sequence[str]) -> dict[str, list[Anchor]]:
    settings = asked.job.settings
    found: dict[str, list[Anchor]] = {key: [{}] * settings.anchors for key in batch}
    places = [(key, place) for key in batch for place in range(settings.anchors)]
    for attempt in range(TRIES):
        seed = f"anchors/{settings.seed}/{asked.step}/{batch[0]}/{attempt}"
        for at in range(0, len(places), asked.at_once):
            part = places[at : at + asked.at_once]
            drawn = complete(
                prompts=[asked.ids[key] for key, _ in part],
                settings=generation.Settings(
                    temperature=settings.anchor_temperature,
                    top_p=settings.anchor_top_p,
                    max_new_tokens=min(asked.room[key] for key in batch),
                ),
                seed=f"{seed}/{at}",
                check=asked.job.reporter.check,
            )
            for (key, place), each in zip(part, drawn, strict=True):
                found[key][place] = {"text": each.text, "ended": each.ended}
        places = [(key, place) for key, place in places if found[key][place]["text"] in asked.rejected[key]]
        if not places or settings.anchor_temperature == 0:
            break
    return found


def _append(job: job.Job, asked: _Asked, found: Mapping[str, list[Anchor]]) -> None:
    """On the disk before training goes on: once the policy has moved, its anchors could not be sampled again."""
    facts = {"after": asked.step, "instructions": instructing.sha256_of(asked.told)}
    lines = [json.dumps({"prompt": prompt_of(key), "anchors": said, **facts}) + "\n" for key, said in found.items()]
    with job.folder.anchors.open("a", encoding="utf-8") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())


def _read(job: job.Job, asked: _Asked) -> dict[str, list[Anchor]]:
    """Anchors by prompt of this step, sampled under these instructions; a torn last line is cut off."""
    path = job.folder.anchors
    if not path.exists():
        return {}
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        os.truncate(path, len(whole) + 1 if whole else 0)
    stored = [json.loads(line) for line in whole.splitlines()]
    wanted = (asked.step, instructing.sha256_of(asked.told))
    return {
        key_of(row["prompt"]): row["anchors"] for row in stored if (row.get("after"), row.get("instructions")) == wanted
    }
