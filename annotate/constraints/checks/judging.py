"""Ask the models of a check about outputs, several at once. No database: texts in, outcomes with their cost out.

What needs no model comes first: an output in which another check of the constraint finds something is not asked about.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field, replace

import httpx

from annotate.asking import client, configured
from annotate.constraints.checks import checking
from training_bridge.formats import rows
from training_bridge.formats.checks import declared, finding, judge

Models = Mapping[str, configured.Model]

AT_ONCE = 16
LONGEST_BATCH = 600.0
NO_FURTHER = "The model failed before this was asked."


@dataclass(kw_only=True, slots=True)
class Cost:
    """Questions that were sent, and tokens as the servers count them."""

    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            answer_tokens=self.answer_tokens + other.answer_tokens,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """An output to be looked at, with the prompt that it answers."""

    output_id: int
    prompt: rows.PromptValue
    text: str


CONTROL = Text(output_id=0, prompt="", text="OK.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one output. `said` is None when there is no answer, which is never a pass, and `problem` says why.

    `has_failed`: it is the model that failed, not an answer that cannot be read; `is_of_this`: perhaps for this output.
    """

    output_id: int
    said: checking.Said | None = None
    problem: str = ""
    has_failed: bool = False
    is_of_this: bool = False
    retry_after: float | None = None
    cost: Cost = field(default_factory=Cost)

    @property
    def is_heard(self) -> bool:
        """Whether a model answered, be it nonsense."""
        return self.cost.calls > 0 and not self.has_failed


def batch(*, checks: Sequence[checking.Made], models: Models) -> tuple[int, float]:
    """Return how many texts to ask about at once, at most AT_ONCE, and the seconds after which that is surely over.

    With the slowest answers a batch takes LONGEST_BATCH seconds: a worker that is stopped meanwhile loses no more. Of
    one judge with answers in 60 s, four at a time, it is 16 texts; with 600 s, one at a time, a single text.
    """
    asked = [models[each.judge.model] for each in checks if isinstance(each, declared.Asking)]
    slowest, parallel = sum(each.timeout for each in asked), min(each.parallel for each in asked)
    texts = min(AT_ONCE, parallel * max(1, int(LONGEST_BATCH / slowest)))
    return texts, 60 + 2 * math.ceil(texts / parallel) * slowest


def ask(
    *, checks: Sequence[checking.Made], texts: Sequence[Text], models: Models, until: float | None = None
) -> list[Outcome]:
    """Return an outcome for each text, in order. `until`: of time.monotonic, when whoever waits has had enough.

    A model that fails is not asked further. A failure that may be an output's fault (too long, too slow) is taken for
    one when the model answers about another output, or about the few letters of CONTROL, which are asked about where
    none of these was answered; else it is the model's. Raises ValueError where a function fails.
    """
    named = [each for each in checks if isinstance(each, declared.Named)]
    judges = [each for each in checks if isinstance(each, declared.Asking)]
    seen = {each.output_id: checking.look(named, prompt=each.prompt, output=each.text) for each in texts}
    with contextlib.ExitStack() as stack:
        names = {each.judge.model for each in judges}
        asker = _Asker(
            judges=judges,
            many=len(checks) > 1,
            models=models,
            https={name: stack.enter_context(client.opened(models[name])) for name in names},
            until=until,
        )
        pool = stack.enter_context(futures.ThreadPoolExecutor(min(models[name].parallel for name in names)))
        asked = list(pool.map(asker.outcome, [each for each in texts if not seen[each.output_id].violated]))
        found = {each.output_id: each for each in _blamed(asked, asker)}
    return [found.get(id_) or Outcome(output_id=id_, said=said) for id_, said in seen.items()]


def _blamed(asked: list[Outcome], asker: _Asker) -> list[Outcome]:
    if not any(each.is_of_this for each in asked):
        return asked
    is_up = any(each.is_heard for each in asked) or asker.is_up(asked[0].cost)
    return [replace(each, has_failed=False) if is_up and each.is_of_this else each for each in asked]


@dataclass(kw_only=True)
class _Asker:
    """What the threads share."""

    judges: Sequence[declared.Asking]
    many: bool
    models: Models
    https: Mapping[str, httpx.Client]
    until: float | None
    is_down: threading.Event = field(default_factory=threading.Event)

    def outcome(self, text: Text) -> Outcome:
        """Ask the judges in turn until one finds something. One that gives no answer leaves it to the others."""
        cost, problem = Cost(), ""
        for each in self.judges:
            if self.is_down.is_set():
                return Outcome(output_id=text.output_id, problem=NO_FURTHER, has_failed=True, cost=cost)
            try:
                found = self._findings(each.judge, text, cost)
            except judge.NoAnswer as error:
                problem = str(error)
            except client.ModelFailed as error:
                return self._failed(text, error, cost)
            else:
                if found:
                    said = checking.said([(each.name, one) for one in found], many=self.many)
                    return Outcome(output_id=text.output_id, said=said, cost=cost)
        passes = None if problem else checking.Said()
        return Outcome(output_id=text.output_id, said=passes, problem=problem, cost=cost)

    def is_up(self, cost: Cost) -> bool:
        """Whether every judge's model answers something about CONTROL; the cost is added to `cost`."""
        for each in self.judges:
            try:
                self._findings(each.judge, CONTROL, cost)
            except judge.NoAnswer:
                continue
            except client.ModelFailed:
                return False
        return True

    def _findings(self, asked: judge.Judge, text: Text, cost: Cost) -> list[finding.Finding]:
        prompt, mark = declared.text_of(text.prompt), secrets.token_hex(12)
        messages = asked.messages(prompt=prompt, output=text.text, mark=mark)
        cost.calls += 1
        reply = client.ask(
            http=self.https[asked.model], model=self.models[asked.model], messages=messages, seconds=self._left()
        )
        cost.prompt_tokens += reply.prompt_tokens
        cost.answer_tokens += reply.answer_tokens
        return asked.read(reply.text, output=text.text)

    def _left(self) -> float | None:
        return None if self.until is None else max(0.1, self.until - time.monotonic())

    def _failed(self, text: Text, error: client.ModelFailed, cost: Cost) -> Outcome:
        if not error.is_of_this:
            self.is_down.set()
        return Outcome(
            output_id=text.output_id,
            problem=str(error),
            has_failed=True,
            is_of_this=error.is_of_this,
            retry_after=error.retry_after,
            cost=cost,
        )
