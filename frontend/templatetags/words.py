"""Words for stored values: `{{ tags|named:slug }}` and `{{ counts.p_value|p_value }}`."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from annotate.campaigns.models import Tag
from training_bridge.evaluations import paired

register = template.Library()


@register.filter
def named(tags: Mapping[str, Tag], slug: str) -> str:
    """The tag's name; its slug where no tag set of the campaign has it any more."""
    return tags[slug].name if slug in tags else slug


@register.filter
def kind_of(tags: Mapping[str, Tag], slug: str) -> str:
    return str(tags[slug].get_kind_display()) if slug in tags else ""


register.filter("p_value", paired.shown)
