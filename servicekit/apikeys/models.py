"""The keys that clients of a service have."""

from typing import Final

from django.db import models
from django.utils import timezone
from rest_framework_api_key.crypto import KeyGenerator

from servicekit.observability import actor

# Of all scopes of one key, with a blank between them: twice what all that there are take.
MAX_SCOPES_LENGTH: Final = 500
PREFIX_LENGTH: Final = 8
# Makes secrets of 32 random letters and digits behind a prefix, and hashes them (docs/adr/0030).
generator: Final = KeyGenerator(prefix_length=PREFIX_LENGTH)


class ApiKey(models.Model):
    """One secret of a caller: its hash, and a prefix to know it by.

    Two keys of one name are one caller: while a key is replaced both are good.
    """

    prefix = models.CharField(max_length=PREFIX_LENGTH, unique=True, editable=False)
    hashed_key = models.CharField(max_length=150, editable=False)
    name = models.CharField(max_length=50, help_text="Whose it is: stands in logs, events and the audit trail.")
    scopes = models.CharField(max_length=MAX_SCOPES_LENGTH, help_text="What it may do, with a blank between them.")
    limit_per_s = models.FloatField(null=True, blank=True, help_text="Requests a second, in each process; empty: any.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=actor.MAX_LENGTH, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.CharField(max_length=actor.MAX_LENGTH, blank=True, editable=False)
    # To the minute, or no request could be answered without a write.
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name", "created_at", "pk")
        verbose_name = "API key"
        indexes = [
            # Reader: whoever creates, replaces or revokes the keys of one name.
            models.Index(fields=["name"], name="apikey_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


def usable() -> models.QuerySet[ApiKey]:
    """The keys that are good now."""
    is_good = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
    return ApiKey.objects.filter(is_good, revoked_at=None)
