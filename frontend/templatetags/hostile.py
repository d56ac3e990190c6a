"""{% hostile text %}: text nobody vouches for, escaped, with its hidden characters made visible."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from frontend import hostile as rendering

register = template.Library()


@register.simple_tag
def hostile(text: str, spans: Iterable[rendering.Span] = ()) -> SafeString:
    """Print `text` with its spans as <mark> elements. Put it inside an element of class "hostile".

    Every character of the text and of the labels goes through format_html's escaping; the elements are these three.
    """
    return format_html_join("", "{}", ((_segment(segment),) for segment in rendering.segments(text, spans)))


def _segment(segment: rendering.Segment) -> SafeString:
    content = format_html_join("", "{}", ((_piece(piece.text, piece.name),) for piece in segment.pieces))
    if not segment.depth:
        return content
    severity = f" is-{segment.severity}" if segment.severity else ""
    deep = " is-deep" if segment.depth > 1 else ""
    return format_html('<mark class="span{}{}" title="{}">{}</mark>', severity, deep, segment.label, content)


def _piece(text: str, name: str) -> str:
    return format_html('<span class="hidden-character" data-name="{}">{}</span>', name, text) if name else text
