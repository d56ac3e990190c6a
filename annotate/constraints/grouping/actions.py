"""Regroup a campaign: open a regrouping, place its shards' lists a portion at a time, end it.

Locks: a shard's row, then constraints, by id; the campaign's grouping row in transactions of its own. A shard's row is
held while a portion is computed and keeps other workers off the tag; constraints are held only while the portion is
stored. It is stored with the place in the list, so whoever comes after a killed worker loses one portion at most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Sum

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.grouping import ledger, lists, placing, reading
from annotate.constraints.grouping.models import UNFINISHED, Regrouping, Shard
from annotate.constraints.models import Constraint, Grouping
from annotate.errors import RuleError
from annotate.judgments.models import Judgment

PORTION = 20_000
"""How many violations of a tag are read, placed and stored at a time."""
WHOLE = timedelta(days=1)
"""How long after everything was looked through a regrouping looks through everything again, not only what is new."""
ATTEMPTS = 5


class NothingFailed(RuleError):
    """There is no tag to try again."""


@dataclass(frozen=True, kw_only=True)
class Portion:
    """What one step of a shard did."""

    has_more: bool = False
    assigned: int = 0
    made: int = 0


@transaction.atomic
def request(*, campaign: Campaign, by: User | None, now: datetime) -> None:
    """Ask that everything no person has settled is grouped anew, soon: after the regrouping under way, if there is."""
    Grouping.objects.get_or_create(campaign=campaign)
    Grouping.objects.filter(campaign=campaign).update(requested_at=now, requested_by=by)


@transaction.atomic
def try_again(*, campaign: Campaign) -> None:
    """Let the next regrouping take the tags that failed, and look through everything. Raises NothingFailed."""
    failed = Shard.objects.filter(regrouping__campaign=campaign, state=Shard.State.FAILED)
    if not failed.update(state=Shard.State.DONE, problem=""):
        raise NothingFailed("No tag is stuck any more. Reload the page to see how far the grouping is.")
    Grouping.objects.filter(campaign=campaign).update(looked_through_at=None, last_judgment_id=0)


def open_regrouping(*, campaign_id: int, now: datetime) -> list[int]:
    """Return the unfinished shards of the campaign's regrouping, opening one where there is something to do.

    What is of judgments that are replaced or withdrawn leaves its constraint first.
    """
    while _let_go(campaign_id, now):
        continue
    return _opened(campaign_id, now)


@transaction.atomic
def _let_go(campaign_id: int, now: datetime) -> bool:
    """Take out at most a PORTION of superseded members; whether there were any."""
    standing = Grouping.objects.filter(campaign=campaign_id).first() or Grouping(campaign_id=campaign_id)
    found = lists.superseded(campaign_id=campaign_id, since=_since(standing, now), most=PORTION)
    ledger.lock({constraint_id for _, constraint_id in found})
    left = lists.delete_members(found)
    placing.count_members({id_: -count for id_, count in left.items()}, now=now)
    placing.retire_emptied(left, now=now)
    return bool(found)


@transaction.atomic
def _opened(campaign_id: int, now: datetime) -> list[int]:
    """Locks the campaign's grouping row, so that of two at once one opens and the other finds what it opened."""
    Grouping.objects.get_or_create(campaign_id=campaign_id)
    standing = Grouping.objects.select_for_update(no_key=True).get(campaign=campaign_id)
    if not _is_under_way(standing, now):
        _open(standing, now)
    unfinished = Shard.objects.filter(regrouping__campaign=campaign_id, state__in=UNFINISHED)
    return list(unfinished.order_by("-total_count", "id").values_list("id", flat=True))


def _open(standing: Grouping, now: datetime) -> None:
    campaign_id, since, is_whole = standing.campaign_id, _since(standing, now), _is_whole(standing, now)
    last = Judgment.objects.filter(campaign=campaign_id).aggregate(last=Max("id"))["last"] or 0
    is_anew = standing.requested_at is not None
    counts = Counter(lists.unplaced_by_tag(campaign_id=campaign_id, since=since))
    if is_anew:
        counts.update(_unsettled_by_tag(campaign_id))
    for slug in () if is_whole else _failed(campaign_id):
        counts.pop(slug, None)
    if counts:
        _forget_ended(campaign_id, with_failed=is_whole)
        opened = Regrouping.objects.create(
            campaign_id=campaign_id,
            mode=Regrouping.Mode.ANEW if is_anew else Regrouping.Mode.NEW,
            since_judgment_id=since,
            last_judgment_id=last,
            requested_by_id=standing.requested_by_id,
            requested_at=standing.requested_at,
            started_at=now,
        )
        Shard.objects.bulk_create(
            Shard(regrouping=opened, tag_slug=slug, total_count=count, updated_at=now)
            for slug, count in sorted(counts.items())
        )
    else:
        standing.last_judgment_id, standing.grouped_at = last, now
    standing.requested_at = standing.requested_by = None
    standing.looked_through_at = now if is_whole else standing.looked_through_at
    standing.save()


def _is_whole(standing: Grouping, now: datetime) -> bool:
    """Whether everything is to be looked through: when somebody asked, and once a day."""
    seen = standing.looked_through_at
    return standing.requested_at is not None or seen is None or now - seen >= WHOLE


def _since(standing: Grouping, now: datetime) -> int:
    """Return the judgment after which things are looked through."""
    return 0 if _is_whole(standing, now) else max(0, standing.last_judgment_id - queries.MARGIN)


