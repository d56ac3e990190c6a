# ruff: noqa: S608 - the parts put together here are written here
"""The statements that must each be one statement to be right under concurrency."""

# A uniform sample: whoever has the seed can draw it again with any md5. Known outputs (gold) are nobody's finding.
DRAW = """
WITH gold AS (
    SELECT output.id FROM intake_importbatch AS batch JOIN intake_output AS output ON output.batch_id = batch.id
    WHERE batch.campaign_id = %(campaign)s AND batch.purpose = 'gold'
), tagged AS (
    SELECT DISTINCT judgment.output_id AS id
    FROM constraints_member AS member
    JOIN judgments_violation AS violation ON violation.id = member.violation_id
    JOIN judgments_judgment AS judgment ON judgment.id = violation.judgment_id AND judgment.is_current
    WHERE member.constraint_id = %(constraint)s AND judgment.output_id NOT IN (SELECT id FROM gold)
), drawn AS (
    (
        SELECT id, true AS is_tagged FROM tagged ORDER BY md5(%(seed)s || ' tagged ' || id), id LIMIT %(tagged)s
    ) UNION ALL (
        SELECT id, false FROM intake_output
        WHERE campaign_id = %(campaign)s AND id NOT IN (SELECT id FROM tagged) AND id NOT IN (SELECT id FROM gold)
        ORDER BY md5(%(seed)s || ' random ' || id), id LIMIT %(random)s
    )
)
INSERT INTO verification_item (round_id, output_id, place, is_tagged, overlap, taken_count, answered_count)
SELECT %(round)s, id, row_number() OVER (ORDER BY md5(%(seed)s || ' place ' || id), id) - 1, is_tagged,
       %(overlap)s, 0, 0
FROM drawn
RETURNING is_tagged
"""

# In the order of their ids, as everywhere where several turns or items are locked.
RENEW_OWN = """
WITH mine AS (
    SELECT turn.id FROM verification_turn AS turn JOIN verification_round AS round ON round.id = turn.round_id
    WHERE turn.annotator_id = %(annotator)s AND turn.state = 'open'
      AND round.campaign_id = %(campaign)s AND round.state = 'open'
    ORDER BY turn.id FOR UPDATE OF turn
)
UPDATE verification_turn AS turn SET expires_at = %(expires_at)s FROM mine WHERE turn.id = mine.id
RETURNING turn.id
"""

IS_ACTIVE = "EXISTS (SELECT 1 FROM campaigns_campaign WHERE id = %(campaign)s AND state = 'active')"

# Each open round twice: behind the furthest place that the annotator reached, where nothing is theirs; then up to it,
# where something may have come back. The second is looked through only when the first is empty.
STRETCHES = f"""
SELECT round_id, first, last FROM (
    SELECT round.id AS round_id, COALESCE((
        SELECT turn.place FROM verification_turn AS turn
        WHERE turn.annotator_id = %(annotator)s AND turn.round_id = round.id ORDER BY turn.place DESC LIMIT 1
    ), -1) AS reached
    FROM verification_round AS round
    WHERE round.campaign_id = %(campaign)s AND round.state = 'open' AND {IS_ACTIVE}
) AS rounds
CROSS JOIN LATERAL (VALUES (1, reached + 1, 32767), (2, 0, reached)) AS stretch (turn, first, last)
ORDER BY round_id, turn
"""

# What the annotator may be given of a stretch.
FREE_FOR_ME = """
SELECT item.id, item.round_id, item.place
FROM verification_item AS item
WHERE item.round_id = stretches.round_id
  AND item.place BETWEEN stretches.first AND stretches.last
  AND item.taken_count < item.overlap
  AND COALESCE((
      SELECT mine.state = 'expired' FROM verification_turn AS mine
      WHERE mine.item_id = item.id AND mine.annotator_id = %(annotator)s
  ), true)
ORDER BY item.place
"""

