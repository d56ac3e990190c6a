"""The scripted annotator: leases like anybody, judges by checking the truth, and is labelled as a script."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import actions as judgment_actions
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
from annotate.queue.models import Lease
from training_bridge.demo import truth, world

KEYS = uuid.UUID("5f0c7a5e-3c8e-4b86-8f5a-0d6a4d3b6f21")
COMMENT = "Judged by a script that checks the truth."


def judge_open(
    *,
    campaign: Campaign,
    annotator: User,
    left: Collection[int],
    clock: Callable[[], datetime],
    on_judged: Callable[[int], None],
) -> int:
    """Judge whatever is open, and return how many outputs that were.

    Outputs whose id is in `left` are skipped with a reason, which leaves them for people.
    """
    judged = 0
    while lease := queue_actions.lease_next(campaign=campaign, annotator=annotator, now=clock()):
        output = Output.objects.select_related("prompt").get(pk=lease.output_id)
        problem = world.parse(output.prompt.text)
        if problem is None or output.pk in left:
            reason = "not a question of the demo's world" if problem is None else "left for a person"
            queue_actions.skip(token=lease.token, annotator=annotator, reason=reason, now=clock())
            continue
        _submit(lease, output, problem, annotator, now=clock())
        judged += 1
        on_judged(judged)
    return judged


def left_for_people(*, batch: ImportBatch, judged: int) -> frozenset[int]:
    """Return the ids of the batch's outputs beyond `judged`.

    Which they are depends on their prompts alone, not on the queue's order: the same seed trains on the same rows.
    """
    ordered = Output.objects.filter(batch=batch).order_by("prompt__sha256", "pk")
    return frozenset(ordered.values_list("pk", flat=True)[judged:])


def _submit(lease: Lease, output: Output, problem: world.Problem, annotator: User, *, now: datetime) -> None:
    drafts = [_draft(finding) for finding in truth.judge(problem=problem, text=output.text)]
    judgment_actions.submit(
        token=lease.token,
        annotator=annotator,
        verdict=Judgment.Verdict.REJECTED if drafts else Judgment.Verdict.NOTHING_WRONG,
        violations=drafts,
        idempotency_key=uuid.uuid5(KEYS, f"{annotator.pk}/{output.pk}"),
        now=now,
        comment=COMMENT,
    )


def _draft(finding: truth.Finding) -> ViolationDraft:
    return ViolationDraft(
        tag_slug=finding.tag,
        scope=finding.scope,
        severity=finding.severity,
        start=finding.start,
        end=finding.end,
        critique=finding.critique,
        correction=finding.correction,
    )
