"""`{% card_of constraint as card %}`: what was last measured of a constraint; None before the first time."""

from __future__ import annotations

from django import template

from frontend.views import scorecard

register = template.Library()

register.simple_tag(scorecard.card_of, name="card_of")
