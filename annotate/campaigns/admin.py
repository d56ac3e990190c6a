"""Django admin for campaigns. Tag sets are read here and saved on the campaign's Tags page."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from annotate.campaigns.models import Campaign, Membership, Tag, TagSet


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


class TagInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Tag
    extra = 0
    can_delete = False
    fields = ("position", "slug", "name", "kind", "key", "severity_rule", "span_rule", "description")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: TagSet | None = None) -> bool:
        return False


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "slug", "state", "overlap", "created_at"]
    list_filter = ["state"]
    search_fields = ["name", "slug"]
    readonly_fields = ["created_by", "created_at", "overlap"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A campaign needs a tag set from its first moment; the page makes both."""
        return False


@admin.register(TagSet)
class TagSetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["campaign", "version", "created_by", "created_at"]
    list_select_related = ["campaign", "created_by"]
    readonly_fields = ["campaign", "version", "created_by", "created_at"]
    inlines = [TagInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TagSet | None = None) -> bool:
        return False
