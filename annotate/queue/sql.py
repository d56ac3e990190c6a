# ruff: noqa: S608 - the parts put together here are written here
"""The statements that must each be one statement to be right under concurrency."""

from annotate.queue.policy import JUDGING_ROLES

# The campaign's shelves, each with the place that the annotator has reached on it.
SHELVES = """
SELECT shelf.id, shelf.priority, shelf.is_front, shelf.is_gold, shelf.sealed,
       COALESCE(place.round, 0) AS round, COALESCE(place.order_key, 0) AS order_key
FROM queue_shelf AS shelf
LEFT JOIN queue_cursor AS place ON place.shelf_id = shelf.id AND place.annotator_id = %(annotator)s
WHERE shelf.campaign_id = %(campaign)s
"""

IN_ORDER = "ORDER BY shelves.is_gold DESC, shelves.priority DESC, shelves.is_front DESC"

# Who may not judge here has nothing that they could be given, unfinished or new.
IS_ALLOWED = f"""
EXISTS (SELECT FROM campaigns_campaign WHERE id = %(campaign)s AND state = 'active')
AND (%(is_trusted)s OR EXISTS (
    SELECT FROM campaigns_membership
    WHERE campaign_id = %(campaign)s AND user_id = %(annotator)s AND role IN {JUDGING_ROLES}
))
"""

# Who holds as much as they may, or has something unfinished besides, is shown no shelves.
IS_WANTED = f"""
{IS_ALLOWED} AND (SELECT count(*) FROM mine) < %(at_most)s AND NOT EXISTS (SELECT FROM renewed)
"""

# What the annotator may be given of one of these shelves. Their lease of an item is looked up, not joined: the planner
# could read all their leases for a join.
FREE_FOR_ME = """
SELECT item.output_id, item.round, item.order_key, item.taken_count + 1 < item.overlap AS is_wanted_again
FROM queue_queueitem AS item
WHERE item.shelf_id = shelves.id
  AND item.taken_count < item.overlap
  AND (item.round, item.order_key) >= (shelves.round, shelves.order_key)
  AND COALESCE((
      SELECT mine.state IN ('expired', 'released') FROM queue_lease AS mine
      WHERE mine.output_id = item.output_id AND mine.annotator_id = %(annotator)s
  ), true)
ORDER BY item.round, item.order_key
"""
# Of that, what the page does not show already, under a lease that ran out.
FREE_BESIDES = FREE_FOR_ME.replace(
    "IN ('expired', 'released')", "IN ('expired', 'released') AND mine.token <> ALL(%(besides)s::uuid[])"
)

