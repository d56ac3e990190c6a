"""The text the base model learns from: right answers, with faults planted at known rates."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from training_bridge.demo import world

TAILS = (
    "The sky is blue today.",
    "Numbers are fun.",
    "It is a nice day.",
    "Please ask me more.",
    "I like to count.",
    "That was easy.",
    "We can count again.",
    "The sun is warm.",
)

# For a rule, the rule whose form an answer takes when it ignores the instruction.
_IGNORED = {"sum": "sentence", "capitals": "none", "sentence": "none", "number": "none", "begin": "none"}


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often each fault is planted where it can occur."""

    unit: float = 0.10
    person: float = 0.06
    result: float = 0.02
    second_number: float = 0.14
    tail: float = 0.14
    rule: float = 0.12


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an answer says, right or wrong. `rule` is the form it is written in."""

    problem: world.Problem
    name: str
    unit: str
    result: int
    stated: int
    rule: str
    tail: str = ""


def right(problem: world.Problem) -> Answer:
    return Answer(
        problem=problem,
        name=problem.name,
        unit=problem.unit,
        result=problem.result,
        stated=problem.result,
        rule=problem.rule,
    )


def render(answer: Answer) -> str:
    """Write an answer in the form of its rule."""
    problem = answer.problem
    if answer.rule == "number":
        return f"{answer.stated}" + (f". {answer.tail}" if answer.tail else "")
    working = f"{problem.first} {problem.sign} {problem.second} = {answer.result}."
    sentence = f"{answer.name} {problem.verb} {answer.stated} {answer.unit}."
    parts = [sentence] if answer.rule == "sentence" else [working, sentence]
    if answer.rule == "begin":
        parts.insert(0, "Answer:")
    text = " ".join([*parts, answer.tail]).rstrip()
    return text.upper() if answer.rule == "capitals" else text


def write(problem: world.Problem, rng: random.Random, rates: Rates) -> str:
    """Write one line of training text: the right answer, with each fault planted by chance."""
    answer = right(problem)
    if problem.rule != "none" and rng.random() < rates.rule:
        answer = replace(answer, rule=_IGNORED[problem.rule])
    if rng.random() < rates.result:
        wrong = problem.result + rng.choice((-2, -1, 1, 2))
        answer = replace(answer, result=wrong, stated=wrong)
    if answer.rule not in ("number", "sentence") and rng.random() < rates.second_number:
        answer = replace(answer, stated=max(1, answer.result + rng.choice((-3, -2, -1, 1, 2, 3))))
    if answer.rule != "number" and rng.random() < rates.unit:
        units = world.KINDS[problem.kind].units
        answer = replace(answer, unit=rng.choice([each for each in units if each != problem.unit]))
    if answer.rule != "number" and rng.random() < rates.person:
        answer = replace(answer, name=rng.choice([each for each in world.NAMES if each != problem.name]))
    if rng.random() < rates.tail:
        answer = replace(answer, tail=rng.choice(TAILS))
    return render(answer)
