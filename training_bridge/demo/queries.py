"""What doors ask of the demo."""

from __future__ import annotations

from django.db.models import Max

from training_bridge.demo import models
from training_bridge.runs.models import Run


def latest() -> models.DemoRun | None:
    """The running demo, or else the one that was asked for last."""
    told = models.DemoRun.objects.select_related("campaign")
    running = told.filter(state=models.DemoRun.State.RUNNING).first()
    return running or told.order_by("-requested_at", "-pk").first()


def run_of(*, run_id: int) -> models.DemoRun | None:
    return models.DemoRun.objects.select_related("campaign").filter(pk=run_id).first()


def next_seed() -> int:
    """A seed that no demo has had, for whoever wants another one."""
    highest = models.DemoRun.objects.aggregate(highest=Max("seed"))["highest"]
    return 1 if highest is None else int(highest) + 1


def training_runs(*, run: models.DemoRun) -> dict[str, Run]:
    """The demo's training runs that were asked for so far, by method."""
    if run.campaign is None:
        return {}
    mine = Run.objects.filter(campaign=run.campaign, due_key__startswith=f"{run.campaign.slug}/")
    return {each.method: each for each in mine.select_related("base")}
