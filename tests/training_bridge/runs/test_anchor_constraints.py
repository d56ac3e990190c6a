"""What a D2O run's base is told while it samples anchors."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotate.constraints.models import Constraint, SetEntry
from tests.training_bridge.runs import rows
from training_bridge.formats import spec
from training_bridge.runs import actions, folder, models, sampling

STATEMENTS = ("Greets the reader", "Leaves out the unit")


@pytest.fixture
def base(db: None, tmp_path: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


def run_of(base: models.Checkpoint, *, method: str = "d2o", ticked: bool) -> models.Run:
    by = rows.admin()
    campaign = rows.campaign(by)
    dataset = rows.dataset(campaign, by, format=method)
    for statement in STATEMENTS:
        constraint = Constraint.objects.create(
            campaign=campaign,
            tag_slug="tag",
            kind="other",
            statement=statement,
            created_at=rows.NOW,
            updated_at=rows.NOW,
        )
        SetEntry.objects.create(
            constraint_set=dataset.constraint_set,
            constraint=constraint,
            statement=statement,
            tag_slug="tag",
            kind="other",
        )
    return actions.request(
        campaign=campaign,
        method=method,
        base=base,
        dataset=dataset,
        hyperparameters={"anchor_constraints": ticked},
        sampling={"count": 0},
        by=by,
        now=rows.NOW,
    )


def test_the_spec_carries_the_constraint_set_of_the_data(base: models.Checkpoint) -> None:
    asked = folder.spec_of(run_of(base, ticked=True))
    assert asked.hyperparameters.anchor_constraints
    assert asked.constraints == STATEMENTS


@pytest.mark.parametrize(("method", "ticked"), [("d2o", False), ("kto", True)])
def test_the_spec_says_nothing_that_is_not_told(base: models.Checkpoint, method: str, ticked: bool) -> None:
    assert folder.spec_of(run_of(base, method=method, ticked=ticked)).constraints == ()


def test_the_engine_that_samples_is_in_the_spec(base: models.Checkpoint) -> None:
    asked = sampling.parse({"engine": "vllm"}).to_spec()
    assert asked is not None
    assert asked.engine == "vllm"
    with pytest.raises(sampling.BadSampling, match="engine may be transformers or vllm") as raised:
        sampling.parse({"engine": "magic"})
    assert raised.value.field == "engine"


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"hyperparameters": {"anchor_engine": "magic"}}, "hyperparameters.anchor_engine is 'magic'"),
        ({"hyperparameters": {"anchor_refresh": -1}}, "may not be below 0"),
        ({"sampling": {"engine": "magic"}}, "sampling.engine is 'magic'"),
        ({"constraints": "one"}, "expected a list of sentences"),
        ({"constraints": [" "]}, "expected a list of sentences"),
    ],
)
def test_a_spec_with_wrong_anchor_settings_is_refused(values: dict[str, object], what: str) -> None:
    with pytest.raises(spec.BadSpec, match=what):
        spec.RunSpec.from_dict({"method": "d2o", "base": {"location": "x"}, "checkpoint_name": "x", **values})


def test_constraints_come_back_from_the_file(tmp_path: Path) -> None:
    written = spec.RunSpec(method="d2o", base=spec.Base(location="x"), checkpoint_name="x", constraints=STATEMENTS)
    written.write(tmp_path / "spec.json")
    assert spec.RunSpec.read(tmp_path / "spec.json") == written
