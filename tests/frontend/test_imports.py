from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch, Output, RefusedLine
from annotate.judgments import imports
from tests import factories
from tests.annotate.intake import files

pytestmark = pytest.mark.django_db

CONTENT = files.line(files.record(1)) + b"broken\n"


def visitor(campaign: Campaign, role: str = "admin") -> Client:
    client = Client()
    client.force_login(factories.member(campaign, role))
    return client


def upload(client: Client, campaign: Campaign, *named: SimpleUploadedFile, **data: Any) -> Any:
    return client.post(reverse("import", args=[campaign.slug]), {"file": list(named), **data})


def test_import_keeps_the_upload_under_a_name_of_ours_and_asks_for_its_import(settings: Any) -> None:
    campaign = factories.campaign()
    named = SimpleUploadedFile("../../etc/answers.jsonl.gz", gzip.compress(CONTENT))
    answer = upload(visitor(campaign), campaign, named, make_tags="1", purpose="evaluate", namespace="lab")
    batch = ImportBatch.objects.get()
    assert answer.url == reverse("import-batch", args=[campaign.slug, batch.pk])
    assert (batch.name, batch.make_tags, batch.purpose, batch.namespace) == (
        "answers.jsonl.gz",
        True,
        "evaluate",
        "lab",
    )
    kept = Path(batch.path)
    assert kept.parent == settings.UPLOADS
    assert "answers" not in kept.name
    assert kept.stat().st_mode & 0o777 == 0o600
    done = imports.run(batch_id=batch.pk, clock=lambda: factories.NOW)
    assert (done.new_count, done.refused_count) == (1, 1)


def test_import_of_a_file_of_no_accepted_kind_says_what_it_is_and_keeps_nothing(settings: Any) -> None:
    campaign = factories.campaign()
    answer = upload(visitor(campaign), campaign, SimpleUploadedFile("x.jsonl", b"PK\x03\x04zip"), namespace="my lab")
    assert answer.status_code == 422
    assert 'value="my lab"' in answer.content.decode()
    assert "x.jsonl: the file is a zip archive" in answer.content.decode()
    assert ImportBatch.objects.count() == 0
    assert list(settings.UPLOADS.iterdir()) == []


def test_import_without_a_file_or_with_too_large_a_one(settings: Any) -> None:
    campaign = factories.campaign()
    client = visitor(campaign)
    assert "Choose a file." in upload(client, campaign).content.decode()
    settings.UPLOAD_MAX_BYTES = 100
    answer = upload(client, campaign, SimpleUploadedFile("x.jsonl", b"x" * 200))
    assert answer.status_code == 422
    assert "are taken at once" in answer.content.decode()


def test_import_purpose_that_is_none_becomes_annotate() -> None:
    campaign = factories.campaign()
    upload(visitor(campaign), campaign, SimpleUploadedFile("x.jsonl", CONTENT), purpose="<b>")
    assert ImportBatch.objects.get().purpose == "annotate"


def test_import_needs_the_form_token() -> None:
    campaign = factories.campaign()
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.member(campaign, "admin"))
    assert upload(client, campaign, SimpleUploadedFile("x.jsonl", CONTENT)).status_code == 403
    assert ImportBatch.objects.count() == 0


@pytest.mark.parametrize(("role", "page", "batch"), [("annotator", 403, 403), ("reviewer", 403, 200)])
def test_import_who_may_not(role: str, page: int, batch: int) -> None:
    campaign = factories.campaign()
    client = visitor(campaign, role)
    address = reverse("import", args=[campaign.slug])
    assert client.get(address).status_code == page
    assert upload(client, campaign, SimpleUploadedFile("x.jsonl", CONTENT)).status_code == page
    made = factories.batch(campaign)
    assert client.get(reverse("import-batch", args=[campaign.slug, made.pk])).status_code == batch
    outsider = visitor(factories.campaign())
    assert outsider.get(address).status_code == 404


def test_import_batch_of_another_campaign_is_not_found() -> None:
    campaign = factories.campaign()
    other = factories.batch(factories.campaign())
    assert visitor(campaign).get(reverse("import-batch", args=[campaign.slug, other.pk])).status_code == 404


def test_import_batch_polls_while_unfinished_and_then_stops() -> None:
    campaign = factories.campaign()
    batch = factories.batch(
        campaign, state="running", bytes_total=1000, bytes_read=250, line=5, started_at=factories.NOW
    )
    client = visitor(campaign)
    address = reverse("import-batch", args=[campaign.slug, batch.pk])
    page = client.get(address).content.decode()
    assert "every 1s" in page
    assert "25 %" in page
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'id="status"' in part
    assert "<html" not in part
    ImportBatch.objects.update(state="done")
    assert "every 1s" not in client.get(address, headers={"HX-Request": "true"}).content.decode()


def test_import_batch_pages_through_refused_lines_as_hostile_text() -> None:
    campaign = factories.campaign()
    batch = factories.batch(campaign, refused_count=60)
    RefusedLine.objects.bulk_create(
        RefusedLine(batch=batch, line=number, reason="not valid JSON", excerpt=f"<script>{number}")
        for number in range(1, 61)
    )
    client = visitor(campaign)
    address = reverse("import-batch", args=[campaign.slug, batch.pk])
    page = client.get(address).content.decode()
    assert "&lt;script&gt;50" in page
    assert "<script>5" not in page
    assert "&lt;script&gt;51" not in page
    assert f"{address}?after_line=50" in page
    further = client.get(f"{address}?after_line=50").content.decode()
    assert "&lt;script&gt;60" in further
    assert client.get(f"{address}?after_line=' OR 1").status_code == 200


def test_import_page_queries_do_not_grow_with_batches(django_assert_max_num_queries: Any) -> None:
    campaign = factories.campaign()
    client = visitor(campaign)
    for number in range(15):
        factories.batch(campaign, name=f"{number}.jsonl", created_by=factories.user())
    with django_assert_max_num_queries(8):
        assert client.get(reverse("import", args=[campaign.slug])).status_code == 200


def test_import_of_several_files_at_once() -> None:
    campaign = factories.campaign()
    named = [SimpleUploadedFile(f"{number}.jsonl", CONTENT) for number in range(3)]
    assert upload(visitor(campaign), campaign, *named).url == reverse("import", args=[campaign.slug])
    for batch in ImportBatch.objects.all():
        imports.run(batch_id=batch.pk, clock=lambda: factories.NOW)
    assert Output.objects.count() == 1
