"""A campaign with one of everything, whose every text is the caller's, and the address of each page in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.urls import URLPattern, reverse

from annotate import clock
from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken, User
from annotate.campaigns import actions as campaigns
from annotate.campaigns.models import Campaign, CampaignInvitation
from annotate.campaigns.tags import TagDraft
from annotate.constraints import actions as constraints
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import running
from annotate.constraints.checks.models import CheckResult
from annotate.constraints.models import Constraint, ConstraintSet
from annotate.intake.models import ImportBatch, Output, RefusedLine
from annotate.queue import actions as queue
from annotate.queue.models import Lease
from annotate.verification import verdicts
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs import models as runs

NOW = factories.NOW


@dataclass(kw_only=True)
class World:
    admin: User
    campaign: Campaign
    output: Output
    lease: Lease
    batch: ImportBatch
    constraint: Constraint
    constraint_set: ConstraintSet
    dataset: DatasetVersion
    checkpoint: runs.Checkpoint
    run: runs.Run
    schedule: runs.Schedule
    token: ApiToken
    invitation: str
    member: User
    ids: dict[str, Any] = field(default_factory=dict)

    def address(self, pattern: URLPattern, *, slug: str = "") -> str:
        """The page's address with this campaign's ids, under its own slug or another's."""
        given = {name: self.ids[name] for name in pattern.pattern.converters}
        if pattern.name == "invitation":
            given["token"] = self.invitation
        if "slug" in given:
            given["slug"] = slug or self.campaign.slug
        return reverse(str(pattern.name), kwargs=given)


def build(folder: Path, slug: str, *, text: str, name: str = "", admin: User | None = None) -> World:
    """Make the rows. `text` goes wherever a person, a model or a file may bring text, `name` where little fits."""
    name = name or text[:60]
    admin = admin or factories.superuser(f"admin-{slug}")
    User.objects.filter(pk=admin.pk).update(name=name)
    admin.refresh_from_db()
    tags = (
        TagDraft(name=name, slug="hostile", key="1", description=text, example=text, kind="factual"),
        TagDraft(name=f"Other {slug}", slug="other", key="2"),
    )
    campaign = factories.campaign(slug, by=admin, tags=tags, name=name, description=text, guidelines=text, overlap=3)
    batch = factories.batch(campaign, name=text[:255], namespace=name[:100], reason=text, refused_count=1)
    RefusedLine.objects.create(batch=batch, line=1, reason=text[:500], excerpt=text[:200])
    prompt = factories.prompt(campaign, f"{text} {slug}")
    chat = factories.prompt(campaign, f"chat {text} {slug}")
    chat.messages = [{"role": name, "content": text}]
    chat.save()
    model = name[:100]
    output = factories.output(
        campaign, text, prompt=prompt, batch=batch, model=model, meta={text[:50]: text}, external_id=name
    )
    factories.output(campaign, f"{text} 2", prompt=chat, batch=batch, model=model)
    member = factories.member(campaign, user=factories.user(f"member-{slug}", name=name))
    marked = {"tag": "hostile", "critique": text, "correction": text, "start": 0, "end": min(len(text), 400)}
    factories.judgment(output, annotator=member, violations=[marked, {**marked, "tag": "other"}], comment=text)
    constraints.regroup(campaign_id=campaign.pk, now=NOW)
    first = Constraint.objects.filter(campaign=campaign, tag_slug="hostile").get()
    constraints.rename(constraint=first, statement=text[:500], by=admin, now=NOW)
    constraints.accept(constraint=first, by=admin, now=NOW)
    approved = constraints.approve(campaign=campaign, by=admin, now=NOW)
    _check(first, admin, text)
    dataset = rows.dataset(campaign, admin)
    said = {"id": 1, "statement": text, "tag": name, "tag_slug": name, "kind": name, "rows": 1, "violations": 1}
    facts = {"constraint_set": {"revision": 1, "constraints": [said]}, "files": {"train.jsonl": {"sha256": "0" * 64}}}
    dataset = DatasetVersion.objects.create(
        campaign=campaign,
        constraint_set=approved,
        version=2,
        format="d2o",
        state="ready",
        reason=text,
        manifest=facts,
        manifest_sha256=dataset.manifest_sha256,
        folder=dataset.folder,
        last_judgment_id=0,
        requested_at=NOW,
        ready_at=NOW,
    )
    checkpoint, child = (_checkpoint(folder, campaign, f"{name} {slug} {number}") for number in range(2))
    child.parent = checkpoint
    child.save()
    run = _run(campaign, checkpoint, dataset, admin, text, folder)
    child.run = run
    child.save()
    for each in (checkpoint, child):
        runs.SampleBatch.objects.create(checkpoint=each, batch=_sampled(campaign, name, prompt, text, each))
    schedule = runs.Schedule.objects.create(
        campaign=campaign,
        name=name,
        method="d2o",
        base=checkpoint,
        at_time="03:00",
        active_since=NOW,
        created_at=NOW,
        last_outcome=text[:300],
        created_by=admin,
    )
    runs.ScheduleFiring.objects.create(
        schedule=schedule,
        due_key=f"{slug}-1",
        due_at=NOW,
        created_at=NOW,
        state="failed",
        reason=text[:300],
        dataset=dataset,
        run=run,
    )
    token, _ = accounts.create_token(user=admin, name=name, scopes=ApiToken.Scope.values, now=clock.now())
    invitation = campaigns.invite(campaign=campaign, by=admin, name=name, role="annotator", now=clock.now())
    lease = queue.lease_next(campaign=campaign, annotator=admin, now=clock.now())
    assert lease is not None
    made = World(
        admin=admin,
        campaign=campaign,
        output=output,
        lease=lease,
        batch=batch,
        constraint=first,
        constraint_set=approved,
        dataset=dataset,
        checkpoint=child,
        run=run,
        schedule=schedule,
        token=token,
        invitation=invitation,
        member=member,
    )
    made.ids = _ids(made)
    return made


