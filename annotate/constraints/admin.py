from django.contrib import admin
from django.http import HttpRequest

from annotate.constraints.models import Constraint, ConstraintSet, SetEntry


@admin.register(Constraint)
class ConstraintAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["statement", "campaign", "tag_slug", "state", "member_count", "named_by"]
    list_filter = ["state", "campaign"]
    search_fields = ["statement", "tag_slug"]
    raw_id_fields = ["campaign", "medoid", "merged_into", "named_by"]
    list_select_related = ["campaign", "named_by"]
    show_full_result_count = False


class SetEntryInline(admin.TabularInline):  # type: ignore[type-arg]
    model = SetEntry
    fields = ["constraint", "statement", "tag_slug", "kind"]
    readonly_fields = ["constraint", "statement", "tag_slug", "kind"]
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ConstraintSet)
class ConstraintSetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Approved sets never change: they can be read here, nothing else."""

    list_display = ["campaign", "revision", "approved_by", "approved_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "approved_by"]
    inlines = [SetEntryInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
