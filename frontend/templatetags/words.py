"""Words for stored values: `{{ tags|named:slug }}`, `{{ tag.span_rule|span_rule }}`, `{{ counts.p_value|p_value }}`."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from annotate.accounts.models import User
from annotate.campaigns.models import Tag
from frontend import tag_rows
from training_bridge.evaluations import paired

register = template.Library()


@register.filter
def named(tags: Mapping[str, Tag], slug: str) -> str:
    """The tag's name; its slug where no tag set of the campaign has it any more."""
    return tags[slug].name if slug in tags else slug


@register.filter
def annotator_kind(kind: str) -> str:
    return str(User.Kind(kind).label)


@register.filter
def severity_rule(rule: str) -> str:
    return dict(tag_rows.SEVERITY_RULES)[rule]


@register.filter
def span_rule(rule: str) -> str:
    return dict(tag_rows.SPAN_RULES)[rule]


register.filter("p_value", paired.shown)
