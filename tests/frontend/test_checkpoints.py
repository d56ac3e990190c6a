"""The pages of checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from tests import factories
from tests.training_bridge.evaluations.test_queries import approve, constraint, judge, sample
from tests.training_bridge.runs import rows
from training_bridge.runs import actions, models

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("sums", by=factories.superuser("ada"))


@pytest.fixture
def base() -> models.Checkpoint:
    return actions.register_checkpoint(name="base", location="gpt2", by=None, now=factories.NOW)


@pytest.fixture
def admin(client: Client, campaign: Campaign) -> Client:
    """A campaign's admin who is no administrator of the server."""
    client.force_login(factories.member(campaign, "admin"), backend=BACKEND)
    return client


@pytest.fixture
def superuser(campaign: Campaign) -> Client:
    client = Client()
    client.force_login(factories.superuser("root"), backend=BACKEND)
    return client


@pytest.mark.parametrize("page", ["", "new/", "{}/"])
@pytest.mark.parametrize("role", ["annotator", "reviewer"])
def test_annotators_and_reviewers_see_no_checkpoint(
    client: Client, campaign: Campaign, base: models.Checkpoint, page: str, role: str
) -> None:
    client.force_login(factories.member(campaign, role), backend=BACKEND)
    assert client.get(f"/c/sums/checkpoints/{page.format(base.pk)}").status_code == 403


def test_another_campaigns_checkpoint_is_not_found(admin: Client, tmp_path: Path) -> None:
    theirs = rows.checkpoint(tmp_path, campaign=factories.campaign("theirs"))
    assert admin.get(f"/c/sums/checkpoints/{theirs.pk}/").status_code == 404
    assert theirs.name not in admin.get("/c/sums/checkpoints/").content.decode()


def test_the_list_is_a_tree(admin: Client, campaign: Campaign, base: models.Checkpoint) -> None:
    for name, parent in (("first", base), ("second", None)):
        made = actions.register_checkpoint(
            name=name, location="gpt2", by=None, now=factories.NOW, campaign=campaign, parent=parent
        )
    page = admin.get("/c/sums/checkpoints/").content.decode()
    assert page.count('<ul class="tree">') == 2
    assert page.index(">base<") < page.index(">first<") < page.index(f">{made.name}<")


def test_the_list_asks_as_often_for_many_as_for_few(
    admin: Client, campaign: Campaign, base: models.Checkpoint, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    asked = []
    for count in (2, 15):
        for number in range(count):
            base = actions.register_checkpoint(
                name=f"c{count}-{number}", location="gpt2", by=None, now=factories.NOW, parent=base
            )
        with django_assert_max_num_queries(12) as seen:
            admin.get("/c/sums/checkpoints/")
        asked.append(len(seen))
    assert asked[0] == asked[1]


class TestRegister:
    def test_a_hugging_face_name(self, admin: Client, campaign: Campaign) -> None:
        answer = admin.post("/c/sums/checkpoints/new/", {"name": "small", "location": "owner/model", "kind": "full"})
        made = models.Checkpoint.objects.get(name="small")
        assert answer["Location"] == f"/c/sums/checkpoints/{made.pk}/"
        assert made.campaign == campaign

    def test_a_folder_only_by_an_administrator_of_the_server(
        self, admin: Client, superuser: Client, tmp_path: Path
    ) -> None:
        folder = rows.weights_folder(tmp_path / "model")
        sent = {"name": "mine", "location": str(folder), "kind": "full"}
        refused = admin.post("/c/sums/checkpoints/new/", sent)
        assert refused.status_code == 422
        assert "Only administrators of this server" in refused.content.decode()
        assert superuser.post("/c/sums/checkpoints/new/", sent).status_code == 302

    def test_a_folder_that_cannot_be_told_apart_by_who_may_not_look(self, admin: Client, tmp_path: Path) -> None:
        """Whether a path exists, or what is in it, is not said to people who may not register folders."""
        answers = {
            admin.post("/c/sums/checkpoints/new/", {"name": "x", "location": place}).content.decode().count(word)
            for place in ("/etc/passwd", "/no/such/folder", str(tmp_path))
            for word in ("There is no folder", "config.json. Save")
        }
        assert answers == {0}

    def test_what_is_wrong_with_the_folder_is_said_and_the_form_kept(self, superuser: Client, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
        page = superuser.post("/c/sums/checkpoints/new/", {"name": "mine", "location": str(tmp_path)})
        assert page.status_code == 422
        assert "pytorch_model.bin, a pickle file" in page.content.decode()
        assert 'value="mine"' in page.content.decode()

    def test_researchers_do_not_register(self, client: Client, campaign: Campaign) -> None:
        client.force_login(factories.member(campaign, "researcher"), backend=BACKEND)
        assert client.post("/c/sums/checkpoints/new/", {"name": "x", "location": "gpt2"}).status_code == 403


class TestPage:
    @pytest.fixture
    def child(self, base: models.Checkpoint, campaign: Campaign) -> models.Checkpoint:
        return actions.register_checkpoint(
            name="child", location="gpt2", by=None, now=factories.NOW, campaign=campaign, parent=base
        )

    def test_says_what_is_missing(self, admin: Client, campaign: Campaign, child: models.Checkpoint) -> None:
        assert "no constraint set is approved" in admin.get(f"/c/sums/checkpoints/{child.pk}/").content.decode()
        approve(campaign, constraint(campaign, "invents facts"))
        assert "No prompt has judged" in admin.get(f"/c/sums/checkpoints/{child.pk}/").content.decode()

    def test_compares_with_the_parent_and_shows_hostile_examples_as_text(
        self, admin: Client, campaign: Campaign, base: models.Checkpoint, child: models.Checkpoint
    ) -> None:
        script, facts = factories.user("checker", kind="script"), constraint(campaign, "invents facts")
        approve(campaign, facts)
        judge(sample(base, campaign, 6), {0, 1, 2, 3, 4}, script, facts)
        after = sample(child, campaign, 6)
        type(after[0]).objects.filter(pk=after[0].pk).update(text="<img src=x onerror=alert(1)> \u202e {{ 7 }}")
        judge(after, set(), script, facts)
        page = admin.get(f"/c/sums/checkpoints/{child.pk}/").content.decode()
        assert "6 prompts" in page
        assert "after: script 6" in page
        assert '<span class="change is-fixed">fixed</span>' in page
        assert "0.062" in page or "0.063" in page  # 2 / 2^5
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page

    def test_compares_with_any_other_checkpoint_of_the_campaign_only(
        self, admin: Client, campaign: Campaign, child: models.Checkpoint, tmp_path: Path
    ) -> None:
        theirs = rows.checkpoint(tmp_path, name="theirs", campaign=factories.campaign("theirs"))
        approve(campaign, constraint(campaign, "invents facts"))
        assert admin.get(f"/c/sums/checkpoints/{child.pk}/?with={theirs.pk}").status_code == 404
        assert admin.get(f"/c/sums/checkpoints/{child.pk}/?set=99").status_code == 404
        assert admin.get(f"/c/sums/checkpoints/{child.pk}/?with=&set=1").status_code == 200
