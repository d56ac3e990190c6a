"""D2O's anchors: what the reference says by itself to each prompt, sampled once and kept in anchors.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from training_bridge.formats import rows
from training_bridge.trainer import data, generation, job, models

DRAWS_PER_BATCH = 64
TRIES = 4

Anchor = dict[str, Any]


def key_of(prompt: rows.PromptValue) -> str:
    return json.dumps(prompt, ensure_ascii=False, sort_keys=True)


def sample(*, job: job.Job, policy: models.Policy, rejected: Mapping[str, set[str]]) -> dict[str, list[Anchor]]:
    """K anchors {"text", "ended"} for each prompt (by key_of), from the policy as it stands: the reference.

    `rejected` holds each prompt's rejected texts: a draw that equals one is drawn again, up to TRIES times in all,
    because a row that is at once anchor and rejected teaches nothing. What was sampled before an interruption is
    read back; batches have their own seeds, so a resumed run has the same anchors.
    """
    settings = job.settings
    kept = _read(job)
    longest = settings.max_prompt_length
    ids = {key: data.prompt_ids(policy.tokenizer, json.loads(key), at_most=longest) for key in rejected}
    order = sorted(rejected, key=lambda key: (len(ids[key]), key))
    size = max(1, DRAWS_PER_BATCH // settings.anchors)
    job.reporter.phase("anchors", total_steps=len(order))
    for at in range(0, len(order), size):
        batch = order[at : at + size]
        if any(len(kept.get(key, [])) != settings.anchors for key in batch):
            found = _draw(job, policy, batch, ids, rejected, seed=f"anchors/{settings.seed}/{at}")
            _append(job, found)
            kept.update(found)
        job.reporter.progress(min(at + size, len(order)))
    same = sum(anchor["text"] in rejected[key] for key in order for anchor in kept[key])
    job.reporter.event("anchors", prompts=len(order), anchors=len(order) * settings.anchors, equal_to_rejected=same)
    return {key: kept[key] for key in order}


def _draw(
    job: job.Job,
    policy: models.Policy,
    batch: Sequence[str],
    ids: Mapping[str, list[int]],
    rejected: Mapping[str, set[str]],
    *,
    seed: str,
) -> dict[str, list[Anchor]]:
    settings = job.settings
    found: dict[str, list[Anchor]] = {key: [{}] * settings.anchors for key in batch}
    places = [(key, place) for key in batch for place in range(settings.anchors)]
    for attempt in range(TRIES):
        drawn = generation.complete(
            policy=policy,
            prompts=[ids[key] for key, _ in places],
            settings=generation.Settings(
                temperature=settings.anchor_temperature,
                top_p=settings.anchor_top_p,
                max_new_tokens=settings.anchor_max_new_tokens,
            ),
            seed=f"{seed}/{attempt}",
            check=job.reporter.check,
        )
        for (key, place), each in zip(places, drawn, strict=True):
            found[key][place] = {"text": each.text, "ended": each.ended}
        places = [(key, place) for key, place in places if found[key][place]["text"] in rejected[key]]
        if not places or settings.anchor_temperature == 0:
            break
    return found


def _append(job: job.Job, found: Mapping[str, list[Anchor]]) -> None:
    lines = [json.dumps({"prompt": json.loads(key), "anchors": anchors}) + "\n" for key, anchors in found.items()]
    with job.folder.anchors.open("a", encoding="utf-8") as file:
        file.write("".join(lines))


def _read(job: job.Job) -> dict[str, list[Anchor]]:
    """Anchors by prompt from an earlier launch; a torn last line is cut off."""
    path = job.folder.anchors
    if not path.exists():
        return {}
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    stored = [json.loads(line) for line in whole]
    return {key_of(row["prompt"]): row["anchors"] for row in stored}
