"""Schedules: save, enable, delete, and fire - exactly once for every due moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from annotate import errors
from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import ConstraintSet
from annotate.intake.models import ImportBatch
from annotate.judgments.models import Judgment
from annotate.quality import judges
from training_bridge.exports import actions as export_actions
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import spec
from training_bridge.runs import actions, due, models
from training_bridge.runs import sampling as sampling_rules

Clock = Callable[[], datetime]
FIRE_TASK = "worker.tasks.schedules.fire"
State = models.ScheduleFiring.State


class CannotSchedule(errors.RuleError):
    """The schedule cannot be kept as it is."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a person says about a schedule. `at_time` is wall-clock time in the server's zone."""

    name: str
    method: str
    base: models.Checkpoint
    at_time: time
    min_new_judgments: int = 100
    every_days: int = 1
    continue_from_latest: bool = False
    hyperparameters: dict[str, Any] | None = None
    sampling: dict[str, Any] | None = None


def zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


@transaction.atomic
def save(
    *, campaign: Campaign, draft: Draft, by: User | None, now: datetime, schedule: models.Schedule | None = None
) -> models.Schedule:
    """Make a schedule, or change `schedule`. For a new one every judgment of the campaign is new.

    Raises CannotSchedule, CannotRequest or BadSampling with the field.
    """
    _check(campaign, draft)
    is_new = schedule is None
    if schedule is None:
        schedule = models.Schedule(campaign=campaign, created_by=by, created_at=now, active_since=now)
    elif schedule.at_time != draft.at_time:
        schedule.active_since = now
    schedule.name, schedule.method, schedule.base = draft.name.strip(), draft.method, draft.base
    schedule.at_time, schedule.every_days = draft.at_time, draft.every_days
    schedule.min_new_judgments = draft.min_new_judgments
    schedule.continue_from_latest = draft.continue_from_latest
    actions.checked_hyperparameters(draft.hyperparameters or {})
    schedule.hyperparameters = draft.hyperparameters or {}  # what nobody chose is the method's own when it fires
    schedule.sampling = asdict(sampling_rules.parse(draft.sampling or {}))
    schedule.save()
    _keep_periodic_task(schedule)
    account_actions.record(actor=by, verb="create" if is_new else "change", subject=f"schedule:{schedule.pk}", now=now)
    return schedule


@transaction.atomic
def set_enabled(*, schedule: models.Schedule, is_enabled: bool, by: User | None, now: datetime) -> models.Schedule:
    """Switch the schedule on or off. Moments that passed while it was off are not due."""
    row = _locked(schedule.pk)
    if row.is_enabled == is_enabled:
        return row
    row.is_enabled = is_enabled
    if is_enabled:
        row.active_since = now
    row.save(update_fields=["is_enabled", "active_since"])
    _keep_periodic_task(row)
    account_actions.record(actor=by, verb="enable" if is_enabled else "disable", subject=f"schedule:{row.pk}", now=now)
    return row


@transaction.atomic
def delete(*, schedule: models.Schedule, by: User | None, now: datetime) -> None:
    """Remove the schedule and its history of firings; the runs it started stay."""
    row = models.Schedule.objects.select_for_update().filter(pk=schedule.pk).first()
    if row is None:
        return
    task_id = row.periodic_task_id
    row.delete()
    if task_id is not None:
        PeriodicTask.objects.get(pk=task_id).delete()
    account_actions.record(actor=by, verb="delete", subject=f"schedule:{schedule.pk}", now=now)


