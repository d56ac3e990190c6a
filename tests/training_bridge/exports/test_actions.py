"""What a dataset holds: which judgments and violations, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import Prompt
from annotate.judgments.models import Judgment
from tests import factories
from tests.factories import NOW
from tests.training_bridge.exports import exporting
from training_bridge.exports import actions
from training_bridge.exports.options import BadOptions
from training_bridge.formats import manifest

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return exporting.judged(admin)


def test_build_kto(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin)
    made = exporting.read(dataset)
    assert [row["label"] for row in made].count(True) == 3
    rejected = next(row for row in made if not row["label"])
    entries = {entry.tag_slug: entry.pk for entry in dataset.constraint_set.entries.all()}
    assert rejected["completion"].startswith(exporting.TEXT)
    assert rejected["spans"] == [
        {"start": 22, "end": 36, "tag": "invented-fact", "severity": "critical", "constraint": entries["invented-fact"]}
    ]
    assert rejected["constraints"] == sorted(entries.values())
    assert rejected["severity"] == "critical"
    assert rejected["critiques"] == ["says a date the source does not give", "This is not so."]
    assert [row["critiques"] for row in made if row["label"]] == [[]] * 3
    assert dataset.manifest["counts"]["rejected_with_spans"] == 4
    assert manifest.verify(Path(dataset.folder)) == dataset.manifest


def test_build_d2o_has_rejected_only(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin, "d2o")
    assert [row["rejected"][:5] for row in exporting.read(dataset)] == ["Bloom"] * 4
    assert dataset.manifest["counts"]["left_out"]["nothing_wrong"] == 3


def test_build_takes_only_violations_of_the_set(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin, "d2o", only="ignores-instruction")
    assert all(row["spans"] == [] and len(row["constraints"]) == 1 for row in exporting.read(dataset))
    other = factories.output(campaign)
    factories.judgment(other, violations=[{"critique": "rude"}])
    later = exporting.built(campaign, admin, "d2o", only="ignores-instruction")
    assert later.manifest["counts"]["left_out"]["rejected_outside_the_set"] == 1


def test_build_leaves_out_disputes_and_evaluation_batches(campaign: Campaign, admin: User) -> None:
    disputed = factories.output(campaign)
    factories.judgment(disputed)
    factories.judgment(disputed, "nothing_wrong")
    held = factories.output(campaign, batch=factories.batch(campaign, purpose="evaluate"))
    factories.judgment(held)
    dataset = exporting.built(campaign, admin)
    assert dataset.manifest["counts"]["rows"] == 7
    assert dataset.manifest["counts"]["left_out"]["disputed"] == 1
    assert dataset.manifest["counts"]["judged_outputs"] == 8


def test_build_by_majority_keeps_what_was_agreed(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, f"{exporting.TEXT} Agreed.")
    for start, end in [(0, 10), (4, 10)]:
        factories.judgment(
            output, violations=[{"start": start, "end": end, "critique": "says a date the source does not give"}]
        )
    factories.judgment(output, "nothing_wrong")
    row = next(row for row in exporting.read(exporting.built(campaign, admin)) if row["completion"].endswith("Agreed."))
    assert [(span["start"], span["end"]) for span in row["spans"]] == [(4, 10)]


def test_build_kto_has_the_critiques_of_agreed_violations_of_the_set(campaign: Campaign, admin: User) -> None:
    """Each text once, in the order in which they were made; not of a tag that one of three applied. Text is kept."""
    date, rude = "says a date the source does not give", "<b>is rude</b> {prompt} <|im_end|>"
    output = factories.output(campaign, f"{exporting.TEXT} Agreed.")
    for critique, others in [(f" {date}\n", [rude]), (date, []), ("gives a date nobody asked for", [" "])]:
        own: list[dict[str, Any]] = [{"start": 22, "end": 36, "critique": critique}]
        own += [
            {"tag": "ignores-instruction" if each == rude else "invented-fact", "critique": each} for each in others
        ]
        factories.judgment(output, violations=own)
    both: list[dict[str, Any]] = [
        {"tag": "ignores-instruction", "critique": rude},
        {"critique": date, "start": 22, "end": 36},
    ]
    factories.judgment(factories.output(campaign, f"{exporting.TEXT} Alone."), violations=both)

    def critiques(only: str) -> list[list[str]]:
        made = {
            row["completion"]: row["critiques"] for row in exporting.read(exporting.built(campaign, admin, only=only))
        }
        return [made[f"{exporting.TEXT} Agreed."], made[f"{exporting.TEXT} Alone."]]

    assert critiques("invented-fact") == [[date, "gives a date nobody asked for"], [date]]
    assert critiques("") == [[date, "gives a date nobody asked for"], [rude, date]]


def test_build_with_options(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign)
    for _ in range(2):
        factories.judgment(output, annotator=factories.user(kind="script"))
    everyone = {"min_judgments": 2, "kinds": ["person", "script"]}
    assert exporting.built(campaign, admin, options=everyone).manifest["counts"]["rows"] == 1
    dataset = exporting.built(campaign, admin, options={"kinds": ["script"], "holdout": 0.5})
    assert dataset.manifest["counts"]["judgments_by_kind"] == {"person": 0, "script": 2, "model": 0, "external": 0}
    assert "No person" in " ".join(dataset.manifest["warnings"])


def test_build_counts_people_unless_programs_are_asked_for(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, f"{exporting.TEXT} Both.")
    for kind in ("script", "model", "external"):
        factories.judgment(output, annotator=factories.user(kind=kind))
    factories.judgment(output, "nothing_wrong")
    dataset = exporting.built(campaign, admin)
    assert dataset.options["kinds"] == ["person", "external"]
    assert dataset.manifest["counts"]["left_out"]["disputed"] == 1
    assert dataset.manifest["counts"]["judgments_by_kind"] == {"person": 7, "script": 0, "model": 0, "external": 0}
    left_out = dataset.manifest["counts"]["judgments_left_out_by_kind"]
    assert left_out == {"person": 0, "script": 1, "model": 1, "external": 0}
    assert "left out by whose they are: script 1, model 1" in " ".join(dataset.manifest["warnings"])


def test_build_says_how_many_judgments_were_assisted(campaign: Campaign, admin: User) -> None:
    assert exporting.built(campaign, admin).manifest["counts"]["judgments_assisted"] == 0
    assisted = Judgment.objects.filter(campaign=campaign).values_list("pk", flat=True)[:2]
    Judgment.objects.filter(pk__in=list(assisted)).update(is_assisted=True)
    dataset = exporting.built(campaign, admin)
    assert dataset.manifest["counts"]["judgments_assisted"] == 2
    assert "2 of 7 judgments were made with suggestions" in " ".join(dataset.manifest["warnings"])


def test_build_of_programs_only_says_how_to_count_them(admin: User) -> None:
    campaign = factories.campaign(by=admin)
    factories.judgment(factories.output(campaign), annotator=factories.user(kind="script"))
    made = actions.build(dataset_id=exporting.request(campaign, admin).pk, clock=exporting.clock)
    assert made.state == "failed"
    assert "script 1. Ask for them" in made.reason


def test_build_never_exports_gold(campaign: Campaign, admin: User) -> None:
    gold = factories.output(campaign, f"{exporting.TEXT} Planted.", batch=factories.batch(campaign, purpose="gold"))
    span = {"start": 22, "end": 36, "critique": "says a date the source does not give"}
    factories.judgment(gold, annotator=factories.user("gold/key", kind="external"), violations=[span])
    factories.judgment(gold, violations=[span])
    for options in ({}, {"kinds": ["person", "script", "model", "external"]}):
        dataset = exporting.built(campaign, admin, options=options)
        assert dataset.manifest["counts"]["judged_outputs"] == 7
        assert not any("Planted" in row["completion"] for row in exporting.read(dataset))


def test_build_never_exports_what_was_withdrawn(campaign: Campaign, admin: User) -> None:
    """Withdrawing takes the judgment away; of a changed mind, the revision before it counts again."""
    gone = factories.judgment(factories.output(campaign, f"{exporting.TEXT} Gone."))
    first = factories.judgment(factories.output(campaign, f"{exporting.TEXT} Back."), "nothing_wrong")
    second = factories.judgment(first.output, annotator=first.annotator, revision=2, is_current=False)
    for judgment in (gone, second):
        Judgment.objects.filter(pk=judgment.pk).update(is_current=False, withdrawn_at=NOW)
    dataset = exporting.built(campaign, admin)
    assert dataset.manifest["counts"]["judged_outputs"] == 8
    assert [row["label"] for row in exporting.read(dataset) if "Back." in row["completion"]] == [True]
    assert not any("Gone." in row["completion"] for row in exporting.read(dataset))


def test_build_keeps_the_prompt_as_written_whichever_twin_was_shown(campaign: Campaign, admin: User) -> None:
    twin = {"text": "masked", "messages": [{"role": "user", "content": "masked"}]}
    written = set(Prompt.objects.values_list("text", flat=True))
    Prompt.objects.update(twins={"masked": twin, "flipped": twin})
    Judgment.objects.update(prompt_shown="masked")
    dataset = exporting.built(campaign, admin)
    assert {row["prompt"] for row in exporting.read(dataset)} == written
    assert dataset.manifest["prompts"] == "text"


def test_build_is_of_the_moment_of_its_request(campaign: Campaign, admin: User) -> None:
    """What is withdrawn later stays in the version, as what is judged later stays out: building again is the same."""
    made = exporting.request(campaign, admin)
    Judgment.objects.filter(verdict="nothing_wrong").update(is_current=False, withdrawn_at=NOW + timedelta(seconds=5))
    dataset = actions.build(dataset_id=made.pk, clock=exporting.clock)
    assert dataset.manifest["counts"]["rows"] == 7


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"seed": True}, {"holdout": 1}, {"kinds": []}, {"kinds": "person"}, {"min_judgments": 0}, {"x": 1}],
)
def test_request_refuses_bad_options(campaign: Campaign, admin: User, options: dict[str, Any]) -> None:
    with pytest.raises(BadOptions) as refused:
        exporting.request(campaign, admin, options=options)
    assert refused.value.field == next(iter(options))


def test_request_refuses_foreign_sets_and_unknown_formats(campaign: Campaign, admin: User) -> None:
    with pytest.raises(actions.CannotRequest):
        exporting.request(campaign, admin, "dpo")
    made = exporting.approved(campaign, admin)
    with pytest.raises(actions.CannotRequest):
        actions.request(campaign=factories.campaign(), constraint_set=made, format="kto", by=admin, now=NOW)
