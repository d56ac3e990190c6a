"""What a checkpoint does on problems it was not trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.bench.science import bases, policies, worlds
from training_bridge.demo import truth, world
from training_bridge.trainer import models

EACH = 4
TRIED, TRIES = 100, 64
CHOSEN, CHOSEN_EACH = 150, 2


def measured(policy: models.Policy, base: bases.Base, *, has_tries: bool) -> dict[str, Any]:
    """Held-out figures of one checkpoint, each with its unit:

    * `clean`: share of EACH answers a prompt, drawn at temperature 1, with nothing wrong; `clean_of`: how many of each
      prompt's; `tags`: share of answers with such a finding; `cut_off`; `tokens`: mean length.
    * `greedy`: share of greedy answers with nothing wrong.
    * `chosen`: the clean share on other held-in problems, never trained on: what a setting may be chosen by.
    * `entropy`: nats per token of its own answers; `kept`: mean log-prob per token of the base's own clean answers.
    * `right_of`, with `has_tries`: how many of TRIES answers are clean, for each of TRIED prompts.
    """
    asked = base.held_out
    drawn = _draw(policy, base, asked, each=EACH)
    found = _findings(asked, drawn)
    clean_of = [sum(not each for each in row) for row in found]
    answers = [answer for row in drawn for answer in row]
    tags = Counter(tag for row in found for findings in row for tag in {each.tag for each in findings})
    greedy = _findings(asked, _draw(policy, base, asked, each=1, temperature=0.0))
    result = {
        "clean": sum(clean_of) / len(answers),
        "clean_of": "".join(map(str, clean_of)),
        "tags": {tag: count / len(answers) for tag, count in sorted(tags.items())},
        "cut_off": sum(not each.ended for each in answers) / len(answers),
        "tokens": sum(each.tokens for each in answers) / len(answers),
        "greedy": sum(not row[0] for row in greedy) / len(asked),
        "chosen": _chosen(policy, base),
        "entropy": policies.scored(policy, _said(asked, drawn))[1],
        "kept": policies.scored(policy, _clean(base))[0],
    }
    if has_tries:
        tried = asked[:TRIED]
        found = _findings(tried, _draw(policy, base, tried, each=TRIES, what="tries"))
        result["right_of"] = [sum(not each for each in row) for row in found]
    return result


def _chosen(policy: models.Policy, base: bases.Base) -> float:
    asked = worlds.problems(base.place, world.HELD_IN, seed=base.seed, count=len(base.held_in) + CHOSEN)[-CHOSEN:]
    found = _findings(asked, _draw(policy, base, asked, each=CHOSEN_EACH, what="chosen"))
    return sum(not each for row in found for each in row) / (CHOSEN * CHOSEN_EACH)


def _draw(
    policy: models.Policy,
    base: bases.Base,
    asked: Sequence[world.Problem],
    *,
    each: int,
    what: str = "held-out",
    temperature: float = 1.0,
) -> list[list[policies.Answer]]:
    return policies.sample(
        policy,
        [problem.prompt for problem in asked],
        at_most=base.place.max_new_tokens,
        seed=f"{what}/{base.seed}",
        each=each,
        temperature=temperature,
    )


def _findings(
    asked: Sequence[world.Problem], drawn: Sequence[Sequence[policies.Answer]]
) -> list[list[list[truth.Finding]]]:
    return [
        [truth.judge(problem=problem, text=answer.text) for answer in row]
        for problem, row in zip(asked, drawn, strict=True)
    ]


def _said(asked: Sequence[world.Problem], drawn: Sequence[Sequence[policies.Answer]]) -> list[tuple[str, str, bool]]:
    return [
        (problem.prompt, answer.text, answer.ended) for problem, row in zip(asked, drawn, strict=True) for answer in row
    ]


def _clean(base: bases.Base) -> list[tuple[str, str, bool]]:
    rows = [json.loads(line) for line in base.clean.read_text(encoding="utf-8").splitlines()]
    return [(row["prompt"], row["completion"], True) for row in rows]
