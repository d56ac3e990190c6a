"""A set written as a constitution, and constitutions read back: whole, or refused line by line."""

from __future__ import annotations

import json
from typing import Any

import markdown_it
import pytest
import yaml

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks.models import Check
from annotate.constraints.constitution import actions as constitution_actions
from annotate.constraints.constitution import document as constitution
from annotate.constraints.constitution import queries as constitution_queries
from annotate.constraints.constitution import reading as constitution_reading
from annotate.constraints.constitution.actions import Imported
from annotate.constraints.constitution.document import Document, Principle, Support
from annotate.constraints.models import Constraint
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW

HOSTILE = "1) *no* [links](http://x) <b> `a`: \u2028\u202e\x85 \U0001f600 # \\ www.x.y ~~ \ufeff | é -"


def document(*statements: str, check: dict[str, Any] | None = None) -> Document:
    support = Support(3, 2, 1)
    principles = [
        Principle(number, 10 + number, statement, "invented-fact", "factual", support, check)
        for number, statement in enumerate(statements, start=1)
    ]
    return Document("helpdesk", 2, "ab" * 32, "2026-11-21T12:00:00+00:00", principles)


def test_json_and_yaml_say_the_same() -> None:
    written = document("No invented dates", HOSTILE, check={"version": 1, "sha256": "cd", "declared": [{"check": "x"}]})
    as_json = json.loads(constitution.as_json(written))
    assert yaml.safe_load(constitution.as_yaml(written)) == as_json
    assert as_json["principles"][1]["statement"] == HOSTILE
    assert list(as_json) == ["format", "version", "campaign", "revision", "sha256", "approved_at", "principles"]


def test_markdown_shows_statements_as_text() -> None:
    html = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(
        constitution.as_markdown(document("No invented dates", HOSTILE)).decode()
    )
    assert html.count("<ol>") == 1
    assert html.count("<li>") == 2
    assert all(mark not in html for mark in ("<a", "<em", "<b>", "<code", "<s>", "<h2", "\u202e"))
    assert "1) *no* [links](http://x) &lt;b&gt; `a`:" in html


def test_principles_are_numbered_by_support_then_age() -> None:
    one, two, three = document("a", "b", "c").principles
    many = Principle(0, 99, "d", "t", "other", Support(9, 9, 9), None)
    assert [each.id for each in constitution.numbered([three, one, many, two])] == [99, 11, 12, 13]
    assert [each.number for each in constitution.numbered([one, many])] == [1, 2]


@pytest.mark.parametrize("write", [constitution.as_json, constitution.as_yaml])
def test_what_is_written_is_read_back(write: Any) -> None:
    check = {"version": 1, "sha256": "cd", "declared": [{"check": "max_length", "words": 9}]}
    found = constitution_reading.read(write(document("No invented dates", "\U0001f600 é: #1", check=check)))
    assert [(each.statement, each.tag, each.kind) for each in found] == [
        ("No invented dates", "invented-fact", "factual"),
        ("\U0001f600 é: #1", "invented-fact", "factual"),
    ]
    assert found[0].check == [{"check": "max_length", "words": 9}]
    lines = write(document("a", "b")).decode().splitlines()
    places = [each.line for each in constitution_reading.read("\n".join(lines).encode())]
    assert [lines[place - 1].strip() in ("{", f"- number: {n}") for n, place in enumerate(places, 1)] == [True, True]