@transaction.atomic
def fire(*, schedule_id: int, now: datetime) -> models.ScheduleFiring | None:
    """Record what comes of the moment that is due, once: a dataset is asked for, or the reason why not.

    Returns None when nothing is due, the moment had its firing already, or an earlier one is still being built. The
    schedule's row is locked throughout.
    """
    schedule = models.Schedule.objects.select_for_update(of=("self",)).filter(pk=schedule_id).first()
    if schedule is None or not schedule.is_enabled:
        return None
    moment = due_moment(schedule, now=now)
    if moment is None:
        return None
    due_key = due.key(schedule_id=schedule.pk, moment=moment, zone=zone())
    past = models.ScheduleFiring.objects.filter(schedule=schedule)
    if past.filter(Q(due_key=due_key) | Q(state=State.BUILDING)).exists():
        return None
    firing = models.ScheduleFiring(schedule=schedule, due_key=due_key, due_at=moment, created_at=now)
    firing.new_judgment_count = new_judgment_count(schedule)
    _decide(schedule, firing, now=now)
    firing.save()
    _remember(schedule, firing)
    return firing


def follow(*, firing_id: int, clock: Clock) -> models.ScheduleFiring:
    """Build the firing's dataset, and request the run once it is ready. Safe to repeat and to call from many places."""
    firing = models.ScheduleFiring.objects.select_related("dataset").get(pk=firing_id)
    if firing.state != State.BUILDING or firing.dataset is None:
        return firing
    if firing.dataset.state in (DatasetVersion.State.REQUESTED, DatasetVersion.State.BUILDING):
        export_actions.build(dataset_id=firing.dataset.pk, clock=clock)
    return _start(firing_id=firing_id, now=clock())


def due_moment(schedule: models.Schedule, *, now: datetime) -> datetime | None:
    return due.due(
        now=now,
        at=schedule.at_time,
        zone=zone(),
        every_days=schedule.every_days,
        active_since=schedule.active_since,
        last_started=schedule.last_fired_at,
    )


def next_moment(schedule: models.Schedule, *, now: datetime) -> datetime:
    """The next moment at which the schedule can be due, were it switched on, in the schedule's zone."""
    moment = due.upcoming(
        now=now,
        at=schedule.at_time,
        zone=zone(),
        every_days=schedule.every_days,
        active_since=schedule.active_since,
        last_started=schedule.last_fired_at,
    )
    return moment.astimezone(zone())


def new_judgment_count(schedule: models.Schedule) -> int:
    """People's current judgments since the last dataset, of outputs that may be trained on."""
    return Judgment.objects.filter(
        campaign=schedule.campaign_id,
        pk__gt=schedule.last_judgment_id,
        is_current=True,
        output__batch__purpose=ImportBatch.Purpose.ANNOTATE,
        annotator__kind__in=judges.PEOPLE,
    ).count()


def _decide(schedule: models.Schedule, firing: models.ScheduleFiring, *, now: datetime) -> None:
    """Request a dataset of what is accepted now: members that joined since the last approval are in it.

    The first set must have been approved by a person; a newer revision is recorded under whoever made the schedule.
    """
    approved = ConstraintSet.objects.filter(campaign=schedule.campaign_id).order_by("-revision").first()
    if firing.new_judgment_count < schedule.min_new_judgments:
        _close(
            firing, State.NOT_ENOUGH, now, f"{firing.new_judgment_count} new of {schedule.min_new_judgments} wanted."
        )
    elif approved is None:
        _close(firing, State.FAILED, now, "The campaign has no approved constraint set. Approve one, then it will run.")
    else:
        try:
            with transaction.atomic():
                by = schedule.created_by or approved.approved_by
                firing.dataset = export_actions.request(
                    campaign=schedule.campaign,
                    constraint_set=constraint_actions.renew(campaign=schedule.campaign, by=by, now=now),
                    format=spec.ROWS[schedule.method][0],
                    by=schedule.created_by,
                    now=now,
                )
        except errors.RuleError as error:
            _close(firing, State.FAILED, now, f"The dataset could not be requested: {error.message}")
        else:
            firing.state = State.BUILDING