def _unsettled_by_tag(campaign_id: int) -> dict[str, int]:
    rows = Constraint.objects.unsettled().filter(campaign=campaign_id, member_count__gt=0)
    return dict(rows.order_by("tag_slug").values_list("tag_slug").annotate(Sum("member_count")))


def _failed(campaign_id: int) -> list[str]:
    failed = Shard.objects.filter(regrouping__campaign=campaign_id, state=Shard.State.FAILED)
    return list(failed.values_list("tag_slug", flat=True))


def _forget_ended(campaign_id: int, *, with_failed: bool) -> None:
    ended = Regrouping.objects.filter(campaign=campaign_id, finished_at__isnull=False)
    failed = Shard.objects.filter(regrouping__campaign=campaign_id, state=Shard.State.FAILED)
    (ended if with_failed else ended.exclude(pk__in=failed.values("regrouping"))).delete()


def place_portion(*, shard_id: int, now: datetime, wait: bool = False) -> Portion:
    """Do the shard's next step: write its list, place a portion of it, or end it. Twice at once is one after the other.

    Without `wait` it returns at once when another worker has the shard. A step that was begun ATTEMPTS times without
    being stored, because it raised or its worker died, makes the shard failed, and what is placed stays.
    """
    if not _begun(shard_id, now, wait):
        return Portion()
    portion = _stepped(shard_id, now, wait)
    if not portion.has_more:
        _close(shard_id, now)
    return portion


@transaction.atomic
def _begun(shard_id: int, now: datetime, wait: bool) -> bool:
    shard = _taken(shard_id, wait)
    if shard is None:
        return False
    if shard.attempt_count >= ATTEMPTS:
        _fail(shard, now)
    else:
        Shard.objects.filter(pk=shard_id).update(attempt_count=F("attempt_count") + 1, updated_at=now)
    return True


@transaction.atomic
def _stepped(shard_id: int, now: datetime, wait: bool) -> Portion:
    shard = _taken(shard_id, wait)
    if shard is None:
        return Portion()
    if shard.state == Shard.State.WAITING:
        portion = _listed(shard)
    elif shard.placed_count < shard.total_count:
        portion = _placed(shard, now)
    else:
        portion = _ended(shard, now)
    shard.attempt_count, shard.updated_at = 0, now
    shard.save()
    return portion


def _taken(shard_id: int, wait: bool) -> Shard | None:
    """Lock an unfinished shard until the transaction ends."""
    rows = Shard.objects.select_related("regrouping").select_for_update(of=("self",), no_key=True, skip_locked=not wait)
    return rows.filter(pk=shard_id, state__in=UNFINISHED).first()


def _listed(shard: Shard) -> Portion:
    regrouping = shard.regrouping
    campaign_id, slug = regrouping.campaign_id, shard.tag_slug
    unsettled = Constraint.objects.unsettled().filter(campaign=campaign_id, tag_slug=slug)
    shard.total_count = lists.write(
        shard_id=shard.pk,
        campaign_id=campaign_id,
        since=regrouping.since_judgment_id,
        tags=reading.tag_ids(campaign_id=campaign_id, slug=slug),
        apart=list(unsettled.values_list("id", flat=True)) if regrouping.mode == Regrouping.Mode.ANEW else [],
    )
    shard.state = Shard.State.RUNNING
    return Portion(has_more=True)


def _placed(shard: Shard, now: datetime) -> Portion:
    upto = min(shard.placed_count + PORTION, shard.total_count)
    planned = placing.plan(shard=shard, upto=upto)
    made = placing.store(shard=shard, planned=planned, now=now)
    shard.placed_count = upto
    return Portion(has_more=True, assigned=len(planned.listed), made=made)


def _ended(shard: Shard, now: datetime) -> Portion:
    placing.settle(shard=shard, now=now)
    lists.drop(shard_id=shard.pk)
    shard.state, shard.anchors = Shard.State.DONE, None
    return Portion()


def _fail(shard: Shard, now: datetime) -> None:
    lists.drop(shard_id=shard.pk)
    shard.state, shard.anchors, shard.updated_at = Shard.State.FAILED, None, now
    shard.problem = (
        f"It stopped {ATTEMPTS} times behind violation {shard.placed_count:,} without getting further. "
        "See the server's log."
    )
    shard.save()


@transaction.atomic
def _close(shard_id: int, now: datetime) -> None:
    """End the shard's regrouping, when this was the last of it. The shard may be forgotten already."""
    rows = Grouping.objects.select_for_update(of=("self",), no_key=True)
    standing = rows.filter(campaign__regroupings__shards=shard_id).first()
    if standing is not None:
        _is_under_way(standing, now)


def _is_under_way(standing: Grouping, now: datetime) -> bool:
    """Whether a regrouping has shards to do. One that has none left is ended here, with the grouping row locked."""
    under_way = Regrouping.objects.filter(campaign=standing.campaign_id, finished_at=None).first()
    if under_way is None:
        return False
    if under_way.shards.filter(state__in=UNFINISHED).exists():
        return True
    under_way.finished_at = now
    under_way.save(update_fields=["finished_at"])
    standing.last_judgment_id, standing.grouped_at = under_way.last_judgment_id, now
    standing.save(update_fields=["last_judgment_id", "grouped_at"])
    return False
