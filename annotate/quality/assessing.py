"""Questions about annotators: answered from the newest judgments, and the answers as JSON, to keep and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import agreement_queries, judges, reliability, reliability_queries
from annotate.quality.agreement_campaign import Agreement, PairAgreement, TagAgreement
from annotate.quality.agreement_queries import Found
from annotate.quality.bootstrap import Figure
from annotate.quality.reliability_queries import Opinion

JUDGMENTS_AT_MOST = 50_000
"""Reliability is of the newest judgments."""
OUTPUTS_AT_MOST = 1000
"""Agreement is of the newest outputs that two or more decided about."""
DIFFERING_AT_MOST = 20

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """`subject` is an Assessment.Subject, `judged_by` a key of judges.TOGETHER, `tag_slug` empty for the verdict."""

    subject: str
    judged_by: str = "people"
    tag_slug: str = ""
    with_gold: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """What is kept of a reliability.Reliability besides its annotators. `output_count`: outputs that several judged."""

    refusal: str
    is_cut: bool
    output_count: int
    prevalence: float | None
    was_turned: bool
    has_converged: bool
    differing: list[Opinion]
    differs_more: bool


def reliability_now(*, campaign: Campaign, question: Question) -> tuple[Json, dict[int, Json]]:
    """Fit the models. Returns the figures, and those of each annotator by id."""
    said = reliability_queries.said(
        campaign=campaign,
        tag_slug=question.tag_slug,
        kinds=judges.TOGETHER[question.judged_by],
        with_gold=question.with_gold,
        at_most=JUDGMENTS_AT_MOST,
    )
    found = reliability.estimate(labels=said.labels)
    differing = reliability.differing(found=found, at_most=DIFFERING_AT_MOST + 1).tolist()
    kept = Reliability(
        refusal=found.refusal,
        is_cut=said.is_cut,
        output_count=len(found.units),
        prevalence=found.prevalence,
        was_turned=found.was_turned,
        has_converged=found.has_converged,
        differing=reliability_queries.opinions(said=said, found=found, places=differing[:DIFFERING_AT_MOST]),
        differs_more=len(differing) > DIFFERING_AT_MOST,
    )
    return asdict(kept), {int(said.annotator_ids[each.rater]): asdict(each) for each in found.annotators}


def reliability_then(figures: Mapping[str, Any]) -> Reliability:
    return Reliability(**{**figures, "differing": [Opinion(**each) for each in figures["differing"]]})


def annotator_then(figures: Mapping[str, Any]) -> reliability.Annotator:
    shares = {name: figures[name] for name in ("sensitivity", "specificity", "competence")}
    return reliability.Annotator(
        **{**figures, **{name: share and reliability.Share(**share) for name, share in shares.items()}}
    )


def agreement_now(*, campaign: Campaign, question: Question) -> Json:
    """Measure agreement, intervals included."""
    kinds = judges.TOGETHER[question.judged_by]
    found = agreement_queries.agreement_of(campaign=campaign, kinds=kinds, newest=OUTPUTS_AT_MOST)
    return {
        "outputs": found.outputs,
        "judgments": found.judgments,
        "annotators": found.annotators,
        "is_cut": found.is_cut,
        "overall": asdict(found.overall),
        "tags": [[name, asdict(each)] for name, each in found.tags],
        "pairs": [[one.pk, other.pk, asdict(each.agreement)] for one, other, each in found.pairs],
    }


def agreement_then(figures: Mapping[str, Any]) -> Found:
    """Return what was measured. One query, for the annotators' names."""
    users = User.objects.in_bulk({pk for one, other, _ in figures["pairs"] for pk in (one, other)})
    return Found(
        outputs=figures["outputs"],
        judgments=figures["judgments"],
        annotators=figures["annotators"],
        is_cut=figures["is_cut"],
        overall=_agreement(figures["overall"]),
        tags=[(name, _tag(each)) for name, each in figures["tags"]],
        pairs=[
            (users[one], users[other], PairAgreement(annotators=(one, other), agreement=_agreement(each)))
            for one, other, each in figures["pairs"]
            if one in users and other in users
        ],
    )


def _agreement(figures: Mapping[str, Any]) -> Agreement:
    return Agreement(**{name: Figure(**each) for name, each in figures.items()})


def _tag(figures: Mapping[str, Any]) -> TagAgreement:
    values: Json = {name: Figure(**each) if isinstance(each, dict) else each for name, each in figures.items()}
    return TagAgreement(**values)
