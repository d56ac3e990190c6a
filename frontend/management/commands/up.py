"""`manage.py up`: the whole platform in one terminal.

It stands in the frontend because it hands out the first admin's link, a thing of accounts and of the people's door;
the room that runs the programs (annotate.hosting) lies below accounts.
"""

import contextlib
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from annotate import clock
from annotate.accounts import actions
from annotate.accounts.models import Invitation, User
from annotate.hosting import addresses, commands, platform, postgres, schema, statics


class Command(BaseCommand):
    help = "Start database, web server, worker and scheduler, keep them running, and stop them in order on Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for every one")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        platform.state_folder(settings.HOME)
        cluster = commands.embedded() if settings.IS_DATABASE_EMBEDDED else None
        try:
            addresses.require_free(host=host, port=port)
            with cluster.held() if cluster else contextlib.nullcontext():
                self._run(host=host, port=port, cluster=cluster)
            if cluster:
                _wait_stopped(cluster)
        except (addresses.PortTaken, postgres.ClusterError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("stopped")

    def _run(self, *, host: str, port: int, cluster: postgres.Cluster | None) -> None:
        if cluster:
            self.stdout.write(f"database: {cluster.data}")
        if schema.bring_up_to_date():
            self.stdout.write("database: tables brought up to date")
        if not settings.DEBUG:
            statics.collect()
        allowed = settings.ALLOWED_HOSTS if settings.HAS_OWN_ALLOWED_HOSTS else addresses.names(host=host)
        platform.Platform(host=host, port=port, allowed_hosts=allowed, cluster=cluster, invite=first_admin_path).run()


def first_admin_path() -> str:
    """A new one-time link for the first admin, or nothing when there is one. Links given out before end."""
    now = clock.now()
    for invitation in Invitation.objects.filter(
        created_by=None, makes_admin=True, accepted_at=None, valid_until__gt=now
    ):
        actions.withdraw_invitation(invitation_id=invitation.pk, by=None, now=now)  # type: ignore[arg-type]
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return ""
    _, token = actions.invite(by=None, name="", now=now, makes_admin=True)
    return reverse("invitation", kwargs={"token": token})


def _wait_stopped(cluster: postgres.Cluster) -> None:
    """Wait for the database when this was its last user; another command may go on using it."""
    with contextlib.suppress(postgres.ClusterError):
        cluster.wait_stopped(seconds=5)