# The annotator's own unfinished lease, renewed; else the first item that no other transaction is counting: the others
# are passed over, not waited for. The cursor moves to the first item that is free, locked or not: what was only passed
# over is found again. Shelves on which nothing is free are passed as far as they are sealed. Whoever is the first to
# come to a round, or to find nothing in it, seals it, and stays at its beginning: outputs that joined it before the
# seal may not be visible yet. Breadth first, what is wanted again joins the round that nobody is at yet; the shelf's
# row is held for that, as an import holds it, and after the seal, for a statement locks no row that it changed.
# The unique pair (output, annotator) stands behind it all; its conflict is an expired or released lease of the same
# person, which is taken up anew, under its token: what was marked under it can still be submitted.
LEASE_NEXT = f"""
WITH mine AS (
    SELECT id, token, leased_at FROM queue_lease
    WHERE annotator_id = %(annotator)s AND campaign_id = %(campaign)s AND state = 'open' AND {IS_ALLOWED}
), renewed AS (
    UPDATE queue_lease SET expires_at = %(expires_at)s
    WHERE state = 'open' AND id = (
        SELECT id FROM mine WHERE token <> ALL(%(besides)s::uuid[]) ORDER BY leased_at, id LIMIT 1
    )
    RETURNING *
), shelves AS (
    {SHELVES} AND (%(is_gold_turn)s OR NOT shelf.is_gold) AND {IS_WANTED}
), first AS (
    SELECT shelves.*, free.round AS free_round, free.order_key AS free_key
    FROM shelves CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT 1) AS free
    {IN_ORDER}
    LIMIT 1
), passed AS (
    SELECT shelves.* FROM shelves WHERE NOT EXISTS (
        SELECT FROM first
        WHERE (first.is_gold, first.priority, first.is_front) >= (shelves.is_gold, shelves.priority, shelves.is_front)
    )
), places AS (
    SELECT id, sealed + 1 AS round, CAST(%(first_key)s AS bigint) AS order_key FROM passed
    UNION ALL
    SELECT id, free_round, CASE WHEN free_round > sealed THEN CAST(%(first_key)s AS bigint) ELSE free_key END FROM first
), moved AS (
    INSERT INTO queue_cursor AS place (shelf_id, annotator_id, round, order_key)
    SELECT id, %(annotator)s, round, order_key FROM places
    ON CONFLICT (shelf_id, annotator_id) DO UPDATE SET round = EXCLUDED.round, order_key = EXCLUDED.order_key
    WHERE (place.round, place.order_key) <> (EXCLUDED.round, EXCLUDED.order_key)
), entered AS (
    UPDATE queue_shelf AS shelf SET sealed = seals.round
    FROM (
        SELECT shelf.id, places.round FROM queue_shelf AS shelf JOIN places USING (id)
        CROSS JOIN LATERAL (
            SELECT FROM queue_queueitem AS item
            WHERE item.shelf_id = places.id AND item.taken_count < item.overlap AND item.round = places.round
            ORDER BY item.round, item.order_key
            LIMIT 1
        ) AS waiting
        WHERE shelf.sealed < places.round
        ORDER BY shelf.id
        FOR NO KEY UPDATE OF shelf
    ) AS seals
    WHERE shelf.id = seals.id
    RETURNING shelf.id, shelf.sealed
), picked AS (
    SELECT free.output_id, free.is_wanted_again AND NOT shelves.is_gold AS is_wanted_again, shelves.priority
    FROM shelves CROSS JOIN LATERAL ({FREE_BESIDES} LIMIT 1 FOR UPDATE OF item SKIP LOCKED) AS free
    {IN_ORDER}
    LIMIT 1
), back AS (
    SELECT shelf.id FROM queue_shelf AS shelf JOIN picked USING (priority)
    WHERE shelf.campaign_id = %(campaign)s AND NOT shelf.is_front AND NOT shelf.is_gold
      AND %(is_breadth_first)s AND picked.is_wanted_again
), held AS (
    SELECT shelf.id, shelf.sealed FROM queue_shelf AS shelf JOIN back USING (id)
    WHERE NOT EXISTS (SELECT FROM entered WHERE entered.id = shelf.id)
    FOR SHARE OF shelf
), joined AS (
    SELECT id, sealed + 1 AS round FROM held
    UNION ALL
    SELECT id, entered.sealed + 1 FROM entered JOIN back USING (id)
), taken AS (
    UPDATE queue_queueitem AS item
    SET taken_count = item.taken_count + 1,
        shelf_id = COALESCE(joined.id, item.shelf_id), round = COALESCE(joined.round, item.round)
    FROM picked LEFT JOIN joined ON true
    WHERE item.output_id = picked.output_id
    RETURNING item.output_id
), leased AS (
    INSERT INTO queue_lease
        (token, campaign_id, output_id, annotator_id, state, skip_reason, stance, draft_version, revision, leased_at,
         expires_at)
    SELECT %(token)s, %(campaign)s, output_id, %(annotator)s, 'open', '', %(stance)s, 0, 0, %(now)s, %(expires_at)s
    FROM taken
    ON CONFLICT (output_id, annotator_id) DO UPDATE
        SET state = 'open', skip_reason = '', closed_at = NULL, stance = EXCLUDED.stance,
            leased_at = EXCLUDED.leased_at, expires_at = EXCLUDED.expires_at
    RETURNING *
)
SELECT {{columns}}
FROM (SELECT * FROM renewed UNION ALL SELECT * FROM leased) AS lease
JOIN intake_output AS output ON output.id = lease.output_id
JOIN intake_prompt AS prompt ON prompt.id = output.prompt_id
"""

COUNT_FREE = f"""
WITH shelves AS ({SHELVES} AND NOT shelf.is_gold)
SELECT count(*) FROM (
    SELECT FROM shelves CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT %(at_most)s) AS free LIMIT %(at_most)s
) AS counted
"""

