"""What trusted checks find in an output, for the annotator who is to be shown it.

Checks are run on the spot, on gold as on anything else: stored results leave gold out, and an output on which nothing
is ever suggested would be known by it. Checks that ask a model are left out for that reason, too, and for its time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints.assistance import suggestions
from annotate.constraints.checks import checking, judging_queries
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check
from annotate.intake.models import Output


def for_output(campaign: Campaign, output: Output) -> list[dict[str, Any]] | None:
    """Return what the campaign's trusted checks find, as `suggestions.suggested` says it; None without such a check.

    Two statements at most. The output comes with its prompt.
    """
    lives = _trusted(Check.objects.filter(constraint__campaign=campaign))
    if not lives:
        return None
    found = [
        suggestions.Found(
            statement=life.constraint.statement, tag_slug=life.constraint.tag_slug, findings=findings(life, output)
        )
        for life in lives
    ]
    return suggestions.suggested(found, campaign_queries.tags_in_force(campaign=campaign))


def by_constraint(constraint_ids: Collection[int]) -> dict[int, Check]:
    """Return the trusted checks of these constraints that can be shown to help. One statement."""
    return {life.constraint_id: life for life in _trusted(Check.objects.filter(constraint__in=constraint_ids))}


def findings(life: Check, output: Output) -> list[dict[str, Any]]:
    """Return what the check's current version finds: nothing where it can no longer be run."""
    try:
        made = checking.made(life.current.declared)
        return checking.look(made, prompt=check_queries.prompt_of(output), output=output.text).findings
    except ValueError:
        return []


def _trusted(lives: Any) -> list[Check]:
    found = lives.filter(state=checking.TRUSTED).select_related("constraint", "current").order_by("pk")
    return [life for life in found if not judging_queries.is_asking(life)]
