"""The check of one constraint: what it is, how far it agrees with people, and a form that shows before it stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking, judging_queries, precision
from annotate.constraints.checks import preview as check_preview
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check
from annotate.constraints.models import Constraint
from annotate.errors import RuleError
from annotate.verification import verdicts
from frontend import doors, visible_text
from frontend.hostile import Span
from worker.tasks import checks as check_tasks

READERS = (doors.ADMIN, doors.REVIEWER)
VERSIONS = 20
SEED = 1
STEPS = {
    checking.SHADOW: ("Run it silently", "It runs over every output, those to come too, and nothing else happens."),
    checking.TRUSTED: ("Trust it", "New outputs are screened by it, and runs may take it as a reward."),
    checking.DRAFT: ("Stop it", "It is a draft again. What it said is kept."),
    checking.RETIRED: ("Retire it", "It is kept for the record."),
}
JUDGES_STEPS = {
    checking.SHADOW: "It asks about every output, those to come too, as many in a minute as this server allows.",
    checking.TRUSTED: "New outputs are screened by it. Runs take no judge as a reward.",
}
FALL_BACK = ("Trust it no longer", "It goes on running silently.")
EXAMPLES = (
    ("check: pattern\npattern: as an AI\nignore_case: true\nmost: 0", "words that must not be there"),
    ("check: number_in_source\nexceptions: [1, 2]", "a number that the prompt does not give"),
    ("- check: length\n  most: 120\n- check: repeated_ngram\n  words: 4", "several: each must pass"),
)
JUDGE = (
    "check: judge\nmodel: {name}\nquestion: Does the text promise a refund?",
    "a language model, asked once about each output; yes is a violation",
)


@dataclass(frozen=True)
class Measure:
    """A share as the page shows it, with its interval in hundredths."""

    label: str
    about: str
    share: precision.Share

    @property
    def percent(self) -> int | None:
        return None if self.share.value is None else round(100 * self.share.value)

    @property
    def between(self) -> tuple[int, int]:
        return round(100 * self.share.low), round(100 * self.share.high)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*READERS)
def check(request: doors.Request, campaign: Campaign, constraint_id: int) -> HttpResponse:
    found = queries.constraint(campaign=campaign, constraint_id=constraint_id)
    if request.method != "POST":
        return _page(request, campaign, found)
    try:
        action = request.POST.get("action", "")
        if action == "preview" or (action == "save" and not _was_previewed(request)):
            return _previewed(request, campaign, found, is_asked=action == "preview")
        _act(request, found, action)
    except RuleError as error:
        return _page(request, campaign, found, error=error)
    return HttpResponseRedirect(reverse("constraint-check", args=[campaign.slug, found.pk]))


def _act(request: doors.Request, found: Constraint, action: str) -> None:
    if action == "save":
        text = request.POST.get("text", "")
        life = check_actions.save(constraint=found, text=text, by=request.user, now=clock.now())
        messages.success(request, f"Version {life.current.number} is stored. It never changes.")
    elif action in checking.FOLLOWERS:
        stands = check_queries.life_of(constraint=found)
        if stands is None:
            raise RuleError("The constraint has no check yet. Write one and save it first.")
        life = check_actions.step(life=stands, to=action, by=request.user, now=clock.now(), asked=verdicts.by_output)
        messages.success(request, f"The check is {_state(life)} now.")
    else:
        raise RuleError("This page has no such action. Reload it and try again.")
    if life.state in checking.RUNNING:
        check_tasks.run.nudge(life.pk)


def _state(life: Check) -> str:
    return {"draft": "a draft", "shadow": "in shadow"}.get(life.state, life.state)


def _was_previewed(request: doors.Request) -> bool:
    text = checking.normalised(request.POST.get("text", ""))
    return request.POST.get("previewed", "") == checking.sha256(text)


def _previewed(request: doors.Request, campaign: Campaign, found: Constraint, *, is_asked: bool) -> HttpResponse:
    text = request.POST.get("text", "")
    seen = check_preview.preview(constraint=found, text=text, seed=_seed(request.POST), asked=verdicts.by_output)
    context = {
        "preview": seen,
        "measures": _measures(seen.counts),
        "rows": [(row, spans(row.marks)) for row in seen.rows],
        "previewed": checking.sha256(checking.normalised(text)),
        "is_asked": is_asked,
        "next_seed": seen.seed + 1,
    }
    return _page(request, campaign, found, preview=context)


def _seed(post: Mapping[str, str]) -> int:
    typed = post.get("seed", "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else SEED


def spans(marks: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Findings as marks of a text."""
    return [Span(start=each["start"], end=each["end"], label=each["message"]) for each in marks]


def _page(
    request: doors.Request,
    campaign: Campaign,
    found: Constraint,
    *,
    error: RuleError | None = None,
    preview: Mapping[str, Any] | None = None,
) -> HttpResponse:
    life = check_queries.life_of(constraint=found)
    typed = request.POST.get("text") if error or preview else None
    context: dict[str, Any] = {
        "constraint": found,
        "statement": visible_text.pieces(found.statement),
        "life": life,
        "rule": check_queries.trust_rule(campaign=campaign),
        "text": typed if typed is not None else (life.current.text if life else ""),
        "versions": list(check_queries.versions(constraint=found)[:VERSIONS]),
        "history": check_queries.history(constraint=found),
        "examples": _examples(),
        "error": error,
        "seed": SEED,
        "can_write": found.state != Constraint.State.RETIRED,
        **(_standing(campaign, life) if life else {}),
        "preview": None,
    }
    status = 200 if error is None else 422
    context |= preview or {}
    return doors.render(request, "check.html", context, campaign=campaign, tab="constraints", status=status)


def _examples() -> list[tuple[str, str]]:
    """Those that can be tried here: a judge needs a model, and is shown with the first one's name."""
    example, about = JUDGE
    names = sorted(judging_queries.models())[:1]
    return [*EXAMPLES, *((example.format(name=name), about) for name in names)]


def _standing(campaign: Campaign, life: Check) -> dict[str, Any]:
    rule, counts = check_queries.trust_rule(campaign=campaign), check_queries.counts(life)
    steps = [(to, *_words(life, to)) for to in checking.FOLLOWERS[life.state]]
    return {
        "counts": counts,
        "asking": judging_queries.standing(life=life),
        "measured": _measures(counts) if life.weighed_at else [],
        "lacks": precision.lacking(counts=counts, precision=rule.precision, adjudicated=rule.adjudicated),
        "steps": steps,
    }


def _words(life: Check, to: str) -> tuple[str, str]:
    label, about = FALL_BACK if (life.state, to) == (checking.TRUSTED, checking.SHADOW) else STEPS[to]
    is_first = life.state != checking.TRUSTED and judging_queries.is_asking(life)
    return label, JUDGES_STEPS.get(to, about) if is_first else about


def _measures(counts: precision.Counts) -> list[Measure]:
    return [
        Measure("Precision", "of what it marked, the part that people call violated", counts.precision),
        Measure("Recall", "of what people call violated, the part that it marked", counts.recall),
    ]


urls = [
    path("c/<slug:slug>/constraints/<int:constraint_id>/check/", check, name="constraint-check"),
]
