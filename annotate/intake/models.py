"""Prompts and outputs, and the batches they came in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotate.campaigns.models import Campaign


class ImportBatch(models.Model):
    """One delivery of outputs: a file, an API call, or a checkpoint's samples.

    `line` and `bytes_read` are where it continues; they move in the transaction that stores what lies before them.
    The counts are of lines, except `judgment_count` (stored) and `refused_annotation_count` (left out while the output
    of their line was stored). `attempt_count` counts claims since the last progress.
    """

    class Source(models.TextChoices):
        FILE = "file", "file"
        API = "api", "API"
        CHECKPOINT = "checkpoint", "checkpoint"

    class Purpose(models.TextChoices):
        ANNOTATE = "annotate", "to be judged and trained on"
        EVALUATE = "evaluate", "to be judged, never trained on"
        GOLD = "gold", "known errors, mixed in to measure annotators"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="batches")
    source = models.CharField(max_length=10, choices=Source)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.ANNOTATE)
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=1000, blank=True, help_text="Where the file lies until the import is done.")
    file_sha256 = models.CharField(max_length=64, blank=True)
    namespace = models.CharField(max_length=100, blank=True, help_text="Prefix of the external annotators' names.")
    make_tags = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True)
    line = models.PositiveBigIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(default=0)
    new_count = models.PositiveBigIntegerField(default=0)
    known_count = models.PositiveBigIntegerField(default=0)
    refused_count = models.PositiveBigIntegerField(default=0)
    judgment_count = models.PositiveBigIntegerField(default=0)
    refused_annotation_count = models.PositiveBigIntegerField(default=0)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "id"], name="batch_unfinished", condition=Q(state__in=["waiting", "running"]))
        ]
        verbose_name_plural = "import batches"

    def __str__(self) -> str:
        return self.name


class RefusedLine(models.Model):
    """A line of a batch that was not stored, or not wholly, and why. A batch keeps its first `actions.REFUSED_KEPT`."""

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="refused_lines")
    line = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=500)
    excerpt = models.CharField(max_length=200, blank=True)
    is_output_stored = models.BooleanField(default=False, help_text="Only annotations of the line were left out.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "line"], name="refused_line_once")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class Prompt(models.Model):
    """A conversation up to the output. `messages` is empty for a plain text prompt; `text` is always readable."""

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="prompts", db_index=False)
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    messages = models.JSONField(default=list)
    twins = models.JSONField(
        default=dict,
        help_text="The prompt with the user's stance `masked` or `flipped`: for each, its text and messages.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "sha256"], name="prompt_once")]

    def __str__(self) -> str:
        return self.text[:80]

    def shown_as(self, stance: str) -> str:
        """Return which twin is shown where the campaign's stance is this: that one where there is one."""
        return stance if stance in self.twins else Campaign.Stance.AS_WRITTEN

    def shown(self, stance: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the text and the messages that are shown where the campaign's stance is this."""
        twin = self.twins.get(stance) or {"text": self.text, "messages": self.messages}
        return str(twin.get("text") or ""), list(twin.get("messages") or [])


class Output(models.Model):
    """One completion of a prompt by one model. The text never changes once stored; spans are offsets into it."""

    campaign = models.ForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="outputs", db_index=False)
    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="outputs", db_index=False)
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="outputs")
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    content_key = models.CharField(max_length=64, help_text="sha256 of the given id, or of prompt, output and model.")
    external_id = models.CharField(max_length=255, blank=True)
    model = models.CharField(max_length=255, blank=True)
    meta = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The key leads, so that a campaign the planner has no statistics of yet cannot lure it to another index.
            models.UniqueConstraint(fields=["content_key", "campaign"], name="output_once"),
            models.CheckConstraint(condition=~Q(text=""), name="output_not_empty"),
        ]
        indexes = [
            models.Index(fields=["campaign", "id"], name="output_campaign_page"),
            models.Index(fields=["batch", "id"], name="output_batch_page"),
        ]

    def __str__(self) -> str:
        return self.text[:80]
