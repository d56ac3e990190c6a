"""People and programs that judge, their tokens and what they did."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q


class User(AbstractUser):
    """Anyone a judgment can belong to. Only `person` can sign in; the others are labelled wherever they appear."""

    class Kind(models.TextChoices):
        PERSON = "person", "person"
        SCRIPT = "script", "script"
        MODEL = "model", "model"
        EXTERNAL = "external", "external annotator"

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField("name", max_length=150, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    preferences = models.JSONField(default=dict, blank=True, help_text="How pages behave for this person.")

    REQUIRED_FIELDS = []

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="person") | Q(password="") | Q(password__startswith="!"),  # noqa: S106 - unusable
                name="user_only_people_sign_in",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.username

    def get_full_name(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        return self.name or self.username


class Session(AbstractBaseSession):
    """A browser's session. `user` is who signed in with it, null before that."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from annotate.accounts.sessions import SessionStore

        return SessionStore


class Invitation(models.Model):
    """A one-time link. Only its hash is stored; accepting it makes the person and ends the link."""

    token_sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=150, blank=True)
    makes_admin = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="invitations_made")
    created_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="invitations_accepted")
    accepted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class ApiToken(models.Model):
    """A bearer token of a user: shown once, stored hashed, limited to scopes."""

    class Scope(models.TextChoices):
        OUTPUTS_WRITE = "outputs:write", "import outputs"
        JUDGMENTS_READ = "judgments:read", "read judgments"
        JUDGMENTS_WRITE = "judgments:write", "judge outputs"
        DATASETS_READ = "datasets:read", "read and download datasets"
        DATASETS_WRITE = "datasets:write", "request datasets"
        RUNS_READ = "runs:read", "read runs"
        RUNS_WRITE = "runs:write", "start and cancel runs"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    token_sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope))
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """Who did what to which object, and when. Append-only."""

    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="audit_entries")
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["subject", "-at"], name="audit_subject_recent")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"
