from __future__ import annotations

import pytest

from annotate.asking import configured
from annotate.constraints.checks import checking, judging


@pytest.mark.parametrize(
    ("timeout", "parallel", "judges", "texts", "seconds"),
    [(60, 4, 1, 16, 540), (600, 1, 1, 1, 1260), (60, 1, 2, 5, 1260), (1, 64, 1, 16, 62), (600, 4, 2, 4, 2460)],
)
def test_batch_is_over_in_ten_minutes_or_holds_one_round(
    timeout: float, parallel: int, judges: int, texts: int, seconds: float
) -> None:
    model = configured.Model(name="local", base_url="http://127.0.0.1:1", model="m", timeout=timeout, parallel=parallel)
    declared = [{"check": "judge", "model": "local", "question": "Is it?"}] * judges
    checks = checking.made_asking(declared, models=["local"])
    assert judging.batch(checks=checks, models={"local": model}) == (texts, seconds)
