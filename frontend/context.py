"""What base.html knows on every page."""

from __future__ import annotations

from django.http import HttpRequest

THEMES = ("light", "dark")
THEME_COOKIE = "theme"


def shell(request: HttpRequest) -> dict[str, str]:
    """`theme` is "light", "dark", or empty for what the person's system says."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return {"theme": chosen if chosen in THEMES else ""}