# Takes the first items that no other transaction is counting; the others are passed over, not waited for. The unique
# pair (item, annotator) stands behind it all; its conflict is an expired turn of the same person, taken up anew under
# the same token.
TAKE_NEXT = f"""
WITH stretches AS ({STRETCHES}), picked AS (
    SELECT free.id, free.round_id, free.place
    FROM stretches CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT %(wanted)s FOR UPDATE OF item SKIP LOCKED) AS free
    LIMIT %(wanted)s
), taken AS (
    UPDATE verification_item AS item SET taken_count = item.taken_count + 1
    FROM picked WHERE item.id = picked.id
    RETURNING item.id
)
INSERT INTO verification_turn (token, round_id, item_id, annotator_id, place, state, stance, given_at, expires_at)
SELECT gen_random_uuid(), round_id, id, %(annotator)s, place, 'open', %(stance)s, %(now)s, %(expires_at)s
FROM picked JOIN taken USING (id) ORDER BY round_id, place
ON CONFLICT (item_id, annotator_id) DO UPDATE
    SET state = 'open', stance = EXCLUDED.stance, given_at = EXCLUDED.given_at, expires_at = EXCLUDED.expires_at
RETURNING id
"""

COUNT_FREE = f"""
WITH stretches AS ({STRETCHES})
SELECT count(*) FROM (
    SELECT FROM stretches CROSS JOIN LATERAL ({FREE_FOR_ME} LIMIT %(at_most)s) AS free LIMIT %(at_most)s
) AS counted
"""

# Campaigns in which something is free for the annotator or held by them.
WITH_WORK = """
SELECT DISTINCT round.campaign_id
FROM verification_round AS round JOIN campaigns_campaign AS campaign ON campaign.id = round.campaign_id
WHERE round.campaign_id = ANY(%(campaigns)s) AND round.state = 'open' AND campaign.state = 'active' AND EXISTS (
    SELECT FROM verification_item AS item
    WHERE item.round_id = round.id AND item.taken_count < item.overlap AND COALESCE((
        SELECT mine.state = 'expired' FROM verification_turn AS mine
        WHERE mine.item_id = item.id AND mine.annotator_id = %(annotator)s
    ), true)
    UNION ALL
    SELECT FROM verification_turn AS mine
    WHERE mine.round_id = round.id AND mine.annotator_id = %(annotator)s AND mine.state = 'open'
)
"""

# Returns how many items counted the answer in: 0 means that every slot was taken by others in the meantime.
COUNT_IN = """
UPDATE verification_item SET answered_count = answered_count + 1, taken_count = taken_count + %(more)s
WHERE id = %(item)s AND taken_count + %(more)s <= overlap
RETURNING id
"""

EXPIRE_OVERDUE = """
WITH overdue AS (
    SELECT id, item_id FROM verification_turn
    WHERE state = 'open' AND expires_at < %(before)s
    ORDER BY expires_at
    LIMIT %(at_most)s
    FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE verification_turn AS turn SET state = 'expired' FROM overdue WHERE turn.id = overdue.id
    RETURNING turn.item_id
)
SELECT item_id FROM expired
"""

# One slot for each time an item is named.
RETURN_SLOTS = """
WITH slots AS (
    SELECT item_id, count(*) AS returned FROM unnest(%(items)s::bigint[]) AS item_id GROUP BY item_id
), items AS (
    SELECT item.id, slots.returned FROM verification_item AS item JOIN slots ON slots.item_id = item.id
    ORDER BY item.id FOR UPDATE OF item
)
UPDATE verification_item AS item SET taken_count = item.taken_count - items.returned
FROM items WHERE item.id = items.id
"""

# How many items of a round were answered in this very way: few rows, however many answers.
PATTERNS = """
SELECT round_id, is_tagged, violated, not_violated, cannot_tell, count(*) FROM (
    SELECT item.round_id, item.id, item.is_tagged,
           count(*) FILTER (WHERE answer.answer = 'violated') AS violated,
           count(*) FILTER (WHERE answer.answer = 'not_violated') AS not_violated,
           count(*) FILTER (WHERE answer.answer = 'cannot_tell') AS cannot_tell
    FROM verification_item AS item
    JOIN verification_answer AS answer ON answer.item_id = item.id AND answer.is_current
    JOIN accounts_user AS annotator ON annotator.id = answer.annotator_id AND annotator.kind = ANY(%(kinds)s)
    WHERE item.round_id = ANY(%(rounds)s) AND answer.is_assisted = %(is_assisted)s
    GROUP BY item.id
) AS answered
GROUP BY 1, 2, 3, 4, 5
"""
