"""manage.py import_outputs --campaign SLUG FILE..."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns import tags
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError
from annotate.intake import actions, queries
from annotate.intake.models import ImportBatch
from annotate.judgments import imports

SHOWN = 20
CATCH_ALL = (tags.TagDraft(name="Other error", severity_rule="optional", description="What no other tag says."),)


class Command(BaseCommand):
    help = (
        "Import outputs, with the annotations they bring, from JSONL, CSV or Parquet files (also gzip-compressed). "
        "Importing a file again adds nothing; an interrupted import continues where it stopped. "
        "Exit status 1 when a file could not be imported at all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--campaign", required=True, metavar="SLUG")
        parser.add_argument("--make-tags", action="store_true", help="add the tags the campaign does not have yet")
        parser.add_argument(
            "--namespace", default="", help="prefix of the annotators' names (default: the file's name)"
        )
        parser.add_argument("--purpose", default="annotate", choices=ImportBatch.Purpose.values)
        parser.add_argument("--create-campaign", metavar="NAME", help="make the campaign first if it is not there")
        parser.add_argument("--by", metavar="USERNAME", help="whose import it is (default: the first admin)")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(stderr=True)
        by = _person(options["by"])
        campaign = _campaign(options, by)
        failed = [path for path in options["files"] if not _import(console, campaign, by, path, options)]
        if failed:
            raise CommandError(f"{len(failed)} of {len(options['files'])} files could not be imported.")


def _person(username: str | None) -> User | None:
    people = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
    if username is None:
        return people.filter(is_superuser=True).order_by("pk").first()
    person = people.filter(username=username).first()
    if person is None:
        raise CommandError(f"There is nobody called {username}.")
    return person


def _campaign(options: dict[str, Any], by: User | None) -> Campaign:
    slug, name = options["campaign"], options["create_campaign"]
    campaign = Campaign.objects.filter(slug=slug).first()
    if campaign is not None:
        return campaign
    if not name:
        raise CommandError(f"There is no campaign {slug}. Make it on its page, or with --create-campaign NAME.")
    if by is None:
        raise CommandError("A campaign needs an admin. Accept the first admin's link, or name a person with --by.")
    drafts = CATCH_ALL if options["make_tags"] else tags.STARTING_SET
    try:
        return campaign_actions.create(by=by, slug=slug, name=name, tags=drafts, now=clock.now())
    except RuleError as error:
        raise CommandError(error.message) from error


def _import(console: Console, campaign: Campaign, by: User | None, path: Path, options: dict[str, Any]) -> bool:
    """Import one file and print what became of it; False when it could not be imported at all."""
    try:
        batch = _batch(console, campaign, by, path, options)
    except (RuleError, OSError) as error:
        console.print(f"[bold red]refused[/] {escape(str(error))}")
        return False
    with _progress(console) as progress:
        row = progress.add_task(escape(path.name), total=batch.bytes_total, lines=batch.line)
        batch = imports.run(
            batch_id=batch.pk,
            clock=clock.now,
            on_progress=lambda now: progress.update(row, completed=now.bytes_read, lines=now.line),
        )
    _report(console, batch)
    return batch.state != ImportBatch.State.FAILED


def _batch(console: Console, campaign: Campaign, by: User | None, path: Path, options: dict[str, Any]) -> ImportBatch:
    unfinished = queries.unfinished(campaign=campaign, path=path) if path.is_file() else None
    if unfinished is not None:
        console.print(f"{escape(path.name)}: continues behind line {unfinished.line:,}")
        return unfinished
    return actions.create_batch(
        campaign=campaign,
        source=ImportBatch.Source.FILE,
        name=path.name,
        path=path,
        by=by,
        now=clock.now(),
        purpose=options["purpose"],
        namespace=options["namespace"],
        make_tags=options["make_tags"],
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
        TimeRemainingColumn(),
        console=console,
    )


def _report(console: Console, batch: ImportBatch) -> None:
    if batch.state == ImportBatch.State.FAILED:
        console.print(f"[bold red]failed[/] {escape(batch.name)}: {escape(batch.reason)}")
    elif batch.state != ImportBatch.State.DONE:
        console.print(f"{escape(batch.name)}: another process is importing it; this one left it alone.")
    counts = f"{batch.new_count:,} new, {batch.known_count:,} known, {batch.refused_count:,} refused"
    console.print(f"{escape(batch.name)}: {counts}; {batch.judgment_count:,} judgments", highlight=False)
    if batch.refused_annotation_count:
        console.print(f"  {batch.refused_annotation_count:,} annotations were left out; their outputs are stored")
    lines = queries.refused_lines(batch=batch)
    for each in lines[:SHOWN]:
        console.print(f"  line {each.line:,}: {escape(each.reason)}", highlight=False, soft_wrap=True)
    if lines[SHOWN : SHOWN + 1]:
        page = f"/c/{batch.campaign.slug}/import/{batch.pk}/"
        console.print(f"  … the first {actions.REFUSED_KEPT:,} such lines are listed at {page}", highlight=False)
