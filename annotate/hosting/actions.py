"""Writes about the platform's own processes."""

from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings
from django.db import transaction

from annotate.hosting.models import Heartbeat

FORGET_AFTER = timedelta(hours=1)


@transaction.atomic
def beat(*, role: str, name: str, now: datetime) -> None:
    """The process `name` says that it lives."""
    Heartbeat.objects.update_or_create(name=name, defaults={"role": role, "beat_at": now})


@transaction.atomic
def forget(*, now: datetime) -> None:
    """Drop the heartbeats of processes long gone, and sessions that ran out."""
    Heartbeat.objects.filter(beat_at__lt=now - FORGET_AFTER).delete()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    store.get_model_class().objects.filter(expire_date__lt=now).delete()
