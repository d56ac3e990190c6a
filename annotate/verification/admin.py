from django.contrib import admin
from django.http import HttpRequest

from annotate.verification.models import Round


@admin.register(Round)
class RoundAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rounds are drawn and closed on their constraint's page: here they can be read."""

    list_display = ["statement", "campaign", "state", "tagged_count", "random_count", "overlap", "created_by"]
    list_filter = ["state", "campaign"]
    list_select_related = ["campaign", "created_by"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
