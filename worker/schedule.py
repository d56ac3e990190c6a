"""What beat does: the `every=` of each task, kept in django-celery-beat's tables so that the admin shows them."""

from typing import Any

from celery.signals import beat_init
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from worker import lifelines, task

PREFIX = "every: "


def declared() -> dict[str, dict[str, Any]]:
    """Beat's entries. A nudge that waited longer than its own interval is dropped: the next one does the same."""
    return {
        f"{PREFIX}{name}": {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 30)}}
        for name, seconds in task.EVERY.items()
    }


class Scheduler(DatabaseScheduler):
    """Starts from what the code declares; what it no longer declares leaves the table."""

    def setup_schedule(self) -> None:
        self.app.loader.import_default_modules()
        entries = declared()
        PeriodicTask.objects.filter(name__startswith=PREFIX).exclude(name__in=entries).delete()
        self.app.conf.beat_schedule = entries
        super().setup_schedule()


@beat_init.connect
def _start_heartbeat(**_: Any) -> None:
    lifelines.start(role="beat")
