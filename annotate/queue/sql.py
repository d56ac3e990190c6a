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

# An item that another transaction is counting is passed over, not waited for. The unique pair (output, annotator)
# stands behind the NOT EXISTS; its conflict is an expired or released lease of the same person, which is taken up anew.
TAKE_NEXT = """
WITH picked AS (
    SELECT item.output_id
    FROM queue_queueitem AS item
    WHERE item.campaign_id = %(campaign)s
      AND item.taken_count < item.overlap
      AND EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %(campaign)s AND state = 'active')
      AND NOT EXISTS (
          SELECT 1 FROM queue_lease AS mine
          WHERE mine.output_id = item.output_id
            AND mine.annotator_id = %(annotator)s
            AND mine.state NOT IN ('expired', 'released')
      )
    ORDER BY item.priority DESC, item.order_key
    LIMIT 1
    FOR UPDATE OF item SKIP LOCKED
), taken AS (
    UPDATE queue_queueitem AS item SET taken_count = item.taken_count + 1
    FROM picked WHERE item.output_id = picked.output_id
    RETURNING item.output_id
)
INSERT INTO queue_lease (token, campaign_id, output_id, annotator_id, state, skip_reason, leased_at, expires_at)
SELECT %(token)s, %(campaign)s, taken.output_id, %(annotator)s, 'open', '', %(now)s, %(expires_at)s FROM taken
ON CONFLICT (output_id, annotator_id) DO UPDATE
    SET token = EXCLUDED.token, state = 'open', skip_reason = '', closed_at = NULL,
        leased_at = EXCLUDED.leased_at, expires_at = EXCLUDED.expires_at
RETURNING *
"""

# Returns how many items counted the judgment in: 0 means that every slot was taken by others in the meantime.
CLOSE_SUBMITTED = """
WITH counted AS (
    UPDATE queue_queueitem SET judged_count = judged_count + 1, taken_count = taken_count + %(more)s
    WHERE output_id = %(output)s AND taken_count + %(more)s <= overlap
    RETURNING output_id
)
UPDATE queue_lease SET state = 'submitted', closed_at = %(now)s WHERE id = %(lease)s
RETURNING (SELECT count(*) FROM counted)
"""

RETURN_SLOT = """
UPDATE queue_queueitem SET taken_count = taken_count - 1 WHERE output_id = %(output)s AND taken_count > 0
"""

EXPIRE_OVERDUE = """
WITH overdue AS (
    SELECT id FROM queue_lease
    WHERE state = 'open' AND expires_at < %(before)s
    ORDER BY expires_at
    LIMIT %(at_most)s
    FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE queue_lease AS lease SET state = 'expired', closed_at = %(now)s
    FROM overdue WHERE lease.id = overdue.id
    RETURNING lease.output_id
), slots AS (
    SELECT output_id, count(*) AS returned FROM expired GROUP BY output_id
), items AS (
    SELECT item.output_id, slots.returned
    FROM queue_queueitem AS item JOIN slots USING (output_id)
    ORDER BY item.output_id
    FOR UPDATE OF item
), given_back AS (
    UPDATE queue_queueitem AS item SET taken_count = GREATEST(item.taken_count - items.returned, 0)
    FROM items WHERE item.output_id = items.output_id
    RETURNING item.output_id
)
SELECT count(*), (SELECT count(*) FROM given_back) FROM expired
"""

SET_OVERLAP = """
WITH items AS (
    SELECT output_id FROM queue_queueitem WHERE campaign_id = %(campaign)s ORDER BY output_id FOR UPDATE
)
UPDATE queue_queueitem AS item SET overlap = GREATEST(%(overlap)s, item.taken_count)
FROM items WHERE item.output_id = items.output_id
"""
