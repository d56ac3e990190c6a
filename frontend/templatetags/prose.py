"""`{% prose campaign.guidelines %}`: a person's Markdown-like text as escaped HTML."""

from __future__ import annotations

from django import template

from frontend import prose as reader

register = template.Library()


@register.inclusion_tag("prose.html")
def prose(text: str) -> dict[str, list[reader.Block]]:
    return {"blocks": reader.blocks(text)}
