"""An admin of one campaign asks for another's objects under their own campaign's address: there is nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken, User
from annotate.api.urls import RESOURCES
from frontend import urls as frontend_urls
from tests import factories
from tests.security import world

pytestmark = pytest.mark.django_db

PAGES = [each for each in frontend_urls.urlpatterns if isinstance(each, URLPattern)]
WITH_OBJECT = [each for each in PAGES if "slug" in each.pattern.converters and len(each.pattern.converters) > 1]
API = [each for resource in RESOURCES for each in resource.urls if len(each.pattern.converters) > 1]
VERBS = ("get", "head", "post", "put", "patch", "delete")


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[world.World, world.World]]:
    """Two campaigns with an admin each, who has no part in the other and is no superuser."""
    mine = world.build(tmp_path, "mine", text="mine", admin=factories.user("ann"))
    theirs = world.build(tmp_path, "theirs", text="theirs and secret", admin=factories.user("ben"))
    # Numbers that count within a campaign mean mine under my address; make theirs be none of mine.
    theirs.ids |= {"revision": 77, "version": 77}
    yield mine, theirs


def _marks(site: world.World) -> list[Any]:
    """What an attack could change."""
    rows = (site.output, site.constraint, site.run, site.schedule, site.batch, site.checkpoint, site.lease)
    fresh = [type(row).objects.filter(pk=row.pk).values().first() for row in rows]
    return [*fresh, site.campaign.memberships.count(), User.objects.filter(pk=site.member.pk).values().first()]


# Doors that refuse a request for what it is before they look for the object.
FOR_SCRIPTS = {"work-judgment", "work-draft", "work-undo"}
PARTICULAR = {"campaign-people-role", *FOR_SCRIPTS}
FROM_SCRIPT = {"Accept": "application/json"}
SUBMIT = {"verdict": "cannot_tell", "violations": [], "key": str(UUID(int=7)), "revision": 1, "role": "annotator"}


def test_pages_find_nothing_of_another_campaign(client: Client, sites: tuple[world.World, world.World]) -> None:
    mine, theirs = sites
    client.force_login(mine.admin)
    before = _marks(theirs)
    assert len(WITH_OBJECT) > 20
    for page in WITH_OBJECT:
        path = theirs.address(page, slug=mine.campaign.slug)
        answers = {verb: getattr(client, verb)(path) for verb in VERBS}
        answers["form"] = client.post(path, {"role": "annotator", "action": "accept", "enabled": "on", "name": "x"})
        answers["json"] = client.post(path, SUBMIT, content_type="application/json", headers=FROM_SCRIPT)
        refusals = {404, 405, 422} if page.name in PARTICULAR else {404, 405}
        assert {each.status_code for each in answers.values()} <= refusals, page.name
        assert answers["json" if page.name in FOR_SCRIPTS else "form"].status_code in (404, 405), page.name
        assert 404 in {each.status_code for each in answers.values()}, page.name
        assert not any(b"theirs" in each.content for each in answers.values()), page.name
    assert _marks(theirs) == before


def test_pages_find_the_same_objects_under_their_own_address(
    client: Client, sites: tuple[world.World, world.World]
) -> None:
    """The test above can fail: what is asked for exists."""
    mine, _ = sites
    client.force_login(mine.admin)
    for page in WITH_OBJECT:
        assert client.get(mine.address(page)).status_code in (200, 405), page.name


def test_a_form_cannot_name_another_campaigns_object(client: Client, sites: tuple[world.World, world.World]) -> None:
    mine, theirs = sites
    client.force_login(mine.admin)
    before, mine_before = _marks(theirs), mine.constraint.members.count()
    here = f"/c/{mine.campaign.slug}"
    ids = [theirs.constraint.pk, mine.constraint.pk]
    violation = theirs.constraint.members.first().violation_id  # type: ignore[union-attr]
    own = f"{here}/constraints/{mine.constraint.pk}/"
    for path, fields in (
        (f"{here}/constraints/", {"action": "merge", "constraint": ids}),
        (f"{here}/constraints/", {"action": "dismiss", "constraint": [theirs.constraint.pk]}),
        (own, {"action": "move", "violation": [violation], "into": theirs.constraint.pk}),
        (own, {"action": "split", "violation": [violation], "statement": "x"}),
        (f"{here}/runs/new/", {"method": "sample", "base": theirs.checkpoint.pk}),
        (f"{here}/runs/new/", {"method": "sample", "base": mine.checkpoint.pk, "sample_prompt_batch": theirs.batch.pk}),
        (f"{here}/schedules/new/", {"name": "x", "method": "d2o", "base": theirs.checkpoint.pk, "at_time": "03:00"}),
        (f"{here}/checkpoints/new/", {"name": "x", "location": "a/b", "parent": theirs.checkpoint.pk}),
    ):
        answer = client.post(path, fields)
        assert "secret" not in answer.text, path
    assert _marks(theirs) == before
    assert mine.constraint.members.count() == mine_before
    assert not mine.campaign.runs.filter(method="sample").exists()
    for query in (f"runs/new/?like={theirs.run.pk}", f"checkpoints/{mine.checkpoint.pk}/?with={theirs.checkpoint.pk}"):
        assert client.get(f"{here}/{query}").status_code == 404
    assert "secret" not in client.get(f"{here}/outputs/?batch={theirs.batch.pk}").text
    assert "secret" not in client.get(f"{here}/work/?after={theirs.lease.token}").text


def test_the_api_finds_nothing_of_another_campaign(sites: tuple[world.World, world.World]) -> None:
    mine, theirs = sites
    _, token = accounts.create_token(user=mine.admin, name="t", scopes=ApiToken.Scope.values, now=factories.NOW)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    before = _marks(theirs)
    for each in API:
        for slug, wanted in ((mine.campaign.slug, {404}), (theirs.campaign.slug, {404})):
            ids = {name: theirs.ids[name] for name in each.pattern.converters} | {"slug": slug}
            path = reverse(str(each.name), kwargs=ids)
            answers = {getattr(client, verb)(path).status_code for verb in VERBS}
            assert answers <= wanted | {405}, path
            assert 404 in answers, path
    assert _marks(theirs) == before


def test_a_token_of_somebody_else_cannot_be_revoked(client: Client, sites: tuple[world.World, world.World]) -> None:
    mine, theirs = sites
    client.force_login(mine.admin)
    assert client.post(f"/account/tokens/{theirs.token.pk}/revoke/").status_code == 404
    theirs.token.refresh_from_db()
    assert theirs.token.revoked_at is None
