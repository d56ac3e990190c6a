"""`manage.py first_admin`: the one-time link that makes the first admin. `manage.py up` prints it by itself."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from frontend.management.commands.up import first_admin_path


class Command(BaseCommand):
    help = "Print a one-time link for the first admin; earlier links of this kind end."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base", default="http://127.0.0.1:8000", help="where people reach the pages")

    def handle(self, *, base: str, **options: Any) -> None:
        path = first_admin_path()
        if not path:
            raise CommandError("There is an admin already; ask them for an invitation.")
        self.stdout.write(f"{base.rstrip('/')}{path}")
