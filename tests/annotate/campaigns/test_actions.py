"""Campaigns, their people and their tag set versions."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from annotate.accounts import actions as accounts
from annotate.accounts.models import AuditEntry
from annotate.campaigns import actions, queries
from annotate.campaigns.models import Campaign, Membership, TagSet
from annotate.campaigns.tags import TagDraft
from annotate.errors import NotAllowed, NotFound, RuleError
from tests import factories
from tests.factories import NOW, PASSWORD

pytestmark = pytest.mark.django_db
ONE = [TagDraft(name="Invented fact")]


def _drafts(campaign: Campaign) -> list[TagDraft]:
    return [actions.draft_of(tag) for tag in queries.current_tag_set(campaign=campaign).tags.all()]


def test_create_makes_an_admin_and_version_1() -> None:
    ada = factories.user()
    campaign = actions.create(by=ada, slug="", name="Größe & facts v3", tags=ONE, now=NOW)
    assert campaign.slug == "groe-facts-v3"
    assert queries.role_of(user=ada, campaign=campaign) == "admin"
    tag_set = queries.current_tag_set(campaign=campaign)
    assert (tag_set.version, [tag.key for tag in tag_set.tags.all()]) == (1, ["1"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "日本", "slug": ""}, "slug"),
        ({"slug": "two words"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 51}, "overlap"),
        ({"tags": []}, "tags"),
        ({"tags": [TagDraft(name="a", key="g")]}, "tags"),
    ],
)
def test_create_refuses_and_stores_nothing(values: dict[str, object], field: str) -> None:
    ada = factories.user()
    factories.campaign("taken")
    with pytest.raises(RuleError) as caught:
        actions.create(**{"by": ada, "slug": "new", "name": "New", "tags": ONE, "now": NOW, **values})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert Campaign.objects.count() == 1


def test_save_tag_set_makes_a_version_only_when_something_changed() -> None:
    campaign = factories.campaign()
    drafts = _drafts(campaign)
    assert actions.save_tag_set(campaign=campaign, by=None, tags=drafts, now=NOW).version == 1
    renamed = [TagDraft(**{**vars(drafts[0]), "name": "Made up"}), *drafts[1:]]
    assert actions.save_tag_set(campaign=campaign, by=None, tags=renamed, now=NOW).version == 2
    assert actions.save_tag_set(campaign=campaign, by=None, tags=renamed, now=NOW).version == 2
    new = queries.current_tag_set(campaign=campaign).tags.get(slug="invented-fact")
    assert new.name == "Made up"
    assert queries.tag_set_version(campaign=campaign, version=1).tags.get(slug="invented-fact").name == "Invented fact"


def test_save_tag_set_refuses_a_conflict_with_its_place() -> None:
    campaign = factories.campaign()
    with pytest.raises(actions.TagsRefused) as caught:
        actions.save_tag_set(
            campaign=campaign, by=None, tags=[*_drafts(campaign), TagDraft(name="x", key="1")], now=NOW
        )
    assert [(error.index, error.field) for error in caught.value.errors] == [(3, "key")]
    assert campaign.tag_sets.count() == 1


def test_a_saved_tag_set_cannot_be_changed_by_anybody() -> None:
    campaign = factories.campaign()
    tag = factories.tag(campaign)
    for change in (
        lambda: tag.tag_set.tags.filter(pk=tag.pk).update(name="Other"),
        lambda: TagSet.objects.filter(pk=tag.tag_set_id).update(version=9),
    ):
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            change()  # type: ignore[no-untyped-call]
    campaign.delete()


@pytest.mark.django_db(transaction=True)
def test_save_tag_set_from_two_sides_numbers_without_gaps() -> None:
    campaign = factories.campaign()

    def save(name: str) -> int:
        try:
            return actions.save_tag_set(campaign=campaign, by=None, tags=[TagDraft(name=name)], now=NOW).version
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(save, ["a", "b"])) == [2, 3]


def test_ensure_tags_knows_slugs_and_names_whatever_the_case() -> None:
    campaign = factories.campaign()
    for names in ([], ["INVENTED FACT"], ["invented-fact", "Contradicts Itself"]):
        assert actions.ensure_tags(campaign=campaign, names=names, by=None, now=NOW).version == 1


def test_ensure_tags_adds_what_is_missing_once() -> None:
    campaign = factories.campaign()
    names = ["Fluency/Punctuation", "fluency/punctuation", "Invented fact"]
    for _ in range(2):
        tag_set = actions.ensure_tags(campaign=campaign, names=names, by=None, now=NOW)
        assert (tag_set.version, tag_set.tags.count()) == (2, 4)
    made = tag_set.tags.get(slug="fluency/punctuation")
    assert (made.severity_rule, made.span_rule, made.key) == ("optional", "optional", "4")


def test_invite_and_accept_brings_the_role() -> None:
    campaign = factories.campaign()
    token = actions.invite(campaign=campaign, by=factories.admin_of(campaign), name="Bo", role="reviewer", now=NOW)
    bo = actions.accept_invitation(token=token, username="bo", password=PASSWORD, now=NOW)
    assert (bo.name, queries.role_of(user=bo, campaign=campaign)) == ("Bo", "reviewer")
    with pytest.raises(accounts.InvitationUsed):
        actions.accept_invitation(token=token, username="eve", password=PASSWORD, now=NOW)


def test_invite_with_an_unknown_role_is_refused() -> None:
    campaign = factories.campaign()
    with pytest.raises(actions.RoleUnknown):
        actions.invite(campaign=campaign, by=factories.admin_of(campaign), name="Bo", role="owner", now=NOW)


def test_join_with_an_account_keeps_the_role_one_has() -> None:
    campaign = factories.campaign()
    bo = factories.user()
    for role in ("reviewer", "admin"):
        token = actions.invite(campaign=campaign, by=factories.admin_of(campaign), name="", role=role, now=NOW)
        assert actions.join(token=token, user=bo, now=NOW) == campaign
        assert queries.role_of(user=bo, campaign=campaign) == "reviewer"


def test_withdraw_invitation_of_another_campaign_is_not_found() -> None:
    campaign, other = factories.campaign(), factories.campaign()
    actions.invite(campaign=other, by=factories.admin_of(other), name="", role="annotator", now=NOW)
    invitation = other.invitations.get().invitation
    with pytest.raises(NotFound):
        actions.withdraw_invitation(
            campaign=campaign, invitation_id=invitation.pk, by=factories.admin_of(campaign), now=NOW
        )
    assert queries.open_invitations(campaign=other, now=NOW).count() == 1
    actions.withdraw_invitation(campaign=other, invitation_id=invitation.pk, by=factories.admin_of(other), now=NOW)
    assert queries.open_invitations(campaign=other, now=NOW).count() == 0


def test_add_member_twice_keeps_the_first_role() -> None:
    campaign, bo = factories.campaign(), factories.user()
    actions.add_member(campaign=campaign, user=bo, role="annotator", now=NOW)
    actions.add_member(campaign=campaign, user=bo, role="admin", now=NOW)
    assert Membership.objects.filter(campaign=campaign, user=bo).values_list("role", flat=True).get() == "annotator"


def test_change_role_and_the_last_admin() -> None:
    campaign = factories.campaign()
    admin = factories.admin_of(campaign)
    bo = factories.member(campaign)
    with pytest.raises(actions.LastAdmin, match="only admin"):
        actions.change_role(campaign=campaign, user_id=admin.pk, role="reviewer", by=admin, now=NOW)
    with pytest.raises(actions.LastAdmin):
        actions.remove_member(campaign=campaign, user_id=admin.pk, by=admin, now=NOW)
    for _ in range(2):
        actions.change_role(campaign=campaign, user_id=bo.pk, role="admin", by=admin, now=NOW)
    assert AuditEntry.objects.filter(verb="change role").count() == 1
    actions.remove_member(campaign=campaign, user_id=admin.pk, by=bo, now=NOW)
    assert queries.role_of(user=admin, campaign=campaign) is None
    with pytest.raises(NotFound):
        actions.remove_member(campaign=campaign, user_id=admin.pk, by=bo, now=NOW)


def test_update_rules_changes_only_rules() -> None:
    campaign = factories.campaign()
    admin = factories.admin_of(campaign)
    for _ in range(2):
        actions.update_rules(campaign=campaign, by=admin, now=NOW, overlap=3, name="Other")
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.name) == (3, "Other")
    assert AuditEntry.objects.filter(verb="change").count() == 1
    for fields in ({"slug": "stolen"}, {"overlap": 0}, {"lease_minutes": 2000}, {"name": " "[:0]}):
        with pytest.raises(actions.CampaignRefused):
            actions.update_rules(campaign=campaign, by=admin, now=NOW, **fields)


def test_update_rules_of_handing_out_and_showing() -> None:
    campaign = factories.campaign(order="breadth", gold_share=5, stance="masked", is_sensitive=True)
    assert (campaign.order, campaign.gold_share, campaign.stance, campaign.is_sensitive) == (
        "breadth",
        5,
        "masked",
        True,
    )
    rules = {"order": "depth", "gold_share": 50, "stance": "flipped", "is_sensitive": False}
    for _ in range(2):
        actions.update_rules(campaign=campaign, by=factories.admin_of(campaign), now=NOW, **rules)
    stored = Campaign.objects.values(*rules).get(pk=campaign.pk)
    assert stored == rules
    assert AuditEntry.objects.filter(verb="change").count() == 1


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"order": "random"}, 'not by "random"'),
        ({"gold_share": 51}, "from 0 to 50"),
        ({"gold_share": -1}, "from 0 to 50"),
        ({"stance": "hidden"}, 'not "hidden"'),
    ],
)
def test_update_rules_refuses_with_a_sentence(rule: dict[str, object], said: str) -> None:
    campaign = factories.campaign()
    with pytest.raises(actions.CampaignRefused, match=said) as refused:
        actions.update_rules(campaign=campaign, by=factories.admin_of(campaign), now=NOW, **rule)
    assert refused.value.field in rule
    assert Campaign.objects.get().gold_share == 0


def test_set_state_twice_equals_once() -> None:
    campaign = factories.campaign()
    for _ in range(2):
        actions.set_state(campaign=campaign, by=factories.admin_of(campaign), state="paused", now=NOW)
    campaign.refresh_from_db()
    assert campaign.state == "paused"
    assert AuditEntry.objects.filter(verb="make paused").count() == 1
    with pytest.raises(actions.CampaignRefused):
        actions.set_state(campaign=campaign, by=factories.admin_of(campaign), state="gone", now=NOW)


def test_require_tells_outsiders_nothing() -> None:
    campaign = factories.campaign("mine")
    outsider, bo = factories.user(), factories.member(campaign, "annotator")
    assert queries.require(user=bo, slug="mine", roles=["annotator"]) == campaign
    assert queries.require(user=factories.superuser(), slug="mine", roles=["admin"]) == campaign
    with pytest.raises(NotAllowed, match="is annotator; this needs"):
        queries.require(user=bo, slug="mine", roles=["admin", "reviewer"])
    for slug in ("mine", "none"):
        with pytest.raises(NotFound, match="or you are not a member"):
            queries.require(user=outsider, slug=slug, roles=["admin"])


def test_campaigns_of_are_ones_own() -> None:
    mine, _other = factories.campaign(), factories.campaign()
    bo = factories.member(mine, "reviewer")
    assert [(each, each.my_role) for each in queries.campaigns_of(user=bo)] == [(mine, "reviewer")]  # type: ignore[attr-defined]
    assert queries.campaigns_of(user=factories.superuser()).count() == 2
