"""docs/checks.md says what there is."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.architecture import places
from training_bridge.formats.checks import declared, written

PAGE = (places.ROOT / "docs" / "checks.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_kind_has_its_row_with_its_arguments() -> None:
    assert sorted(ROWS) == sorted(declared.KINDS)
    for name, kind in declared.KINDS.items():
        for argument in dataclasses.fields(kind):
            assert f"`{argument.name}`" in ROWS[name], (name, argument.name)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_examples_can_be_read(block: str) -> None:
    assert written.read_yaml(block)
