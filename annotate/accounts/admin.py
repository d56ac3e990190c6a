"""Django admin for people. Secrets are not in it: hashes of tokens and invitations are shown to nobody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from annotate.accounts.models import ApiToken, AuditEntry, Invitation, User


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Written by actions only."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "name", "kind", "is_active", "is_superuser", "last_login"]
    list_filter = ["kind", "is_active", "is_superuser"]
    search_fields = ["username", "name"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Who", {"fields": ["name", "kind", "email"]}),
        ("May do", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("When", {"fields": ["last_login", "date_joined"]}),
    ]
    readonly_fields = ["kind", "last_login", "date_joined"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People come by invitation only."""
        return False


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ["id", "name", "makes_admin", "created_by", "created_at", "valid_until", "accepted_by"]
    fields = ["name", "makes_admin", "created_by", "created_at", "valid_until", "accepted_by", "accepted_at"]
    list_select_related = ["created_by", "accepted_by"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = ["name", "prefix", "user", "scopes", "created_at", "last_used_at", "revoked_at"]
    fields = ["name", "prefix", "user", "scopes", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["at", "actor", "verb", "subject"]
    list_select_related = ["actor"]
    list_filter = ["verb"]
    search_fields = ["subject"]
    show_full_result_count = False
