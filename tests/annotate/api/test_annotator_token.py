"""A script's or model's name, membership and token, made in one go."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotate.accounts import queries as accounts
from annotate.accounts.models import ApiToken, AuditEntry, User
from annotate.api import actions
from annotate.campaigns.models import Campaign
from annotate.errors import NotAllowed
from tests import factories


@pytest.fixture
def campaign(db: None) -> Campaign:
    return factories.campaign("helpdesk", by=factories.user("ada"))


def _run(*arguments: str, kind: str = "script", campaign: str = "helpdesk") -> tuple[str, str]:
    out, error = StringIO(), StringIO()
    call_command("annotator_token", *arguments, "--kind", kind, "--campaign", campaign, stdout=out, stderr=error)
    return out.getvalue(), error.getvalue()


def test_annotator_token_prints_a_token_that_judges(campaign: Campaign) -> None:
    output = factories.output(campaign)
    printed, said = _run("checker", "--by", "ada", kind="model")
    assert "once" in said
    token = accounts.token_of(plaintext=printed.strip())
    assert token is not None
    assert (token.user.username, token.user.kind, token.scopes) == ("checker", "model", ["judgments:write"])
    assert token.user.memberships.get().role == "annotator"
    assert not token.user.has_usable_password()
    client = Client(headers={"Authorization": f"Bearer {printed.strip()}"})
    lease = client.post(reverse("api-next", kwargs={"slug": "helpdesk"})).json()
    assert lease["output"] == output.text
    entry = AuditEntry.objects.get(verb="give token")
    assert (entry.actor, entry.detail["user"]) == (factories.admin_of(campaign), token.user.pk)
    assert printed.strip() not in str(AuditEntry.objects.values_list("detail", flat=True))


def test_annotator_token_twice_is_one_annotator_with_two_tokens(campaign: Campaign) -> None:
    factories.superuser()
    assert _run("checker")[0] != _run("checker")[0]
    checker = User.objects.get(username="checker")
    assert (checker.api_tokens.count(), checker.memberships.count()) == (2, 1)


@pytest.mark.parametrize("role", ["annotator", "reviewer", "researcher", None])
def test_only_an_admin_gives_a_token(campaign: Campaign, role: str | None) -> None:
    by = factories.member(campaign, role) if role else factories.user()
    with pytest.raises(NotAllowed):
        actions.give_annotator_token(campaign=campaign, username="x", kind="script", by=by, now=factories.NOW)
    assert not User.objects.filter(username="x").exists()


@pytest.mark.parametrize(
    ("username", "kind"),
    [
        ("ada", "script"),
        ("ADA", "script"),
        ("gpt", "script"),
        ("off", "script"),
        ("", "script"),
        ("two words", "script"),
        ("nul\x00", "script"),
        ("x" * 151, "script"),
        ("new", "person"),
        ("new", "external"),
        ("new", "robot"),
    ],
)
def test_a_name_that_cannot_be_a_programs_is_refused(campaign: Campaign, username: str, kind: str) -> None:
    factories.user("gpt", kind="model")
    factories.user("off", kind="script", is_active=False)
    with pytest.raises(actions.AnnotatorRefused):
        actions.give_annotator_token(
            campaign=campaign, username=username, kind=kind, by=factories.admin_of(campaign), now=factories.NOW
        )
    assert not ApiToken.objects.exists()


def test_annotator_token_says_what_is_not_there(campaign: Campaign) -> None:
    with pytest.raises(CommandError, match="no campaign nowhere"):
        _run("checker", campaign="nowhere")
    with pytest.raises(CommandError, match="nobody called bob"):
        _run("checker", "--by", "bob")
    with pytest.raises(CommandError, match="no admin yet"):
        _run("checker")
    with pytest.raises(CommandError, match="Choose another"):
        _run("ada", "--by", "ada")
