"""From judgments with corrections to a dataset of pairs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint
from annotate.judgments import actions as judgment_actions
from annotate.judgments.drafts import ViolationDraft
from annotate.queue import actions as queue
from tests import factories
from tests.factories import NOW
from training_bridge.exports import actions, builders, corrections, queries
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest, rows, spec

pytestmark = pytest.mark.django_db

SAID = {
    "years": "Bloom came out in 2018 on EMI.",
    "hindi": "मैं कल दिल्ली गया 🙂 था",
    "smile": "👩‍👧 went home",
    "short": "An answer without its end",
    "left": "Paris is in Spain.",
    "part": "Rome is in Spain, in Asia.",
    "good": "Berlin is in Germany.",
}


def clock() -> datetime:
    return NOW


def mark(text: str, words: str, correction: str = "", *, tag: str = "invented-fact", **more: Any) -> ViolationDraft:
    start = text.index(words)
    return ViolationDraft(
        tag_slug=tag,
        scope="span",
        severity="major",
        start=start,
        end=start + len(words),
        critique="not so",
        correction=correction,
        **more,
    )


MARKS: dict[str, list[ViolationDraft]] = {
    "years": [mark(SAID["years"], "2018", "2019"), mark(SAID["years"], "EMI", "Capitol")],
    "hindi": [mark(SAID["hindi"], "कल दिल्ली", "आज मुंबई"), mark(SAID["hindi"], "🙂 था", "😀 हूँ")],
    "smile": [mark(SAID["smile"], "👩‍👧", "Both")],
    "short": [
        ViolationDraft(
            tag_slug="ignores-instruction",
            scope="omission",
            start=25,
            end=25,
            critique="not so",
            correction=", or now.",
        )
    ],
    "left": [mark(SAID["left"], "Spain")],
    "part": [mark(SAID["part"], "Spain", "Italy"), mark(SAID["part"], "in Asia")],
    "good": [],
}


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return factories.campaign("helpdesk", by=admin)


def judge(campaign: Campaign, annotator: User, marks: Sequence[ViolationDraft]) -> None:
    """Judge the next output as the Work page does."""
    lease = queue.lease_next(campaign=campaign, annotator=annotator, now=NOW)
    assert lease is not None
    judgment_actions.submit(
        token=lease.token,
        annotator=annotator,
        verdict="rejected" if marks else "nothing_wrong",
        violations=list(marks),
        idempotency_key=uuid.uuid4(),
        now=NOW,
    )


def judged(campaign: Campaign, *names: str) -> None:
    annotator = factories.member(campaign)
    for name in names or SAID:
        factories.output(campaign, SAID[name], external_id=name)
        judge(campaign, annotator, MARKS[name])


def built(campaign: Campaign, admin: User, **more: Any) -> DatasetVersion:
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    for each in Constraint.objects.living().filter(campaign=campaign):
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    chosen = constraint_actions.renew(campaign=campaign, by=admin, now=NOW)
    made = actions.request(campaign=campaign, constraint_set=chosen, format="pairs", by=admin, now=NOW, **more)
    return actions.build(dataset_id=made.pk, clock=clock)


def read(dataset: DatasetVersion) -> dict[str, dict[str, Any]]:
    assert dataset.state == "ready", dataset.reason
    return {row["id"]: row for row in rows.read_jsonl(Path(dataset.folder) / "train.jsonl")}


def test_judgments_with_corrections_become_pairs(campaign: Campaign, admin: User) -> None:
    judged(campaign)
    dataset = built(campaign, admin)
    found = read(dataset)
    assert {name: row["chosen"] for name, row in found.items()} == {
        "years": "Bloom came out in 2019 on Capitol.",
        "hindi": "मैं आज मुंबई गया 😀 हूँ",
        "smile": "Both went home",
        "short": "An answer without its end, or now.",
    }
    assert {name: row["rejected"] for name, row in found.items()} == {name: SAID[name] for name in found}
    assert all(row["rejected"][span["start"] : span["end"]] for row in found.values() for span in row["spans"])
    words = {name: [row["chosen"][at["start"] : at["end"]] for at in row["corrected"]] for name, row in found.items()}
    assert words == {
        "years": ["2019", "Capitol"],
        "hindi": ["आज मुंबई", "😀 हूँ"],
        "smile": ["Both"],
        "short": [", or now."],
    }
    years = found["years"]
    assert [years["rejected"][span["start"] : span["end"]] for span in years["spans"]] == ["2018", "EMI"]
    assert years["severity"] == "major"
    entries = set(dataset.constraint_set.entries.values_list("pk", flat=True))
    assert all(set(row["constraints"]) <= entries for row in found.values())
    assert pq.read_table(Path(dataset.folder) / "train.parquet").to_pylist() == list(found.values())


def test_every_format_can_be_built_and_trained_on() -> None:
    assert set(builders.FORMATS) == set(DatasetVersion.Format.values) == set(spec.FORMATS)


def test_the_manifest_counts_what_gave_no_pair(campaign: Campaign, admin: User) -> None:
    judged(campaign)
    made = built(campaign, admin)
    facts = manifest.verify(Path(made.folder))
    assert facts["corrections"] == corrections.RULE
    counts = facts["counts"]
    assert (counts["rows"], counts["rejected"], counts["accepted"], counts["judged_outputs"]) == (4, 4, 0, 7)
    left_out = {name: count for name, count in counts["left_out"].items() if count}
    assert left_out == {"nothing_wrong": 1, corrections.NOT_CORRECTED: 1, corrections.IN_PART: 1}
    assert "2 rejected outputs give no pair" in " ".join(facts["warnings"])
    preview = queries.preview(campaign=campaign, constraint_set=made.constraint_set, format="pairs")
    assert preview.counts == counts


def test_other_formats_say_nothing_of_corrections(campaign: Campaign, admin: User) -> None:
    judged(campaign)
    made = built(campaign, admin)
    other = queries.preview(campaign=campaign, constraint_set=made.constraint_set, format="d2o")
    assert corrections.NOT_CORRECTED not in other.counts["left_out"]
    assert other.counts["rejected"] == 6


def test_building_again_gives_the_same_bytes_whatever_came_since(campaign: Campaign, admin: User) -> None:
    judged(campaign)
    first = built(campaign, admin)
    before = {path.name: path.read_bytes() for path in queries.files(first)}
    again = actions.request(
        campaign=campaign,
        constraint_set=first.constraint_set,
        format="pairs",
        by=admin,
        now=NOW + timedelta(days=1),
    )
    judged(campaign, "left")
    rebuilt = actions.build(dataset_id=again.pk, clock=clock)
    assert {path.name: path.read_bytes() for path in queries.files(rebuilt)} == before


def test_several_annotators_give_the_correction_that_most_wrote(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, SAID["years"], external_id="years")
    for correction in ("2020", "2019", "2019"):
        span = {"start": 18, "end": 22, "correction": correction, "critique": "not so"}
        factories.judgment(output, violations=[span])
    assert read(built(campaign, admin))["years"]["chosen"] == "Bloom came out in 2019 on EMI."


def test_a_correction_of_the_whole_output_is_told(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, SAID["years"], external_id="years")
    factories.judgment(output, violations=[{"correction": "It came out in 2019."}, {"start": 18, "end": 22}])
    made = built(campaign, admin)
    assert read(made)["years"]["chosen"] == "It came out in 2019."
    assert read(made)["years"]["corrected"] == []
    assert made.manifest["counts"]["rewritten"] == 1
    assert "look whether those are whole answers" in " ".join(made.manifest["warnings"])


@pytest.mark.parametrize(
    ("violation", "why"),
    [
        ({"start": 18, "end": 22, "correction": "2018"}, corrections.NOT_CORRECTED),
        ({"correction": SAID["years"]}, corrections.NOT_CORRECTED),
        ({"start": 0, "end": 30, "correction": " "}, corrections.LEAVES_NOTHING),
    ],
)
def test_a_correction_that_says_the_same_or_nothing_gives_no_pair(
    campaign: Campaign, admin: User, violation: dict[str, Any], why: str
) -> None:
    factories.judgment(factories.output(campaign, SAID["years"]), violations=[violation])
    made = built(campaign, admin)
    assert made.state == "failed"
    assert why.replace("_", " ") in made.reason


def test_edits_that_come_to_the_same_text_give_no_pair(campaign: Campaign, admin: User) -> None:
    text = "aab"
    marks = [
        {"start": 0, "end": 0, "scope": "omission", "correction": "a"},
        {"start": 0, "end": 2, "correction": "a"},
    ]
    factories.judgment(factories.output(campaign, text), violations=marks)
    assert "1 corrections change nothing" in built(campaign, admin).reason


def test_a_violation_outside_the_set_must_be_corrected_too(campaign: Campaign, admin: User) -> None:
    """Chosen is what nothing is wrong with, as far as people said; the spans are of the set alone."""
    for name, correction in (("years", "Capitol"), ("left", "")):
        wrong = {"start": 0, "end": 5, "correction": "Blume", "critique": "one thing"}
        other = {"tag": "ignores-instruction", "start": 12, "end": 17, "correction": correction, "critique": "rude"}
        factories.judgment(factories.output(campaign, SAID[name], external_id=name), violations=[wrong, other])
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    for each in Constraint.objects.living().filter(campaign=campaign, tag_slug="invented-fact"):
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    chosen = constraint_actions.renew(campaign=campaign, by=admin, now=NOW)
    made = actions.request(campaign=campaign, constraint_set=chosen, format="pairs", by=admin, now=NOW)
    found = read(actions.build(dataset_id=made.pk, clock=clock))
    assert list(found) == ["years"]
    assert found["years"]["chosen"].startswith("Blume came oCapitol")
    assert [span["tag"] for span in found["years"]["spans"]] == ["invented-fact"]


def test_corrections_of_an_earlier_revision_do_not_count(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, SAID["years"])
    wrong = {"start": 18, "end": 22, "critique": "not so"}
    first = factories.judgment(output, violations=[{**wrong, "correction": "2019"}], is_current=False)
    factories.judgment(output, annotator=first.annotator, revision=2, violations=[wrong])
    assert "1 rejected without correction" in built(campaign, admin).reason
