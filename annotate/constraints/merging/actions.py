"""Propose merges, take a proposal up, or say that the two are not the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.merging import pairs as merging
from annotate.constraints.merging import queries as merging_queries
from annotate.constraints.models import Constraint, Grouping, MergeProposal
from annotate.errors import NotFound


def compare(*, campaign_id: int, now: datetime) -> int:
    """Compare the campaign's living constraints and replace what is proposed. Returns how many pairs are.

    What a person refused stays refused, also once one of the two was merged into another. Running it twice, or twice at
    once, is running it once. Comparing holds no lock; only storing is a transaction.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    together = merging_queries.found_together(campaign=campaign)
    pairs = merging.near(candidates=merging_queries.candidates(campaign=campaign), also=together)
    shared = merging_queries.shared(campaign=campaign, pairs=pairs)
    never = merging_queries.refused_pairs(campaign=campaign)
    kept = [
        each
        for each in pairs
        if (each.left, each.right) not in never and merging.is_proposed(each, shared[each.left, each.right])
    ]
    return _replace(campaign, [_proposal(campaign, each, shared[each.left, each.right], now) for each in kept], now)


@transaction.atomic
def _replace(campaign: Campaign, made: list[MergeProposal], now: datetime) -> int:
    Grouping.objects.get_or_create(campaign=campaign)
    Grouping.objects.filter(campaign=campaign).update(compared_at=now)
    stored = MergeProposal.objects.bulk_create(
        made,
        update_conflicts=True,
        unique_fields=["left", "right"],
        update_fields=["likeness", "evidence", "updated_at"],
    )
    stale = MergeProposal.objects.filter(campaign=campaign, refused_at=None)
    stale.exclude(pk__in=[each.pk for each in stored]).delete()
    return len(stored)


@transaction.atomic
def accept(*, campaign: Campaign, proposal_id: int, by: User, now: datetime, keep: str = "") -> Constraint:
    """Merge the pair. The words of the `keep` ("left" or "right") are kept; when empty, of the one further along:
    accepted, then rejected, then named by somebody, then larger, then older. Raises NotFound, Retired."""
    found = _locked(campaign, proposal_id)
    into, other = sorted((found.left, found.right), key=_standing)
    if keep in ("left", "right"):
        into, other = (found.left, found.right) if keep == "left" else (found.right, found.left)
    return actions.merge(into=into, others=[other], by=by, now=now)


@transaction.atomic
def refuse(*, campaign: Campaign, proposal_id: int, by: User, now: datetime) -> MergeProposal:
    """Say that the two are not the same. Twice is once. Raises NotFound."""
    found = _locked(campaign, proposal_id)
    if found.refused_at is None:
        found.refused_by, found.refused_at = by, now
        found.save(update_fields=["refused_by", "refused_at"])
        _record(by, "not the same", found, now)
    return found


@transaction.atomic
def ask_again(*, campaign: Campaign, proposal_id: int, by: User, now: datetime) -> MergeProposal:
    """Take a refusal back. Raises NotFound."""
    found = _locked(campaign, proposal_id)
    if found.refused_at is not None:
        found.refused_by = found.refused_at = None
        found.save(update_fields=["refused_by", "refused_at"])
        _record(by, "may be the same", found, now)
    return found


def first_of(proposal: MergeProposal) -> Constraint:
    """Return the one whose words a merge keeps unless somebody chooses."""
    return min((proposal.left, proposal.right), key=_standing)


def _standing(constraint: Constraint) -> tuple[int, bool, int, int]:
    order = [Constraint.State.ACCEPTED, Constraint.State.DISMISSED, Constraint.State.CANDIDATE]
    state = order.index(Constraint.State(constraint.state)) if constraint.state in order else len(order)
    return state, constraint.named_by_id is None, -constraint.member_count, constraint.pk


def _proposal(campaign: Campaign, pair: merging.Near, shared: merging.Shared, now: datetime) -> MergeProposal:
    evidence: dict[str, Any] = {
        "members": round(pair.members, 3),
        "statements": round(pair.statements, 3),
        "phi": round(merging.phi(shared), 3),
        "both": shared.both,
        "left": shared.left,
        "right": shared.right,
        "judged": shared.judged,
    }
    return MergeProposal(
        campaign=campaign,
        left_id=pair.left,
        right_id=pair.right,
        likeness=round(merging.likeness(pair, shared), 6),
        evidence=evidence,
        updated_at=now,
    )


def _locked(campaign: Campaign, proposal_id: int) -> MergeProposal:
    rows = MergeProposal.objects.select_for_update(of=("self",)).select_related("left", "right")
    found = rows.filter(campaign=campaign, pk=proposal_id).first()
    if found is None:
        raise NotFound("This pair is proposed no more: one of the two changed. Reload the page.")
    return found


def _record(by: User, verb: str, found: MergeProposal, now: datetime) -> None:
    subject, detail = f"constraint {found.left_id}", {"other": found.right_id}
    account_actions.record(actor=by, verb=f"constraint {verb}", subject=subject, now=now, detail=detail)
