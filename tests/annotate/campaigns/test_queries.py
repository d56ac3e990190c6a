"""Reads of tag sets."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns import queries
from annotate.campaigns.models import TagSet
from tests.annotate.queue import rows

pytestmark = pytest.mark.django_db


def test_tags_in_force_are_those_of_the_newest_version_in_order() -> None:
    campaign = rows.campaign()
    assert [tag.slug for tag in queries.tags_in_force(campaign=campaign)] == [
        "invented",
        "ignores",
        "needs-span",
        "no-span",
    ]
    TagSet.objects.create(campaign=campaign, version=2, created_at=rows.NOW)
    assert queries.tags_in_force(campaign=campaign) == ()


def test_tags_of_a_version_are_read_once() -> None:
    tag_set = rows.campaign().tag_sets.get()
    first = queries.tags_of(tag_set_id=tag_set.pk)
    with CaptureQueriesContext(connection) as captured:
        assert queries.tags_of(tag_set_id=tag_set.pk) is first
    assert not captured.captured_queries
