"""The whole demo in miniature: real database, real trainer, from random weights to the table."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotate.accounts.models import User
from annotate.constraints.models import Constraint, ConstraintSet
from annotate.intake.models import ImportBatch, Output
from annotate.judgments.models import Judgment
from annotate.queue import queries as queue_queries
from tests import factories
from training_bridge.demo import models, sizes, steps
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs.models import Checkpoint, Run

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.HOME = tmp_path  # type: ignore[attr-defined]


def tell(seed: int = 1) -> str:
    written = StringIO()
    call_command("demo", seed=seed, size="mini", stdout=written)
    return written.getvalue()


def counts() -> dict[str, int]:
    rows = (Output, Judgment, Constraint, ConstraintSet, DatasetVersion, Run, Checkpoint, ImportBatch, User)
    return {each.__name__: each.objects.count() for each in rows}


def test_the_demo_closes_the_loop_and_twice_equals_once() -> None:
    said = tell()
    run = models.DemoRun.objects.get()
    assert (run.state, set(run.notes)) == (models.DemoRun.State.DONE, set(steps.KEYS))
    assert run.campaign is not None

    trained = Checkpoint.objects.exclude(run=None)
    assert {each.run.method for each in trained if each.run} == {"d2o", "kto"}
    assert {each.parent.name for each in trained if each.parent} == {"demo-mini-1/base"}
    assert all(each.state == Run.State.SUCCEEDED for each in Run.objects.all())
    assert {each.format for each in DatasetVersion.objects.filter(state="ready")} == {"d2o", "kto"}

    judged = Judgment.objects.filter(output__batch__purpose="annotate")
    held_in = ImportBatch.objects.get(purpose="annotate")
    assert judged.count() == min(sizes.MINI.judged, held_in.new_count)
    assert {each.annotator.kind for each in Judgment.objects.all()} == {User.Kind.SCRIPT}
    person = factories.member(run.campaign)
    left = queue_queries.left(campaign=run.campaign, annotator=person)
    assert left == held_in.new_count - judged.count()

    shown = run.table["clean"]["d2o"]
    assert shown["total"] > 0 and f"{shown['before']} → {shown['after']}" in said and f"of {shown['total']}" in said
    assert reverse("campaign", args=[run.campaign.slug]) in said

    before = counts()
    again = tell()
    assert "done already" in again and run.table["rows"][0]["statement"].split()[0] in again
    assert counts() == before


def test_a_demo_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def unplugged(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training_bridge.demo.curation.approved", unplugged)
        with pytest.raises(CommandError, match="Interrupted"):
            tell(seed=2)
    run = models.DemoRun.objects.get()
    assert run.state == models.DemoRun.State.STOPPED and "interrupted" in run.reason
    judged = Judgment.objects.count()

    with monkeypatch.context() as patched:
        patched.setattr("training_bridge.demo.training.dataset", unplugged)
        patched.setattr("training_bridge.demo.story.dataset", unplugged)
        with pytest.raises(CommandError, match="Interrupted"):
            tell(seed=2)
    run.refresh_from_db()
    assert "taken from the cache" in run.notes["base"]
    assert Judgment.objects.count() == judged and ConstraintSet.objects.count() == 1


def test_a_trainer_that_fails_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_bridge.demo.model_files.write", lambda **_: None)
    with pytest.raises(CommandError, match=r"could not be trained.*config\.json"):
        tell(seed=3)
    run = models.DemoRun.objects.get()
    assert run.state == models.DemoRun.State.STOPPED and "config.json" in run.reason
