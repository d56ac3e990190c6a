# ruff: noqa: S608 - the parts put together here are written here
"""The statements that must each be one statement to be right under concurrency."""

RENEW_OWN = """
UPDATE queue_lease SET expires_at = %(expires_at)s
WHERE state = 'open' AND id = (
    SELECT id FROM queue_lease
    WHERE annotator_id = %(annotator)s AND campaign_id = %(campaign)s AND state = 'open'
    ORDER BY leased_at, id
    LIMIT 1
    FOR UPDATE
)
RETURNING *
"""

# The campaign's shelves, each with the place that the annotator has reached on it.
SHELVES = """
SELECT shelf.id, shelf.priority, shelf.is_front, shelf.sealed,
       COALESCE(place.round, 0) AS round, COALESCE(place.order_key, 0) AS order_key
FROM queue_shelf AS shelf
LEFT JOIN queue_cursor AS place ON place.shelf_id = shelf.id AND place.annotator_id = %(annotator)s
WHERE shelf.campaign_id = %(campaign)s
"""

IN_ORDER = "ORDER BY shelf.priority DESC, shelf.is_front DESC"
IS_ACTIVE = "EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %(campaign)s AND state = 'active')"

# What the annotator may be given of one of these shelves. Their lease of an item is looked up, not joined: the planner
# could read all their leases for a join.
FREE_FOR_ME = """
SELECT item.output_id, item.round, item.order_key
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

# Takes the first item that no other transaction is counting; the others are passed over, not waited for. The cursor
# moves to the first item that is free, locked or not: what was only passed over is found again. Shelves on which
# nothing is free are passed as far as they are sealed. Whoever is the first to come to a round seals it, and stays at
# its beginning: outputs that joined it before the seal may not be visible yet.
# The unique pair (output, annotator) stands behind it all; its conflict is an expired or released lease of the same
# person, which is taken up anew.
TAKE_NEXT = f"""
WITH shelves AS ({SHELVES} AND {IS_ACTIVE} {IN_ORDER}), first AS (
    SELECT shelves.id, shelves.priority, shelves.is_front, shelves.sealed, free.round, free.order_key
    FROM shelves CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT 1) AS free
    ORDER BY shelves.priority DESC, shelves.is_front DESC
    LIMIT 1
), places AS (
    SELECT id, sealed + 1 AS round, CAST(%(first_key)s AS bigint) AS order_key FROM shelves
    WHERE NOT EXISTS (
        SELECT 1 FROM first WHERE (first.priority, first.is_front) >= (shelves.priority, shelves.is_front)
    )
    UNION ALL
    SELECT id, round, CASE WHEN round > sealed THEN CAST(%(first_key)s AS bigint) ELSE order_key END FROM first
), moved AS (
    INSERT INTO queue_cursor AS place (shelf_id, annotator_id, round, order_key)
    SELECT id, %(annotator)s, round, order_key FROM places
    ON CONFLICT (shelf_id, annotator_id) DO UPDATE SET round = EXCLUDED.round, order_key = EXCLUDED.order_key
    WHERE (place.round, place.order_key) <> (EXCLUDED.round, EXCLUDED.order_key)
), entered AS (
    UPDATE queue_shelf AS shelf SET sealed = first.round
    FROM first WHERE shelf.id = first.id AND first.round > first.sealed AND shelf.sealed < first.round
), picked AS (
    SELECT free.output_id
    FROM shelves CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT 1 FOR UPDATE OF item SKIP LOCKED) AS free
    ORDER BY shelves.priority DESC, shelves.is_front DESC
    LIMIT 1
), taken AS (
    UPDATE queue_queueitem AS item SET taken_count = item.taken_count + 1
    FROM picked WHERE item.output_id = picked.output_id
    RETURNING item.output_id
)
INSERT INTO queue_lease
    (token, campaign_id, output_id, annotator_id, state, skip_reason, stance, draft_version, leased_at, expires_at)
SELECT %(token)s, %(campaign)s, output_id, %(annotator)s, 'open', '', %(stance)s, 0, %(now)s, %(expires_at)s FROM taken
ON CONFLICT (output_id, annotator_id) DO UPDATE
    SET token = EXCLUDED.token, state = 'open', skip_reason = '', closed_at = NULL, stance = EXCLUDED.stance,
        leased_at = EXCLUDED.leased_at, expires_at = EXCLUDED.expires_at
RETURNING *
"""

COUNT_FREE = f"""
WITH shelves AS ({SHELVES})
SELECT count(*) FROM (
    SELECT FROM shelves CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT %(at_most)s) AS free LIMIT %(at_most)s
) AS counted
"""

OPEN_SHELVES = """
INSERT INTO queue_shelf (campaign_id, priority, is_front, is_gold, sealed)
VALUES (%(campaign)s, %(priority)s, false, false, 0), (%(campaign)s, %(priority)s, true, false, 0)
ON CONFLICT DO NOTHING
"""

# Held to the end of the transaction: the round that its outputs join cannot be sealed before they are visible.
JOIN_SHELF = """
SELECT id, sealed + 1 FROM queue_shelf
WHERE campaign_id = %(campaign)s AND priority = %(priority)s AND NOT is_front
FOR SHARE
"""

# Returns how many items counted the judgment in: 0 means that every slot was taken by others in the meantime.
CLOSE_SUBMITTED = """
WITH counted AS (
    UPDATE queue_queueitem SET judged_count = judged_count + 1, taken_count = taken_count + %(more)s
    WHERE output_id = %(output)s AND taken_count + %(more)s <= overlap
    RETURNING output_id
)
UPDATE queue_lease SET state = 'submitted', draft = NULL, closed_at = %(now)s WHERE id = %(lease)s
RETURNING (SELECT count(*) FROM counted)
"""

# A round of its own for what comes back now. One transaction after the other: whoever sees a round sees all before it.
SEAL_FRONT_OF_OUTPUTS = """
UPDATE queue_shelf SET sealed = sealed + 1 WHERE id IN (
    SELECT front.id FROM queue_shelf AS front
    WHERE front.is_front AND (front.campaign_id, front.priority) IN (
        SELECT shelf.campaign_id, shelf.priority
        FROM queue_queueitem AS item JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
        WHERE item.output_id = ANY(%(outputs)s)
    )
    ORDER BY front.id
    FOR UPDATE
)
"""

SEAL_FRONTS = """
UPDATE queue_shelf SET sealed = sealed + 1 WHERE id IN (
    SELECT id FROM queue_shelf WHERE campaign_id = %(campaign)s AND is_front ORDER BY id FOR UPDATE
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
        ON front.campaign_id = shelf.campaign_id AND front.priority = shelf.priority AND front.is_front
    ORDER BY item.output_id
    FOR UPDATE OF item
)
UPDATE queue_queueitem AS item
SET taken_count = GREATEST(item.taken_count - items.returned, 0), shelf_id = items.front, round = items.sealed
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
        ON front.campaign_id = shelf.campaign_id AND front.priority = shelf.priority AND front.is_front
    WHERE item.campaign_id = %(campaign)s
    ORDER BY item.output_id
    FOR UPDATE OF item
)
UPDATE queue_queueitem AS item
SET overlap = GREATEST(%(overlap)s, item.taken_count),
    shelf_id = CASE WHEN items.reopens THEN items.front ELSE item.shelf_id END,
    round = CASE WHEN items.reopens THEN items.sealed ELSE item.round END
FROM items WHERE item.output_id = items.output_id
"""
