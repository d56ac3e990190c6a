"""manage.py demo: close the loop once, on this machine, with nothing from outside."""

from __future__ import annotations

import os
import signal
import time
import uuid
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import NoReverseMatch, reverse
from rich.console import Console
from rich.text import Text

from annotate import clock, errors
from training_bridge.demo import actions, models, queries, screen, sizes, story, telling

POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Train a small model, let a script judge its answers, train on the rejections with D2O and KTO, and compare. "
        "Takes some minutes, works offline; run again with the same seed it goes on, or shows the table again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same table (default: 1)")
        parser.add_argument("--size", choices=sorted(sizes.SIZES), default=sizes.FULL.name, help="mini is for tests")
        parser.add_argument("--demo-run", type=int, help="tell a demo that the page has asked for")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast(IO[str], self.stdout))
        signal.signal(signal.SIGTERM, _stop)
        # For the trainers it starts. A model this small gains nothing from a second thread and loses much when the
        # cores are busy; and the sums, so the samples, are then the same however many cores there are.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        try:
            run = self._run(options)
            if run.state != models.DemoRun.State.DONE:
                run = _tell(run, console)
            else:
                console.print(Text(f"The demo of seed {run.seed} is done already; this is what it measured."))
        except errors.RuleError as error:
            raise CommandError(error.message) from error
        screen.show_table(found=run.table, console=console)
        _say_where(run, console)

    def _run(self, options: dict[str, Any]) -> models.DemoRun:
        if options["demo_run"] is None:
            if options["seed"] < 0:
                raise CommandError("A seed is a whole number from 0 on.")
            return actions.request(seed=options["seed"], size=options["size"], by=None, now=clock.now())
        run = queries.run_of(run_id=options["demo_run"])
        if run is None:
            raise CommandError(f"There is no demo {options['demo_run']}.")
        return run


def _tell(run: models.DemoRun, console: Console) -> models.DemoRun:
    """Tell the demo and keep its row; whatever ends the story early is written there as the reason."""
    claim = _claimed(run, console)
    reason = "It ended without saying why; see the server's log."
    try:
        with screen.Screen(console=console) as shown:
            book = telling.Telling(run=run, claim=claim, clock=clock.now, listener=shown)
            found = story.tell(run=run, size=sizes.SIZES[run.size], book=book)
        actions.finish(run_id=run.pk, claim=claim, table=found, now=clock.now())
    except actions.ClaimLost:
        raise CommandError("Another process has taken this demo over, or it was stopped.") from None
    except (errors.RuleError, errors.OutsideError) as error:
        reason = str(error)
        raise CommandError(f"{reason} Run the command again to go on from there.") from error
    except KeyboardInterrupt:
        reason = "It was interrupted. What was done is kept; continue to go on from there."
        raise CommandError("Interrupted. Run the command again to go on from there.") from None
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        # After finish this changes nothing: only a running demo can be stopped.
        actions.stop(run_id=run.pk, claim=claim, reason=reason, now=clock.now())
    run.refresh_from_db()
    return run


def _claimed(run: models.DemoRun, console: Console) -> uuid.UUID:
    """Become the process that tells it. One that is told by another is left alone while that one is heard of.

    Raises DemoRunning.
    """
    try:
        return actions.take(run_id=run.pk, now=clock.now())
    except actions.DemoRunning:
        console.print(Text("Another process has begun this demo; looking whether it is alive …"))
    heard_at = run.heartbeat_at
    while not actions.stop_silent(now=clock.now()):
        time.sleep(POLL_SECONDS)
        run.refresh_from_db()
        if run.heartbeat_at != heard_at or run.state != models.DemoRun.State.RUNNING:
            raise actions.DemoRunning("Another process is telling this demo just now. Watch it on the page /demo/.")
    again = actions.request(seed=run.seed, size=run.size, by=None, now=clock.now())
    return actions.take(run_id=again.pk, now=clock.now())


def _say_where(run: models.DemoRun, console: Console) -> None:
    if run.campaign is None:
        return
    try:
        place = reverse("campaign", args=[run.campaign.slug])
    except NoReverseMatch:
        return
    console.print(
        Text(f"Everything is on the campaign's pages: {place} (make run). Some answers are left for you to judge.")
    )


def _stop(*_: object) -> None:
    """SIGTERM ends the story like Ctrl-C does, so that its row says so and the trainer is asked to stop."""
    raise KeyboardInterrupt
