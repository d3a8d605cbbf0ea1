"""The event table: event store and outbox at once.

Column names are those of Debezium's outbox router (`id`, `aggregatetype`, `aggregateid`, `type`, `payload`), so that
Debezium can take the place of our relay without a change here.
"""

import uuid

from django.db import models
from django.utils import timezone

from servicekit.observability import actor, request_id
from servicekit.observability.tracing import TRACEPARENT_LENGTH


class Event(models.Model):
    """One event, committed together with the change that it tells of."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(db_column="id", unique=True, default=uuid.uuid4, editable=False)
    aggregatetype = models.CharField(max_length=32)
    aggregateid = models.CharField(max_length=64)
    # The aggregate's version after the change: rises with each event, may skip numbers.
    sequence = models.PositiveIntegerField()
    type = models.CharField(max_length=64)
    payload = models.TextField(help_text="A JSON object; amounts are exact numbers with two decimals.")
    created_at = models.DateTimeField(default=timezone.now)
    # When the relay was done with it: the broker has it, or somebody has given it up.
    published_at = models.DateTimeField(null=True)
    # The trace of the request that caused it, where there was one.
    traceparent = models.CharField(max_length=TRACEPARENT_LENGTH, null=True)
    # Who caused it: a key's name, a user of the admin, or a part of the service. Of before there were names: none.
    actor = models.CharField(max_length=actor.MAX_LENGTH, null=True)
    # The request that caused it, as the log has it. Of background work, and of before it was kept: none.
    request_id = models.CharField(max_length=request_id.MAX_LENGTH, null=True)

    class Meta:
        ordering = ("position",)
        constraints = [
            # Reader: the audit trail of one aggregate, in order. And no two changes may claim the same place in it.
            models.UniqueConstraint(fields=["aggregatetype", "aggregateid", "sequence"], name="event_sequence_unique"),
        ]
        indexes = [
            # Reader: the relay. Never polled by "position > last": a transaction that commits late would be skipped.
            # An engine without partial indexes has a whole one instead (migration 0003).
            models.Index(fields=["position"], condition=models.Q(published_at=None), name="event_unpublished"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregateid} #{self.sequence}"


class DeadLetter(models.Model):
    """An event that its broker will never take as it is. The later events of its aggregate wait behind it."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, primary_key=True)
    error = models.CharField(max_length=500)
    died_at = models.DateTimeField(default=timezone.now)
    # When somebody decided that it is never to be published. The events behind it then go on.
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("event",)

    def __str__(self) -> str:
        return f"{self.event_id}: {self.error}"


class RelayLease(models.Model):
    """Who may publish, and until when by the database's clock. One row: one relay at a time.

    Who delivers webhooks (`servicekit.webhooks`) is another row of the same kind.
    """

    ONLY = 1
    WEBHOOKS = 2

    number = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    # Another one at each taking, so that it is the fencing token, too.
    holder = models.CharField(max_length=32)
    held_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} until {self.held_until}"


class Tally(models.Model):
    """How many events of each kind there are up to a position. One row: position and counts are true together."""

    ONLY = 1

    number = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    position = models.BigIntegerField()
    counts = models.TextField(help_text="A JSON list of [counter, labels, number].")

    def __str__(self) -> str:
        return f"up to {self.position}"