def _check(constraint: Constraint, by: User, text: str) -> None:
    """A check in shadow that disagrees with people about the first output; its text has a comment."""
    comment = "".join(f"# {line}\n" for line in text.splitlines())
    lets_pass = f"{comment}check: length\nmost: 100000\n"
    life = check_actions.save(constraint=constraint, text=lets_pass, by=by, now=NOW)
    check_actions.step(life=life, to="shadow", by=by, now=NOW, asked=verdicts.by_output)
    running.run(check_id=life.pk, now=NOW)
    check_actions.weigh(check_id=life.pk, now=NOW, asked=verdicts.by_output)


def _ids(made: World) -> dict[str, Any]:
    return {
        "slug": made.campaign.slug,
        "output_id": made.output.pk,
        "batch_id": made.batch.pk,
        "token": made.lease.token,
        "constraint_id": made.constraint.pk,
        "result_id": CheckResult.objects.filter(output__campaign=made.campaign).earliest("pk").pk,
        "revision": made.constraint_set.revision,
        "form": "json",
        "version": made.dataset.version,
        "name": "train.jsonl",
        "checkpoint_id": made.checkpoint.pk,
        "run_id": made.run.pk,
        "schedule_id": made.schedule.pk,
        "token_id": made.token.pk,
        "user_id": made.member.pk,
        "invitation_id": CampaignInvitation.objects.get(campaign=made.campaign).invitation_id,
    }


def _checkpoint(folder: Path, campaign: Campaign, name: str) -> runs.Checkpoint:
    return runs.Checkpoint.objects.create(
        name=name[:200], location=str(folder / "weights" / name[:50]), campaign=campaign, created_at=NOW
    )


def _run(
    campaign: Campaign, base: runs.Checkpoint, dataset: DatasetVersion, admin: User, text: str, folder: Path
) -> runs.Run:
    place = folder / "runs" / campaign.slug
    place.mkdir(parents=True)
    for name in ("stderr.log", "stdout.log"):
        (place / name).write_text(text, errors="replace")
    return runs.Run.objects.create(
        campaign=campaign,
        method="d2o",
        base=base,
        dataset=dataset,
        hyperparameters={},
        sampling={},
        state="failed",
        reason=text,
        phase=text[:40],
        requested_by=admin,
        requested_at=NOW,
        ended_at=NOW,
        folder=str(place),
    )


def _sampled(campaign: Campaign, name: str, prompt: Any, text: str, of: runs.Checkpoint) -> ImportBatch:
    batch = factories.batch(campaign, source="checkpoint", name=name, purpose="evaluate")
    output = factories.output(campaign, f"{text} by {of.pk}", prompt=prompt, batch=batch, model=name[:100])
    factories.judgment(output, violations=[{"tag": "hostile", "critique": text}])
    return batch