OPEN_SHELVES = """
INSERT INTO queue_shelf (campaign_id, priority, is_front, is_gold, sealed)
VALUES (%(campaign)s, %(priority)s, false, %(is_gold)s, 0), (%(campaign)s, %(priority)s, true, %(is_gold)s, 0)
ON CONFLICT DO NOTHING
"""

# Held to the end of the transaction: the round that its outputs join cannot be sealed before they are visible.
JOIN_SHELF = """
SELECT id, sealed + 1 FROM queue_shelf
WHERE campaign_id = %(campaign)s AND priority = %(priority)s AND is_gold = %(is_gold)s AND NOT is_front
FOR SHARE
"""

# The lease, until the transaction ends, under its annotator's lock, which comes first. Its token alone opens nothing:
# somebody else's, or one of a campaign that the annotator has left, finds no row.
HOLD = f"""
WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock(%(lock_key)s))
SELECT {{columns}}, (
    SELECT id FROM campaigns_tagset WHERE campaign_id = lease.campaign_id ORDER BY version DESC LIMIT 1
)
FROM alone
CROSS JOIN queue_lease AS lease
JOIN intake_output AS output ON output.id = lease.output_id
JOIN campaigns_campaign AS campaign ON campaign.id = lease.campaign_id
WHERE lease.token = %(token)s AND lease.annotator_id = %(annotator)s
  AND (%(is_trusted)s OR EXISTS (
      SELECT FROM campaigns_membership AS membership
      WHERE membership.campaign_id = lease.campaign_id AND membership.user_id = %(annotator)s
        AND membership.role IN {JUDGING_ROLES}
  ))
FOR UPDATE OF lease
"""

# Part of the statement that stores a judgment: closes its lease and counts it in. A lease that was given back in the
# meantime takes its slot back while one is free; `has_slot` says whether. One that is submitted already keeps its own.
CLOSING = """
counted AS (
    UPDATE queue_queueitem SET judged_count = judged_count + 1, taken_count = taken_count + %(more)s,
        skip_count = skip_count - %(unskipped)s
    WHERE output_id = %(output)s AND NOT %(is_again)s AND taken_count + %(more)s <= overlap
    RETURNING output_id
), unskipped AS (
    UPDATE queue_queueitem SET skip_count = skip_count - 1
    WHERE output_id = %(output)s AND %(unskipped)s = 1 AND NOT EXISTS (SELECT FROM counted)
), closed AS (
    UPDATE queue_lease SET state = 'submitted', draft = NULL, closed_at = %(now)s, revision = revision + 1
    WHERE id = %(lease)s
    RETURNING revision, %(is_again)s OR EXISTS (SELECT FROM counted) AS has_slot
)
"""

# The judgment is taken back; its slot stays its annotator's.
REOPEN = """
WITH uncounted AS (
    UPDATE queue_queueitem SET judged_count = judged_count - 1 WHERE output_id = %(output)s
)
UPDATE queue_lease SET state = 'open', closed_at = NULL, expires_at = %(expires_at)s,
    draft = %(draft)s, draft_version = draft_version + 1
WHERE id = %(lease)s
"""

RENEW_HELD = """
UPDATE queue_lease AS lease SET expires_at = %(now)s + make_interval(mins => campaign.lease_minutes)
FROM campaigns_campaign AS campaign
WHERE campaign.id = lease.campaign_id AND lease.state = 'open'
  AND lease.annotator_id = %(annotator)s AND lease.token = ANY(%(tokens)s::uuid[])
RETURNING lease.token, lease.expires_at
"""

