"""A labelling effort: its rules, its people and the versions of its tag set."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q


class Campaign(models.Model):
    class State(models.TextChoices):
        ACTIVE = "active", "active"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"

    class Order(models.TextChoices):
        DEPTH = "depth", "finish an output's judgments before the next output"
        BREADTH = "breadth", "give every output a judgment before any gets a second"

    class Stance(models.TextChoices):
        AS_WRITTEN = "as_written", "as written"
        MASKED = "masked", "masked"
        FLIPPED = "flipped", "flipped"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    guidelines = models.TextField(blank=True, help_text="Markdown, shown to annotators.")
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    overlap = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="How many annotators judge each output.",
    )
    lease_minutes = models.PositiveSmallIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(1440)]
    )
    order = models.CharField(max_length=10, choices=Order, default=Order.DEPTH)
    gold_share = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text="How many of 100 outputs handed out are ones whose errors are known. Annotators cannot tell which.",
    )
    assisted_share = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(90)],
        help_text="Of how many of 100 outputs annotators are shown what trusted checks found. Others are judged blind.",
    )
    draw_seed = models.UUIDField(default=uuid.uuid4, editable=False, help_text="Decides which outputs those are.")
    stance = models.CharField(
        max_length=10,
        choices=Stance,
        default=Stance.AS_WRITTEN,
        help_text="How a stance that the user states is shown, in prompts that were imported with such a twin.",
    )
    is_sensitive = models.BooleanField(default=False, help_text="Texts are blurred until the annotator uncovers them.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        ADMIN = "admin", "admin"
        REVIEWER = "reviewer", "reviewer"
        ANNOTATOR = "annotator", "annotator"
        RESEARCHER = "researcher", "researcher"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "user"], name="membership_one_role")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.campaign}"


class CampaignInvitation(models.Model):
    """The campaign role that accepting an invitation brings."""

    invitation = models.OneToOneField("accounts.Invitation", on_delete=models.CASCADE, related_name="campaign_role")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Membership.Role)

    def __str__(self) -> str:
        return f"{self.role} of {self.campaign}"


class TagSet(models.Model):
    """One immutable version of a campaign's taxonomy. The highest version is the one in force."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="tag_sets")
    version = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "version"], name="tag_set_version")]
        ordering = ["campaign", "-version"]

    def __str__(self) -> str:
        return f"{self.campaign} tags v{self.version}"


class Tag(models.Model):
    """One kind of error. `slug` keeps its identity from one tag set version to the next; `key` is its shortcut."""

    class Kind(models.TextChoices):
        FACTUAL = "factual", "factual"
        SAFETY = "safety", "safety"
        LOGICAL = "logical", "logical"
        FORMAT = "format", "format"
        OTHER = "other", "other"

    class Rule(models.TextChoices):
        OPTIONAL = "optional", "optional"
        REQUIRED = "required", "required"
        NONE = "none", "none"

    tag_set = models.ForeignKey(TagSet, on_delete=models.CASCADE, related_name="tags")
    slug = models.CharField(max_length=120)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OTHER)
    key = models.CharField(max_length=1, blank=True)
    severity_rule = models.CharField(max_length=10, choices=Rule, default=Rule.REQUIRED)
    span_rule = models.CharField(max_length=10, choices=Rule, default=Rule.OPTIONAL)
    description = models.TextField(blank=True)
    example = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tag_set", "slug"], name="tag_slug_in_set"),
            models.UniqueConstraint(fields=["tag_set", "key"], condition=~Q(key=""), name="tag_key_in_set"),
        ]
        ordering = ["tag_set", F("position").asc(), "id"]

    def __str__(self) -> str:
        return self.name
