"""`manage.py alive ROLE`: whether this machine's worker or scheduler still reports. For health checks of containers."""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate import clock
from annotate.hosting import health
from annotate.hosting.models import Heartbeat


class Command(BaseCommand):
    help = "Exit 0 when a process of this role on this host has reported lately."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=["worker", "beat"])

    def handle(self, *, role: str, **options: Any) -> None:
        here = f"{role}@{socket.gethostname()}:"
        if not Heartbeat.objects.filter(name__startswith=here, beat_at__gt=clock.now() - health.FRESH).exists():
            raise CommandError(f"no {role} on {socket.gethostname()} has reported for {health.FRESH.seconds} s")
