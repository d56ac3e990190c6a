"""Names instead of stored values, and a change that is named only where it is clear."""

from __future__ import annotations

import pytest

from annotate.campaigns.models import Tag
from frontend.templatetags import words
from frontend.views import checkpoints
from training_bridge.evaluations import paired


def test_a_tag_is_named_and_a_lost_one_keeps_its_slug() -> None:
    tags = {"wrong-number": Tag(slug="wrong-number", name="Wrong number", kind="factual")}
    assert words.named(tags, "wrong-number") == "Wrong number"
    assert words.named(tags, "gone") == "gone"


def test_rules_and_kinds_have_the_words_of_the_forms() -> None:
    assert words.severity_rule("required") == "asked for"
    assert words.span_rule("none") == "whole output only"
    assert words.annotator_kind("external") == "external annotator"


@pytest.mark.parametrize(
    ("fixed", "persistent", "new", "p", "verdict", "is_named"),
    [
        (9, 4, 0, 0.004, "improved", True),
        (9, 4, 0, 0.05, "improved", False),
        (1, 4, 8, 0.2, "regressed", False),
        (2, 3, 2, 1.0, "persistent", True),
        (0, 0, 0, 1.0, "absent", True),
    ],
)
def test_a_change_is_named_only_where_it_is_clear(
    fixed: int, persistent: int, new: int, p: float, verdict: str, is_named: bool
) -> None:
    counts = paired.Counts(pairs=20, fixed=fixed, persistent=persistent, new=new)
    change = checkpoints._change(counts, p)
    assert (change["verdict"], change["is_named"]) == (verdict, is_named)
    assert change["is_clear"] == (p < 0.05)