HEAD = "format: negativa-constitution\nversion: 1\nprinciples:\n"
JSON_HEAD = '{"format": "negativa-constitution", "version": 1,\n "principles": [\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (HEAD + "- {statement: a, tag: t}\n- {statement: '', tag: t}\n", 5, "statement is empty"),
        (HEAD + "- {statement: a, tag: t}\n- {tag: t}\n", 5, "statement is missing"),
        (HEAD + "- {statement: a, tag: t}\n- {statement: ' a ', tag: t}\n", 5, "the same as line 4"),
        (HEAD + "- {statement: 12, tag: t}\n", 4, "must be a text"),
        (HEAD + "- {statement: a, tag: t, weight: 3}\n", 4, "“weight” is nothing that a principle says"),
        (HEAD + "- {statement: a, statement: b, tag: t}\n", 4, "there twice"),
        (HEAD + f"- {{statement: {'x' * 501}, tag: t}}\n", 4, "501 characters; 500 fit"),
        (HEAD + "- {statement: a, tag: t, check: rm}\n", 4, "check must be"),
        (HEAD + "- &a {statement: a, tag: t}\n- *a\n", 4, "aliases"),
        (HEAD + "- !!python/object/apply:os.system [id]\n", 4, "types"),
        (HEAD + f"- {'[' * 30}{']' * 30}\n", 4, "levels deep"),
        (HEAD + "- {statement: a, tag: t}\n  : :\n - x", 5, "cannot be read"),
        (HEAD + "- 'just text'\n", 4, "keys and values"),
        ("format: other\nversion: 1\nprinciples: [a]\n", 1, "no constitution"),
        (HEAD + "  {}\n", 1, "must be a list"),
        ("", 1, "must be a list"),
        (JSON_HEAD + '{"statement": "a", "tag": "t"},\n{"statement": "b\\u0000", "tag": "t"}]}', 4, "U+0000"),
        (JSON_HEAD + '{"statement": "b\\ud800", "tag": "t"}]}', 3, "U+D800"),
        (JSON_HEAD + '{"statement": "a", "tag": "t"},\n{"statement": ]}', 4, "not JSON"),
        (JSON_HEAD + '{"statement": "a", "tag": "t", "number": NaN}]}', 1, "NaN"),
        (JSON_HEAD + '{"statement": "a", "statement": "b", "tag": "t"}]}', 1, "“statement” is there twice"),
        ("{" + '"a":{' * 2000, 1, "levels deep"),
        ('{"principles": ' + "1" * 5000 + "}", 1, "5000 digits"),
        ('{"format": "negativa-constitution", "version": 1, "principles": []}', 1, "0 principles"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(constitution_reading.Unreadable) as refused:
        constitution_reading.read(text.encode())
    assert refused.value.problems[0].line == line
    assert reason in refused.value.problems[0].reason


def test_bytes_that_are_no_text_and_files_too_large_are_refused() -> None:
    for data, reason in ((b"a\nb: \xff\n", "0xff"), (b" " * (1024 * 1024 + 1), "bytes")):
        with pytest.raises(constitution_reading.Unreadable, match=reason):
            constitution_reading.read(data)


@pytest.fixture
def ada(db: None) -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(ada: User) -> Campaign:
    return factories.campaign("helpdesk", by=ada)


def principle(statement: str, **more: Any) -> dict[str, Any]:
    return {"statement": statement, "tag": "invented-fact", **more}


def bring(campaign: Campaign, by: User, *principles: dict[str, Any]) -> Imported:
    top = {"format": constitution.FORMAT, "version": 1, "principles": list(principles)}
    data = json.dumps(top, indent=1).encode()
    return constitution_actions.import_constitution(campaign=campaign, data=data, by=by, now=NOW)


def test_import_makes_accepted_constraints_once(campaign: Campaign, ada: User) -> None:
    first = bring(campaign, ada, principle("No invented dates"), principle("No  invented\nnames", kind="factual"))
    assert first == Imported(made=2)
    again = bring(campaign, ada, principle("No invented dates"), principle("No invented names"))
    assert again == Imported(known=2)
    made = Constraint.objects.order_by("id")
    assert [(each.statement, each.state, each.named_by) for each in made] == [
        ("No invented dates", "accepted", ada),
        ("No invented names", "accepted", ada),
    ]


def test_import_accepts_a_candidate_and_leaves_what_was_rejected(campaign: Campaign, ada: User) -> None:
    candidate = rows.constraint(campaign, "a", state="candidate")
    rejected = rows.constraint(campaign, "b", state="dismissed")
    assert bring(campaign, ada, principle("a"), principle("b")) == Imported(accepted=1, left=1)
    candidate.refresh_from_db()
    rejected.refresh_from_db()
    assert (candidate.state, candidate.named_by, rejected.state) == ("accepted", ada, "dismissed")


def test_import_stores_nothing_when_one_line_is_wrong(campaign: Campaign, ada: User) -> None:
    good, check = principle("fine"), {"declared": [{"check": "no such thing"}]}
    for bad, reason in (
        (principle("a", tag="unheard-of"), "no tag “unheard-of”"),
        (principle("a", kind="safety"), "is factual here, not safety"),
        (principle("a", check=check), "no check"),
    ):
        with pytest.raises(constitution_actions.ConstitutionRefused, match=reason) as refused:
            bring(campaign, ada, good, bad)
        assert refused.value.problems[0].line > 5
    assert not Constraint.objects.exists()


def test_a_set_goes_round_by_file_with_its_checks(campaign: Campaign, ada: User) -> None:
    one = rows.constraint(campaign, HOSTILE.replace("\x85", ""), members=2)
    check_actions.save(constraint=one, text="check: number_in_source\n", by=ada, now=NOW)
    rows.constraint(campaign, "second", members=3)
    approved = actions.approve(campaign=campaign, by=ada, now=NOW)
    check_actions.save(constraint=one, text="check: length\nmost: 9\n", by=ada, now=NOW)
    found = constitution_queries.document(constraint_set=approved)
    assert [(each.number, each.statement, each.support) for each in found.principles] == [
        (1, "second", Support(3, 3, 3)),
        (2, one.statement, Support(2, 2, 2)),
    ]
    frozen = found.principles[1].check
    assert frozen is not None and (frozen["version"], frozen["declared"]) == (1, [{"check": "number_in_source"}])
    other = factories.campaign("other", by=ada)
    for form in ("json", "yaml"):
        data, _ = constitution_queries.written(constraint_set=approved, form=form)
        assert data == constitution_queries.written(constraint_set=approved, form=form)[0]
        constitution_actions.import_constitution(campaign=other, data=data, by=ada, now=NOW)
    taken = Constraint.objects.filter(campaign=other)
    assert sorted(each.statement for each in taken) == sorted(["second", " ".join(one.statement.split())])
    life = Check.objects.get(constraint__campaign=other)
    assert (life.state, life.current.declared) == ("draft", [{"check": "number_in_source"}])
    assert actions.approve(campaign=other, by=ada, now=NOW).entries.count() == 2
