"""What the platform knows of its own processes."""

from django.db import models


class Heartbeat(models.Model):
    """One row per living process of a role; /readyz reads it, since a broker cannot be asked who is alive."""

    role = models.CharField(max_length=20)
    name = models.CharField(max_length=120, unique=True)
    beat_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["role", "-beat_at"], name="heartbeat_role_recent")]

    def __str__(self) -> str:
        return self.name
