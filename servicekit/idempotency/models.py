"""One row for each `Idempotency-Key` that somebody used."""

import uuid

from django.db import models


class IdempotencyKey(models.Model):
    """A request that runs at most once, and its answer once there is one."""

    # Also the id of whatever the request creates, so that running it again after a crash finds that instead of
    # creating another.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # SHA-256 of scope and key: the same on every database, whatever its collation says about capitals.
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=255, help_text="Method and path.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the request's canonical body.")
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True)
    # While it runs: until when nobody else may run it, by the database's clock. Afterwards, where there is no answer:
    # NULL when the request was refused, a time that has passed when it ended in nothing, whatever it had done.
    locked_until = models.DateTimeField(null=True)
    # Reader of the index: purge.
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
