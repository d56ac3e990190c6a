"""Runs, checkpoints and schedules for reading; they are changed through their pages, where the rules are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from training_bridge.runs import models


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Run)
class RunAdmin(ReadOnly):
    list_display = ("id", "campaign", "method", "state", "base", "dataset", "attempt", "requested_at", "ended_at")
    list_filter = ("state", "method")
    list_select_related = ("campaign", "base", "dataset__campaign")


@admin.register(models.Checkpoint)
class CheckpointAdmin(ReadOnly):
    list_display = ("name", "kind", "campaign", "parent", "run", "created_at")
    list_filter = ("kind",)
    list_select_related = ("campaign", "parent", "run")
    search_fields = ("name",)


@admin.register(models.SampleBatch)
class SampleBatchAdmin(ReadOnly):
    list_display = ("checkpoint", "batch", "run")
    list_select_related = ("checkpoint", "batch", "run")


@admin.register(models.Schedule)
class ScheduleAdmin(ReadOnly):
    list_display = (
        "name",
        "campaign",
        "method",
        "at_time",
        "every_days",
        "is_enabled",
        "last_fired_at",
        "last_outcome",
    )
    list_select_related = ("campaign",)


@admin.register(models.ScheduleFiring)
class ScheduleFiringAdmin(ReadOnly):
    list_display = ("due_key", "schedule", "state", "new_judgment_count", "dataset", "run", "reason")
    list_filter = ("state",)
    list_select_related = ("schedule", "dataset__campaign", "run")
