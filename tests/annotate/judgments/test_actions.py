from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag, TagSet
from annotate.errors import NotFound, RuleError
from annotate.judgments import actions, queries
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions as queue_actions
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows
from tests.annotate.queue.rows import NOW

pytestmark = pytest.mark.django_db
TEXT = "नमस्ते 👩‍🚀, he was born in 1985."
SPAN = ViolationDraft(
    "invented", "span", "major", TEXT.index("1985"), TEXT.index("1985") + 4, critique=" It was 1986. "
)


def leased(campaign: Campaign, annotator: User) -> Lease:
    lease = queue_actions.lease_next(campaign=campaign, annotator=annotator, now=NOW)
    assert lease is not None
    return lease


def submit(
    lease: Lease,
    annotator: User,
    *violations: ViolationDraft,
    verdict: str = "rejected",
    key: UUID | None = None,
    minutes: int = 1,
    comment: str = "",
) -> Judgment:
    return actions.submit(
        token=lease.token,
        annotator=annotator,
        verdict=verdict,
        violations=violations,
        idempotency_key=key or uuid4(),
        now=NOW + timedelta(minutes=minutes),
        comment=comment,
    )


@pytest.fixture
def campaign() -> Campaign:
    made = rows.campaign()
    rows.outputs(made, TEXT)
    return made


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def test_submit_stores_verdict_and_violations_and_closes_the_lease(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    omission = ViolationDraft("ignores", "omission", "minor", 3, 3)
    judgment = submit(lease, ada, SPAN, omission, comment=" odd ")
    stored = Judgment.objects.get()
    assert stored == judgment
    assert (stored.verdict, stored.revision, stored.is_current, stored.is_surplus) == ("rejected", 1, True, False)
    assert (stored.comment, stored.seconds, stored.tag_set.version) == ("odd", 60, 1)
    first, second = stored.violations.all()
    assert (first.quote, first.critique, first.position) == ("1985", "It was 1986.", 0)
    assert first.text_sha256 == rows.sha256(TEXT)
    assert (second.scope, second.start, second.end, second.quote) == ("omission", 3, 3, "")
    lease.refresh_from_db()
    assert lease.state == "submitted"
    item = QueueItem.objects.get()
    assert (item.taken_count, item.judged_count) == (1, 1)


def test_submit_same_key_again_returns_the_first(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    key = uuid4()
    first = submit(lease, ada, SPAN, key=key)
    second = submit(lease, ada, verdict="cannot_tell", key=key)
    assert (second.pk, second.verdict) == (first.pk, "rejected")
    assert Judgment.objects.count() == 1 and Violation.objects.count() == 1
    assert QueueItem.objects.get().judged_count == 1


def test_submit_again_with_another_key_appends_a_revision(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    submit(lease, ada, SPAN)
    submit(lease, ada, verdict="nothing_wrong", minutes=5)
    newest, oldest = Judgment.objects.order_by("-revision")
    assert (newest.revision, newest.is_current, newest.verdict) == (2, True, "nothing_wrong")
    assert (oldest.revision, oldest.is_current, oldest.violations.count()) == (1, False, 1)
    assert QueueItem.objects.get().judged_count == 1
    assert list(queries.current(campaign=campaign)) == [newest]


def test_submit_who_may_not(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    for stranger in (rows.person("bo", campaign=campaign), rows.person("eve")):
        with pytest.raises(NotFound, match="not leased to you"):
            submit(lease, stranger, SPAN)
    ada.memberships.all().delete()
    with pytest.raises(NotFound):
        submit(lease, ada, SPAN)
    assert not Judgment.objects.exists()


def test_submit_refuses_what_breaks_a_rule_and_keeps_the_lease(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    wrong = ViolationDraft("invented", "span", "", 0, 999)
    with pytest.raises(actions.NotComplete) as refused:
        submit(lease, ada, wrong)
    assert [problem.field for problem in refused.value.problems] == ["span", "severity"]
    assert "outside the text" in refused.value.message
    lease.refresh_from_db()
    assert lease.state == "open" and not Judgment.objects.exists()


def test_submit_refuses_tags_of_an_older_tag_set(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    newer = TagSet.objects.create(campaign=campaign, version=2, created_at=NOW)
    Tag.objects.create(tag_set=newer, slug="rude", name="rude")
    with pytest.raises(actions.NotComplete, match="not in the campaign's tag set"):
        submit(lease, ada, SPAN)
    judgment = submit(lease, ada, ViolationDraft("rude", "whole", "minor"))
    assert judgment.tag_set == newer


def test_submit_needs_a_tag_set() -> None:
    bare = rows.campaign("bare", tags=False)
    rows.outputs(bare, "one")
    bo = rows.person("bo", campaign=bare)
    with pytest.raises(RuleError, match="no tag set yet"):
        submit(leased(bare, bo), bo, verdict="nothing_wrong")


def test_submit_key_of_another_output_is_refused(campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "another")
    key = uuid4()
    submit(leased(campaign, ada), ada, verdict="cannot_tell", key=key)
    second = leased(campaign, ada)
    with pytest.raises(actions.KeyUsedElsewhere, match="already used"):
        submit(second, ada, verdict="cannot_tell", key=key)


def test_late_submit_takes_its_slot_back_while_one_is_free(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    assert queue_actions.expire_overdue(now=NOW + timedelta(hours=2)) == 1
    judgment = submit(lease, ada, SPAN, minutes=130)
    assert not judgment.is_surplus
    item = QueueItem.objects.get()
    assert (item.taken_count, item.judged_count) == (1, 1)


def test_late_submit_is_kept_as_surplus_when_others_took_the_slot(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    queue_actions.expire_overdue(now=NOW + timedelta(hours=2))
    bo = rows.person("bo", campaign=campaign)
    submit(leased(campaign, bo), bo, SPAN)
    late = submit(lease, ada, SPAN, minutes=130)
    assert late.is_surplus
    assert late.violations.count() == 1
    item = QueueItem.objects.get()
    assert (item.taken_count, item.judged_count) == (1, 1)
    assert submit(lease, ada, verdict="cannot_tell", minutes=140).is_surplus  # a revision of it stays surplus


def test_submit_after_skip_is_a_change_of_mind(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    queue_actions.skip(token=lease.token, annotator=ada, reason="long", now=NOW)
    submit(lease, ada, SPAN)
    item = QueueItem.objects.get()
    assert (item.taken_count, item.judged_count) == (1, 1)


def test_submit_statements_do_not_grow_with_violations(campaign: Campaign, ada: User) -> None:
    counts = []
    campaign_queries.tags_in_force(campaign=campaign)  # kept in the process from the first time
    for violations in ([SPAN], [SPAN] * 60):
        rows.outputs(campaign, *[TEXT] * 3)
        lease = leased(campaign, ada)
        with CaptureQueriesContext(connection) as captured:
            submit(lease, ada, *violations)
        counts.append(sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries))
    assert counts == [2, 2]


def test_scripts_lease_and_submit_like_everybody(campaign: Campaign) -> None:
    script = User.objects.create(username="checker", kind="script")
    assert submit(leased(campaign, script), script, SPAN).annotator == script


def test_save_draft_grows_its_version_and_renews_the_lease(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    later = NOW + timedelta(minutes=30)
    first = actions.save_draft(token=lease.token, annotator=ada, payload={"comment": "a"}, version=0, now=NOW)
    second = actions.save_draft(
        token=lease.token, annotator=ada, payload={"comment": "b"}, version=first.draft_version, now=later
    )
    assert (first.draft_version, second.draft_version) == (1, 2)
    draft = Lease.objects.exclude(draft=None).get()
    assert (draft.draft, draft.draft_version) == ({"comment": "b"}, 2)
    lease.refresh_from_db()
    assert lease.expires_at == later + timedelta(minutes=60)


def test_save_draft_refuses_a_stale_version(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    for version in (0, 1):
        actions.save_draft(token=lease.token, annotator=ada, payload={"v": version}, version=version, now=NOW)
    with pytest.raises(actions.ChangedElsewhere, match="another tab") as refused:
        actions.save_draft(token=lease.token, annotator=ada, payload={"v": "stale"}, version=1, now=NOW)
    assert refused.value.version == 2
    assert Lease.objects.exclude(draft=None).get().draft == {"v": 1}


def test_save_draft_twice_equals_once(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    versions = [
        actions.save_draft(token=lease.token, annotator=ada, payload={"v": 1}, version=0, now=NOW).draft_version
        for _ in range(2)
    ]
    assert versions == [1, 1]


def test_save_draft_who_may_not_and_how_much(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    with pytest.raises(NotFound):
        actions.save_draft(
            token=lease.token, annotator=rows.person("bo", campaign=campaign), payload={}, version=0, now=NOW
        )
    with pytest.raises(RuleError, match="too large"):
        actions.save_draft(token=lease.token, annotator=ada, payload={"comment": "x" * 600_000}, version=0, now=NOW)


def test_submit_ends_the_draft(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    actions.save_draft(token=lease.token, annotator=ada, payload={"a": 1}, version=0, now=NOW)
    submit(lease, ada, SPAN)
    assert not Lease.objects.exclude(draft=None).exists()


def test_draft_outlives_an_expired_lease(campaign: Campaign, ada: User) -> None:
    lease = leased(campaign, ada)
    actions.save_draft(token=lease.token, annotator=ada, payload={"a": 1}, version=0, now=NOW)
    queue_actions.expire_overdue(now=NOW + timedelta(hours=3))
    draft = leased(campaign, ada).draft
    assert draft == {"a": 1}
