"""Schedules: kept in beat's tables, fired exactly once."""

import json
import threading
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Count
from django_celery_beat.models import PeriodicTask

from annotate import errors
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from tests import factories
from tests.training_bridge.runs import rows
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs import actions, models, schedule_actions

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
MADE = datetime(2026, 6, 1, 12, 0, tzinfo=BERLIN)
State = models.ScheduleFiring.State


@pytest.fixture(autouse=True)
def _zone(settings: Any, runs_folder: Path) -> None:
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def ada() -> User:
    return factories.superuser("ada")


@pytest.fixture
def sums(ada: User) -> Campaign:
    return factories.campaign("sums", by=ada)


@pytest.fixture
def base(tmp_path: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


@pytest.fixture
def schedule(sums: Campaign, base: models.Checkpoint, ada: User) -> models.Schedule:
    return save(sums, base, ada)


def save(campaign: Campaign, base: models.Checkpoint, by: User, **more: Any) -> models.Schedule:
    schedule = more.pop("schedule", None)
    values: dict[str, Any] = {
        "name": "nightly",
        "method": "d2o",
        "base": base,
        "at_time": time(3, 0),
        "min_new_judgments": 2,
        "sampling": {"count": 0},
        **more,
    }
    return schedule_actions.save(
        campaign=campaign, draft=schedule_actions.Draft(**values), by=by, now=MADE, schedule=schedule
    )


def judge(campaign: Campaign, count: int) -> None:
    for _ in range(count):
        factories.judgment(factories.output(campaign))


def at(day: int, hour: int = 3, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=BERLIN)


def fire(schedule: models.Schedule, now: datetime) -> models.ScheduleFiring | None:
    return schedule_actions.fire(schedule_id=schedule.pk, now=now)


def follow(firing: models.ScheduleFiring | None, now: datetime) -> models.ScheduleFiring:
    assert firing is not None
    return schedule_actions.follow(firing_id=firing.pk, clock=lambda: now)


@pytest.fixture
def approved(sums: Campaign, ada: User) -> None:
    """An approved set that the judgments' violations belong to, as a regrouping and an approval leave it."""
    from annotate.constraints import actions as constraint_actions
    from annotate.constraints.models import Constraint

    judge(sums, 3)
    constraint_actions.request_grouping(campaign=sums, now=MADE)
    constraint_actions.regroup(campaign_id=sums.pk, now=MADE)
    for constraint in Constraint.objects.filter(campaign=sums, state="candidate"):
        constraint_actions.accept(constraint=constraint, by=ada, now=MADE)
    constraint_actions.approve(campaign=sums, by=ada, now=MADE)


class TestSave:
    def test_keeps_an_entry_for_beat(self, schedule: models.Schedule) -> None:
        task = PeriodicTask.objects.get(pk=schedule.periodic_task_id)
        assert (task.task, json.loads(task.args)) == (schedule_actions.FIRE_TASK, [schedule.pk])
        assert task.enabled
        assert task.crontab is not None
        assert (task.crontab.hour, task.crontab.minute) == ("3", "0")
        assert str(task.crontab.timezone) == "Europe/Berlin"

    def test_again_changes_the_same_entry(
        self, schedule: models.Schedule, sums: Campaign, base: models.Checkpoint, ada: User
    ) -> None:
        save(sums, base, ada, schedule=schedule, at_time=time(4, 30), name="later")
        task = PeriodicTask.objects.get(task=schedule_actions.FIRE_TASK)
        assert task.crontab is not None
        assert (task.crontab.hour, task.crontab.minute) == ("4", "30")
        assert models.Schedule.objects.count() == 1

    def test_the_task_that_beat_calls_exists(self) -> None:
        from worker.tasks import schedules

        assert schedules.fire.name == schedule_actions.FIRE_TASK

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"name": " "}, "name"),
            ({"method": "sample"}, "method"),
            ({"every_days": 0}, "every_days"),
            ({"min_new_judgments": 0}, "min_new_judgments"),
            ({"hyperparameters": {"max_steps": "x"}}, "max_steps"),
            ({"sampling": {"top_p": 2}}, "top_p"),
        ],
    )
    def test_refuses_by_field(
        self, sums: Campaign, base: models.Checkpoint, ada: User, values: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(errors.RuleError) as caught:
            save(sums, base, ada, **values)
        assert caught.value.field == field
        assert not PeriodicTask.objects.filter(task=schedule_actions.FIRE_TASK).exists()

    def test_refuses_another_campaigns_checkpoint(self, sums: Campaign, ada: User, tmp_path: Path) -> None:
        theirs = rows.checkpoint(tmp_path, name="theirs", campaign=factories.campaign("other", by=ada))
        with pytest.raises(schedule_actions.CannotSchedule):
            save(sums, theirs, ada)

    def test_disable_enable_and_delete_reach_beat(self, schedule: models.Schedule, ada: User) -> None:
        for is_enabled in (False, False, True):
            after = schedule_actions.set_enabled(schedule=schedule, is_enabled=is_enabled, by=ada, now=at(3))
            assert PeriodicTask.objects.get(pk=schedule.periodic_task_id).enabled == is_enabled
        assert after.active_since == at(3)
        for _ in range(2):
            schedule_actions.delete(schedule=schedule, by=ada, now=at(3))
        assert not PeriodicTask.objects.filter(task=schedule_actions.FIRE_TASK).exists()
        assert not models.Schedule.objects.exists()


class TestFire:
    def test_builds_the_dataset_and_requests_the_run(
        self, schedule: models.Schedule, sums: Campaign, approved: None
    ) -> None:
        firing = fire(schedule, at(2))
        assert firing is not None
        assert (firing.state, firing.new_judgment_count) == (State.BUILDING, 3)
        done = follow(firing, at(2, 3, 1))
        assert done.state == State.STARTED, done.reason
        run = models.Run.objects.get()
        assert (run.schedule, run.due_key, run.dataset, done.run) == (schedule, done.due_key, done.dataset, run)
        assert run.dataset is not None
        assert run.dataset.state == DatasetVersion.State.READY
        after = models.Schedule.objects.get()
        assert after.last_fired_at == at(2)
        assert after.last_judgment_id == run.dataset.last_judgment_id > 0
        assert "run started" in after.last_outcome

    @pytest.mark.django_db(transaction=True)
    def test_many_calls_at_once_fire_once(self, schedule: models.Schedule, approved: None) -> None:
        def work() -> None:
            try:
                for _ in range(3):
                    firing = fire(schedule, at(2, 3, 5))
                    if firing is not None:
                        follow(firing, at(2, 3, 5))
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert models.ScheduleFiring.objects.count() == models.Run.objects.count() == 1
        assert DatasetVersion.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_following_at_once_requests_one_run(self, schedule: models.Schedule, approved: None) -> None:
        firing = fire(schedule, at(2))
        assert firing is not None

        def work() -> None:
            try:
                follow(firing, at(2))
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert follow(firing, at(2)).state == State.STARTED
        assert models.Run.objects.count() == 1

    def test_not_enough_new_judgments_is_recorded_and_tried_again(
        self, schedule: models.Schedule, sums: Campaign, approved: None
    ) -> None:
        follow(fire(schedule, at(2)), at(2))
        judge(sums, 1)
        again = fire(schedule, at(3))
        assert again is not None
        assert (again.state, again.reason) == (State.NOT_ENOUGH, "1 new of 2 wanted.")
        assert fire(schedule, at(3, 5)) is None
        judge(sums, 1)
        assert fire(schedule, at(3, 6)) is None
        third = fire(schedule, at(4))
        assert third is not None
        assert (third.state, third.new_judgment_count) == (State.BUILDING, 2)

    def test_waits_the_days_between_two_trainings(
        self, schedule: models.Schedule, sums: Campaign, base: models.Checkpoint, ada: User, approved: None
    ) -> None:
        save(sums, base, ada, schedule=schedule, every_days=3)
        follow(fire(schedule, at(2)), at(2))
        judge(sums, 5)
        assert [fire(schedule, at(day)) for day in (3, 4)] == [None, None]
        assert fire(schedule, at(5)) is not None

    def test_needs_an_approved_constraint_set(self, schedule: models.Schedule, sums: Campaign) -> None:
        judge(sums, 3)
        firing = fire(schedule, at(2))
        assert firing is not None
        assert firing.state == State.FAILED
        assert "approved constraint set" in firing.reason

    def test_trains_on_rejections_that_joined_since_the_approval(
        self, schedule: models.Schedule, sums: Campaign, approved: None
    ) -> None:
        from annotate.constraints import actions as constraint_actions

        judge(sums, 3)
        constraint_actions.regroup(campaign_id=sums.pk, now=at(1))
        firing = fire(schedule, at(2))
        assert firing is not None
        assert firing.dataset is not None
        assert firing.dataset.constraint_set.revision == 2
        members = firing.dataset.constraint_set.entries.aggregate(count=Count("violations"))["count"]
        assert members == 6

    def test_is_not_due_before_it_was_made_or_while_it_is_off(
        self, schedule: models.Schedule, ada: User, approved: None
    ) -> None:
        assert fire(schedule, MADE + timedelta(hours=1)) is None
        schedule_actions.set_enabled(schedule=schedule, is_enabled=False, by=ada, now=MADE)
        assert fire(schedule, at(2)) is None
        schedule_actions.set_enabled(schedule=schedule, is_enabled=True, by=ada, now=at(2, 9))
        assert fire(schedule, at(2, 10)) is None
        assert fire(schedule, at(3)) is not None
        assert fire(models.Schedule(pk=0), at(3)) is None

    def test_moved_on_the_same_day_does_not_train_twice(
        self, schedule: models.Schedule, sums: Campaign, base: models.Checkpoint, ada: User, approved: None
    ) -> None:
        follow(fire(schedule, at(2)), at(2))
        judge(sums, 5)
        save(sums, base, ada, schedule=models.Schedule.objects.get(), at_time=time(10, 0))
        assert fire(schedule, at(2, 10)) is None

    def test_a_failed_dataset_ends_the_firing_with_its_reason(self, schedule: models.Schedule, approved: None) -> None:
        firing = fire(schedule, at(2))
        DatasetVersion.objects.update(state="failed", reason="No rows.")
        done = follow(firing, at(2))
        assert (done.state, models.Run.objects.count()) == (State.FAILED, 0)
        assert "No rows." in done.reason

    def test_a_base_that_has_gone_ends_the_firing_with_the_reason(
        self, schedule: models.Schedule, base: models.Checkpoint, approved: None
    ) -> None:
        firing = fire(schedule, at(2))
        (Path(base.location) / "config.json").unlink()
        done = follow(firing, at(2))
        assert done.state == State.FAILED
        assert "config.json" in done.reason

    def test_continues_from_its_own_latest_checkpoint(
        self,
        schedule: models.Schedule,
        sums: Campaign,
        base: models.Checkpoint,
        ada: User,
        tmp_path: Path,
        approved: None,
    ) -> None:
        save(sums, base, ada, schedule=schedule, continue_from_latest=True)
        first = follow(fire(schedule, at(2)), at(2)).run
        assert first is not None
        assert first.base == base
        made = rows.checkpoint(tmp_path, name="made", campaign=sums, parent=base)
        models.Checkpoint.objects.filter(pk=made.pk).update(run=first)
        judge(sums, 2)
        second = follow(fire(schedule, at(3)), at(3)).run
        assert second is not None
        assert second.base == made

    def test_a_run_with_the_same_due_key_is_not_made_again(self, schedule: models.Schedule, approved: None) -> None:
        firing = fire(schedule, at(2))
        first = follow(firing, at(2)).run
        assert first is not None
        again = actions.request(
            campaign=schedule.campaign,
            method="d2o",
            base=schedule.base,
            dataset=first.dataset,
            hyperparameters={},
            sampling={"count": 0},
            by=None,
            now=at(2),
            due_key=first.due_key,
        )
        assert again == first