# One slot of this output, when there is one, whatever shelf it is on. A lease that is open is only renewed.
LEASE_OUTPUT = """
WITH mine AS (
    SELECT state FROM queue_lease WHERE output_id = %(output)s AND annotator_id = %(annotator)s FOR UPDATE
), taken AS (
    UPDATE queue_queueitem
    SET taken_count = taken_count + 1,
        skip_count = skip_count - (SELECT count(*) FROM mine WHERE state = 'skipped')
    WHERE output_id = %(output)s AND campaign_id = %(campaign)s AND taken_count < overlap
      AND NOT EXISTS (SELECT FROM mine WHERE state IN ('open', 'submitted'))
    RETURNING output_id
), wanted AS (
    SELECT output_id FROM taken UNION ALL SELECT %(output)s::bigint FROM mine WHERE state = 'open'
)
INSERT INTO queue_lease
    (token, campaign_id, output_id, annotator_id, state, skip_reason, stance, draft_version, revision, leased_at,
         expires_at)
SELECT %(token)s, %(campaign)s, output_id, %(annotator)s, 'open', '', %(stance)s, 0, 0, %(now)s, %(expires_at)s
FROM wanted
ON CONFLICT (output_id, annotator_id) DO UPDATE
    SET state = 'open', skip_reason = '', closed_at = NULL, expires_at = EXCLUDED.expires_at
RETURNING *
"""

# A round of its own for what comes back now. One transaction after the other: whoever sees a round sees all before it.
SEAL_FRONT_OF_OUTPUTS = """
UPDATE queue_shelf SET sealed = sealed + 1 WHERE id IN (
    SELECT front.id FROM queue_shelf AS front
    WHERE front.is_front AND (front.campaign_id, front.priority, front.is_gold) IN (
        SELECT shelf.campaign_id, shelf.priority, shelf.is_gold
        FROM queue_queueitem AS item JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
        WHERE item.output_id = ANY(%(outputs)s)
    )
    ORDER BY front.id
    FOR NO KEY UPDATE
)
"""

SEAL_FRONTS = """
UPDATE queue_shelf SET sealed = sealed + 1 WHERE id IN (
    SELECT id FROM queue_shelf WHERE campaign_id = %(campaign)s AND is_front AND NOT is_gold ORDER BY id
    FOR NO KEY UPDATE
)
"""

# One slot for each time an output is named. Runs after SEAL_FRONT_OF_OUTPUTS, under its locks.
RETURN_SLOTS = """
WITH slots AS (
    SELECT output_id, count(*) AS returned FROM unnest(%(outputs)s::bigint[]) AS output_id GROUP BY output_id
), items AS (
    SELECT item.output_id, front.id AS front, front.sealed, slots.returned
    FROM queue_queueitem AS item
    JOIN slots USING (output_id)
    JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
    JOIN queue_shelf AS front
        ON front.campaign_id = shelf.campaign_id AND front.priority = shelf.priority
        AND front.is_gold = shelf.is_gold AND front.is_front
    ORDER BY item.output_id
    FOR UPDATE OF item
)
UPDATE queue_queueitem AS item
SET taken_count = GREATEST(item.taken_count - items.returned, 0), shelf_id = items.front, round = items.sealed,
    overlap = CASE WHEN item.is_set_aside THEN GREATEST(item.taken_count - items.returned, 0) ELSE item.overlap END
FROM items WHERE item.output_id = items.output_id
"""

EXPIRE_OVERDUE = """
WITH overdue AS (
    SELECT id FROM queue_lease
    WHERE state = 'open' AND expires_at < %(before)s
    ORDER BY expires_at
    LIMIT %(at_most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE queue_lease AS lease SET state = 'expired', closed_at = %(now)s
FROM overdue WHERE lease.id = overdue.id
RETURNING lease.output_id
"""

# What was full and is open again comes back, as after a returned slot. Runs after SEAL_FRONTS, under its locks.
SET_OVERLAP = """
WITH items AS (
    SELECT item.output_id, front.id AS front, front.sealed,
           item.taken_count >= item.overlap AND item.taken_count < %(overlap)s AS reopens
    FROM queue_queueitem AS item
    JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
    JOIN queue_shelf AS front
        ON front.campaign_id = shelf.campaign_id AND front.priority = shelf.priority
        AND front.is_gold = shelf.is_gold AND front.is_front
    WHERE item.campaign_id = %(campaign)s AND NOT shelf.is_gold AND NOT item.is_set_aside
    ORDER BY item.output_id
    FOR UPDATE OF item
)
UPDATE queue_queueitem AS item
SET overlap = GREATEST(%(overlap)s, item.taken_count),
    shelf_id = CASE WHEN items.reopens THEN items.front ELSE item.shelf_id END,
    round = CASE WHEN items.reopens THEN items.sealed ELSE item.round END
FROM items WHERE item.output_id = items.output_id
"""
