"""manage.py annotator_token USERNAME --kind script|model --campaign SLUG"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate import clock
from annotate.accounts.models import User
from annotate.api import actions
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError


class Command(BaseCommand):
    help = (
        "Let a script or a model judge in a campaign: make it an annotator there, if it is none yet, and print a new "
        "token for the API, once. The token judges in every campaign that the annotator is a member of."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the name its judgments carry")
        parser.add_argument("--kind", required=True, choices=[str(kind) for kind in actions.KINDS])
        parser.add_argument("--campaign", required=True, metavar="SLUG")
        parser.add_argument("--by", metavar="USERNAME", help="the campaign's admin who asks (default: the first admin)")

    def handle(self, *, username: str, kind: str, campaign: str, by: str | None, **options: Any) -> None:
        where = Campaign.objects.filter(slug=campaign).first()
        if where is None:
            raise CommandError(f"There is no campaign {campaign}.")
        try:
            token = actions.give_annotator_token(
                campaign=where, username=username, kind=kind, by=_person(by), now=clock.now()
            )
        except RuleError as error:
            raise CommandError(error.message) from error
        self.stderr.write(f"{username} may judge in {where.name} with this token. It is shown this once:")
        self.stdout.write(token)


def _person(username: str | None) -> User:
    people = User.objects.filter(kind=User.Kind.PERSON, is_active=True).order_by("pk")
    person = people.filter(is_superuser=True).first() if username is None else people.filter(username=username).first()
    if person is None and username is None:
        raise CommandError("There is no admin yet. Accept the first admin's link, or name a person with --by.")
    if person is None:
        raise CommandError(f"There is nobody called {username}.")
    return person
