"""What waits to be grouped, and how far a regrouping is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.grouping.models import UNFINISHED, Regrouping, Shard
from annotate.constraints.models import Grouping

SILENT = timedelta(seconds=60)
"""A shard that has not moved for so long may have lost its worker. If it has not, a nudge finds its row locked."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a campaign's grouping is. `is_asked`: somebody asked for another one after what is under way; `failed`
    may be of an earlier regrouping."""

    regrouping: Regrouping | None = None
    shards: Sequence[Shard] = ()
    failed: Sequence[Shard] = ()
    is_asked: bool = False

    @property
    def is_under_way(self) -> bool:
        return any(each.state in UNFINISHED for each in self.shards)

    @property
    def is_live(self) -> bool:
        """Whether it will look otherwise in a moment."""
        return self.is_under_way or self.is_asked

    @property
    def ended_count(self) -> int:
        return sum(each.state not in UNFINISHED for each in self.shards)

    @property
    def placed_count(self) -> int:
        return sum(each.placed_count for each in self.shards)

    @property
    def total_count(self) -> int:
        return sum(each.total_count for each in self.shards)


def waiting_campaign_ids() -> list[int]:
    """Return the campaigns that have something to group and whose last regrouping is over: a violation in no
    constraint, or in one though its judgment was withdrawn; a judgment not yet looked at; or a person who asked."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"margin": queries.MARGIN})
        return [row[0] for row in cursor.fetchall()]


# The latest judgments are asked for in the order of their index: told only that their ids are larger, the planner
# expects many and scans the table for the first one.
_WAITING = """
SELECT c.id FROM campaigns_campaign c LEFT JOIN constraints_grouping g ON g.campaign_id = c.id
WHERE NOT EXISTS (SELECT FROM constraints_regrouping r JOIN constraints_shard s ON s.regrouping_id = r.id
                  WHERE r.campaign_id = c.id AND r.finished_at IS NULL AND s.state IN ('waiting', 'running'))
  AND (g.requested_at IS NOT NULL
   OR EXISTS (SELECT FROM constraints_regrouping r WHERE r.campaign_id = c.id AND r.finished_at IS NULL)
   OR (SELECT max(j.id) FROM judgments_judgment j WHERE j.campaign_id = c.id) > coalesce(g.last_judgment_id, 0)
   OR EXISTS (
        SELECT 1 FROM (SELECT * FROM judgments_judgment j WHERE j.campaign_id = c.id
                         AND j.id > coalesce(g.last_judgment_id, 0) - %(margin)s
                       ORDER BY j.campaign_id DESC, j.id DESC LIMIT %(margin)s) j
        JOIN judgments_violation v ON v.judgment_id = j.id
        JOIN campaigns_tag t ON t.id = v.tag_id
        LEFT JOIN constraints_member m ON m.violation_id = v.id
        WHERE j.is_current = (m.id IS NULL)
          AND NOT EXISTS (SELECT FROM intake_output o JOIN intake_importbatch b ON b.id = o.batch_id
                          WHERE o.id = j.output_id AND b.purpose = 'gold')
          AND NOT EXISTS (SELECT FROM constraints_regrouping r JOIN constraints_shard s ON s.regrouping_id = r.id
                          WHERE r.campaign_id = c.id AND s.state = 'failed' AND s.tag_slug = t.slug AND j.is_current)))
ORDER BY c.id
"""


def silent_shard_ids(*, now: datetime) -> list[int]:
    """Return the shards whose worker may have died or whose nudge was lost. One that waits its turn behind others of
    its regrouping is none."""
    lately = Shard.objects.filter(regrouping=OuterRef("regrouping"), updated_at__gt=now - SILENT)
    silent = Q(state=Shard.State.RUNNING, updated_at__lte=now - SILENT) | Q(~Exists(lately), state=Shard.State.WAITING)
    return list(Shard.objects.filter(silent, state__in=UNFINISHED).order_by("id").values_list("id", flat=True))


def progress(*, campaign: Campaign) -> Progress:
    """Return the regrouping under way, else the last one. Three statements at most."""
    last = Regrouping.objects.filter(campaign=campaign).select_related("requested_by").order_by("-id").first()
    asked = Grouping.objects.filter(campaign=campaign, requested_at__isnull=False)
    if last is None:
        return Progress(is_asked=asked.exists())
    shards = Shard.objects.filter(Q(regrouping=last) | Q(regrouping__campaign=campaign, state=Shard.State.FAILED))
    found = list(shards.order_by("tag_slug", "id"))
    return Progress(
        regrouping=last,
        shards=[each for each in found if each.regrouping_id == last.pk],
        failed=[each for each in found if each.state == Shard.State.FAILED],
        is_asked=asked.exists(),
    )
