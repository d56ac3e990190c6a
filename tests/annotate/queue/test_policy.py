from datetime import UTC, datetime

from annotate.queue import policy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_order_key_is_the_same_every_time_and_fits_a_bigint() -> None:
    keys = [policy.order_key(campaign_id=1, output_id=output_id) for output_id in range(1000)]
    assert keys == [policy.order_key(campaign_id=1, output_id=output_id) for output_id in range(1000)]
    assert len(set(keys)) == 1000
    assert all(-(2**63) <= key < 2**63 for key in keys)


def test_order_key_scatters_neighbours() -> None:
    keys = [policy.order_key(campaign_id=1, output_id=output_id) for output_id in range(1000)]
    ranks = {output_id: rank for rank, output_id in enumerate(sorted(range(1000), key=keys.__getitem__))}
    distances = [abs(ranks[number] - ranks[number + 1]) for number in range(999)]
    assert sum(distances) / len(distances) > 250  # a random order expects a third of the length


def test_lease_until_adds_the_minutes() -> None:
    assert policy.lease_until(now=NOW, minutes=90).isoformat() == "2026-03-02T10:30:00+00:00"


def test_lock_key_differs_by_annotator_and_fits_a_bigint() -> None:
    assert policy.lock_key(annotator_id=1) != policy.lock_key(annotator_id=2)
    assert policy.lock_key(annotator_id=2**31) < 2**63
