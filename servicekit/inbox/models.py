"""What a consumer of events remembers: which it has taken, and which it could not take."""

from django.db import models
from django.utils import timezone


class Consumed(models.Model):
    """One event that has had its effect, committed together with it: so it has exactly one."""

    number = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=64)
    source = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    # Reader of the index: purge.
    consumed_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            # An event's id is unique within its source (CloudEvents 1.0).
            models.UniqueConstraint(fields=["consumer", "event_id", "source"], name="consumed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_id}"


class Parked(models.Model):
    """A message that could not be taken, as it came, until somebody has it replayed."""

    number = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=64)
    reason = models.CharField(max_length=64)
    detail = models.TextField()
    topic = models.CharField(max_length=249)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.BinaryField(null=True)
    # A JSON list of [name, value] in order; each byte of a value is one character, which is how any bytes fit into it.
    # Text, because PostgreSQL's own JSON takes no NUL.
    headers = models.TextField()
    value = models.BinaryField(null=True)
    parked_at = models.DateTimeField(default=timezone.now)
    # When the consumer should try it again; NULL until somebody asks for that. The database's clock.
    replay_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("number",)
        constraints = [
            # A message that is delivered twice is parked once.
            models.UniqueConstraint(fields=["consumer", "topic", "partition", "offset"], name="parked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {self.reason}"
