"""What doors ask of the demo."""

from __future__ import annotations

from training_bridge.demo import models


def latest() -> models.DemoRun | None:
    """The running demo, or else the one that was asked for last."""
    running = models.DemoRun.objects.filter(state=models.DemoRun.State.RUNNING)
    return (
        running.select_related("campaign").first()
        or models.DemoRun.objects.select_related("campaign").order_by("-requested_at", "-pk").first()
    )


def run_of(*, run_id: int) -> models.DemoRun | None:
    return models.DemoRun.objects.select_related("campaign").filter(pk=run_id).first()
