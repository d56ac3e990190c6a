from django.contrib import admin
from django.http import HttpRequest

from training_bridge.exports.models import DatasetVersion


@admin.register(DatasetVersion)
class DatasetVersionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Versions are made on their page and by the API; here they can be read."""

    list_display = ["campaign", "version", "format", "state", "rows_done", "requested_by", "requested_at", "ready_at"]
    list_filter = ["state", "format", "campaign"]
    list_select_related = ["campaign", "requested_by"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
