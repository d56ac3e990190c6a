"""Statements that a language model drafted. Part of this room's models; models.py names this file to Django."""

from __future__ import annotations

from django.db import models


class Draft(models.Model):
    """What a model made of a constraint that nobody named: `statement` is empty when nothing came that can be used.

    It was drafted, or asked for, at `drafted_at` from `medoid_id`, the violation that was the medoid then. `again_at`:
    nobody asks before, since a worker is at it or the model failed; `try_count` counts unusable answers about this
    medoid.
    """

    constraint = models.OneToOneField(
        "constraints.Constraint", on_delete=models.CASCADE, primary_key=True, related_name="draft"
    )
    medoid_id = models.PositiveBigIntegerField()
    statement = models.CharField(max_length=500, blank=True)
    drafted_by = models.CharField(max_length=60)
    problem = models.CharField(max_length=500, blank=True)
    try_count = models.PositiveIntegerField(default=0)
    again_at = models.DateTimeField(null=True)
    drafted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.statement
