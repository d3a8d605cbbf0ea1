"""Endpoints, what is to be delivered to them, and every attempt to do so."""

import uuid
from typing import Final

from django.db import models
from django.utils import timezone

from servicekit.events.models import Event
from servicekit.observability import actor

# Characters of each column, and so of what a client may send.
MAX_URL_LENGTH: Final = 500
MAX_EVENTS_LENGTH: Final = 500
MAX_DESCRIPTION_LENGTH: Final = 200
MAX_CONTACT_LENGTH: Final = 200
MAX_REASON_LENGTH: Final = 200
MAX_ANSWER_LENGTH: Final = 500
MAX_TYPE_LENGTH: Final = 64
MAX_SUBJECT_LENGTH: Final = 64


class State(models.TextChoices):
    """Of a delivery. One that is dead can be sent again, as can one that has arrived."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Endpoint(models.Model):
    """Where somebody wants to hear of events."""

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    url = models.CharField(max_length=MAX_URL_LENGTH)
    events = models.CharField(max_length=MAX_EVENTS_LENGTH, help_text="Types or patterns, with a blank between them.")
    description = models.CharField(max_length=MAX_DESCRIPTION_LENGTH, blank=True)
    contact = models.CharField(
        max_length=MAX_CONTACT_LENGTH, blank=True, help_text="Whom a mail tells that it was disabled."
    )
    is_enabled = models.BooleanField(default=True)
    is_ordered = models.BooleanField(
        default=False, help_text="Later events of an order wait behind one that is not delivered."
    )
    # Signing needs the secret itself, so a hash would not do.
    secret = models.CharField(max_length=100, editable=False)
    previous_secret = models.CharField(max_length=100, blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    # Events behind this position are all asked for. None: that is still to be written down (`fan_out.settle`).
    asks_from = models.BigIntegerField(null=True, editable=False)
    # Rises with each event that tells of this endpoint.
    version = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True, editable=False)
    # When its owner is to be told by mail, or to be tried to be told again.
    mail_due_at = models.DateTimeField(null=True, editable=False)
    mail_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    # What its events tell of stays, so its row does, too.
    deleted_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=actor.MAX_LENGTH, editable=False)

    class Meta:
        ordering = ("number",)
        indexes = [
            # Reader: the mails to owners.
            models.Index(fields=["mail_due_at"], name="webhook_mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.url} ({self.events})"


class Delivery(models.Model):
    """One event for one endpoint; without an event, an example."""

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, null=True, db_index=False)
    type = models.CharField(max_length=MAX_TYPE_LENGTH)
    # What is kept in order: the order's id.
    subject = models.CharField(max_length=MAX_SUBJECT_LENGTH)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    # Only while it waits.
    due_at = models.DateTimeField(null=True)
    # All attempts, and those in vain since it was last begun anew.
    tries = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("number",)
        verbose_name_plural = "deliveries"
        constraints = [
            # Reader: the fan-out. What was recorded is not recorded again.
            models.UniqueConstraint(fields=["event", "endpoint"], name="webhook_event_once"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="webhook_state_known"),
        ]
        indexes = [
            # Reader: the deliverer, which asks for what is due of one endpoint, and the metrics.
            models.Index(fields=["endpoint", "due_at"], name="webhook_due"),
            # Reader: the log of an endpoint, its newest first.
            models.Index(fields=["endpoint", "number"], name="webhook_log"),
            # Reader: who asks what an ordered delivery waits behind, or what was delivered of an order.
            models.Index(fields=["subject", "endpoint", "event"], name="webhook_in_order"),
            # Reader: the purge.
            models.Index(fields=["ended_at"], name="webhook_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject} ({self.state})"


class Attempt(models.Model):
    """One attempt to deliver: what was answered, or why nothing was."""

    number = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    # None: there was no answer.
    status = models.PositiveSmallIntegerField(null=True)
    duration_ms = models.PositiveIntegerField()
    # The first bytes of the answer, as text.
    answer = models.CharField(max_length=MAX_ANSWER_LENGTH, blank=True)
    # Why it did not count as delivered.
    problem = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.at}: {self.status or self.problem}"