@transaction.atomic
def _start(*, firing_id: int, now: datetime) -> models.ScheduleFiring:
    firing = models.ScheduleFiring.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=firing_id)
    dataset = firing.dataset
    if firing.state != State.BUILDING or dataset is None:
        return firing
    schedule = _locked(firing.schedule_id)
    if dataset.state == DatasetVersion.State.FAILED:
        _close(firing, State.FAILED, now, f"Dataset v{dataset.version} failed: {dataset.reason}")
    elif dataset.state == DatasetVersion.State.READY:
        _request_run(schedule, firing, dataset, now=now)
    firing.save()
    _remember(schedule, firing)
    return firing


def _request_run(
    schedule: models.Schedule, firing: models.ScheduleFiring, dataset: DatasetVersion, *, now: datetime
) -> None:
    try:
        with transaction.atomic():
            firing.run = actions.request(
                campaign=schedule.campaign,
                method=schedule.method,
                base=_base(schedule),
                dataset=dataset,
                hyperparameters=schedule.hyperparameters,
                sampling=schedule.sampling,
                by=schedule.created_by,
                now=now,
                schedule=schedule,
                due_key=firing.due_key,
            )
    except errors.RuleError as error:
        _close(firing, State.FAILED, now, f"The run could not be requested: {error.message}")
        return
    _close(firing, State.STARTED, now, f"Run {firing.run.pk} on dataset v{dataset.version}.")
    schedule.last_fired_at, schedule.last_judgment_id = firing.due_at, dataset.last_judgment_id


def _base(schedule: models.Schedule) -> models.Checkpoint:
    if not schedule.continue_from_latest:
        return schedule.base
    latest = models.Checkpoint.objects.filter(run__schedule=schedule).order_by("-pk").first()
    return latest or schedule.base


def _remember(schedule: models.Schedule, firing: models.ScheduleFiring) -> None:
    schedule.last_outcome = ": ".join(part for part in (firing.get_state_display(), firing.reason) if part)[:300]
    schedule.save(update_fields=["last_fired_at", "last_judgment_id", "last_outcome"])


def _close(firing: models.ScheduleFiring, state: str, now: datetime, reason: str) -> None:
    firing.state, firing.ended_at, firing.reason = state, now, reason[:500]


def _keep_periodic_task(schedule: models.Schedule) -> None:
    """Make beat's entry say what the schedule says. Beat only wakes us at the time; `due` decides what is due."""
    crontab, _ = CrontabSchedule.objects.get_or_create(
        minute=str(schedule.at_time.minute),
        hour=str(schedule.at_time.hour),
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone=settings.TIME_ZONE,
    )
    task = schedule.periodic_task or PeriodicTask()
    task.name = f"schedule {schedule.pk}: {schedule.name}"[:200]
    task.task, task.crontab, task.args = FIRE_TASK, crontab, json.dumps([schedule.pk])
    task.enabled = schedule.is_enabled
    task.save()
    if schedule.periodic_task_id != task.pk:
        schedule.periodic_task = task
        schedule.save(update_fields=["periodic_task"])


def _check(campaign: Campaign, draft: Draft) -> None:
    if not draft.name.strip() or len(draft.name) > 120:
        raise CannotSchedule("Give the schedule a name of at most 120 characters.", field="name")
    methods = [value for value, _ in models.SCHEDULED_METHODS]
    if draft.method not in methods:
        raise CannotSchedule(f"The method may be one of {', '.join(methods)}.", field="method")
    if draft.base.campaign_id not in (None, campaign.pk):
        raise CannotSchedule("The base checkpoint belongs to another campaign.", field="base")
    if not 1 <= draft.every_days <= 366:
        raise CannotSchedule("Retrain at most every 1 to 366 days.", field="every_days")
    if not 1 <= draft.min_new_judgments <= 1_000_000_000:
        raise CannotSchedule("Ask for at least one new judgment.", field="min_new_judgments")


def _locked(schedule_id: int) -> models.Schedule:
    rows = models.Schedule.objects.select_for_update(of=("self",))
    return rows.select_related("campaign", "base__parent", "created_by", "periodic_task").get(pk=schedule_id)
