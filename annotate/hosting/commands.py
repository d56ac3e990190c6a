"""`manage.py` with the embedded database: started for a command that finds it stopped, with its tables up to date."""

import contextlib
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line, get_commands

from annotate.hosting import postgres, schema

WITHOUT_DATABASE = {"", "help", "version", "--help", "-h", "--version", "check", "collectstatic", "spectacular", "up"}
OURS = ("annotate.", "training_bridge.", "frontend")


def run(argv: list[str]) -> None:
    """Run one command. `up` holds the database by itself."""
    name = argv[1] if len(argv) > 1 else ""
    with contextlib.ExitStack() as stack:
        if settings.IS_DATABASE_EMBEDDED and name not in WITHOUT_DATABASE and not {"-h", "--help"} & set(argv):
            try:
                stack.enter_context(embedded().held())
            except postgres.ClusterError as error:
                sys.exit(str(error))
            if _is_ours(name):
                schema.bring_up_to_date()
        execute_from_command_line(argv)


def embedded() -> postgres.Cluster:
    return postgres.Cluster(home=settings.HOME)


def _is_ours(name: str) -> bool:
    """Ours need the tables. Django's own (migrate, shell, makemigrations) are used to mend them."""
    django.setup()
    owner = get_commands().get(name, "")
    return (owner if isinstance(owner, str) else owner.__module__).startswith(OURS)
