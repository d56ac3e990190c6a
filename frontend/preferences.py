"""What a page and its scripts know of what the person prefers."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from annotate.accounts import keys
from annotate.accounts.models import User


def for_page(user: User) -> dict[str, Any]:
    """Return {"actions": [{"name", "group", "says", "more", "keys"}], "single_keys", "view", "url"}.

    `actions` has the keys in force, `view` is empty until the person chose one, and scripts POST changes to `url`.
    """
    chosen = user.preferences
    return {
        "actions": keys.listed(chosen.get("keys") or {}),
        "single_keys": chosen.get("single_keys", True),
        "view": chosen.get("view", ""),
        "url": reverse("preferences"),
    }
