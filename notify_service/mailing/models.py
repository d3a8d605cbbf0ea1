"""Mails to be sent, and sent ones."""

from enum import Enum
from typing import Final

from django.db import models
from django.utils import timezone

MAX_ORDER_ID_LENGTH: Final = 64
# Of addresses that are masked, all together.
MAX_SENT_TO_LENGTH: Final = 1000
MAX_ERROR_LENGTH: Final = 255


class State(Enum):
    """Where a mail stands."""

    WAITING = "waiting"  # is tried, again and again
    SENT = "sent"  # the mail server has taken it
    GIVEN_UP = "given_up"  # was tried too often


class Mail(models.Model):
    """One mail, written in the transaction in which its event was consumed, and sent after it."""

    number = models.BigAutoField(primary_key=True)
    # Made from the event that it tells of: part of its Message-ID, by which a mail that is sent twice can be known.
    uid = models.UUIDField(db_column="id")
    # Of which order and event it tells; empty in rows that were written before this was kept.
    order_id = models.CharField(max_length=MAX_ORDER_ID_LENGTH, default="", db_default="")
    event_id = models.CharField(max_length=255, default="", db_default="")
    subject = models.CharField(max_length=255)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    # When it is due, by the database's clock: the end of the sender's lease, or the next try. NULL: nothing is to do.
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    # The name of the error that the last try which failed came to.
    last_error = models.CharField(max_length=MAX_ERROR_LENGTH, default="", db_default="")
    # Reader of the index: purge.
    sent_at = models.DateTimeField(null=True, db_index=True)
    # To whom, masked: MAIL_TO may be another one tomorrow.
    sent_to = models.CharField(max_length=MAX_SENT_TO_LENGTH, default="", db_default="")

    class Meta:
        ordering = ("number",)
        indexes = [
            # Reader: the worker that sends mails.
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="mail_due"),
            # Reader: the list of an order's mails.
            models.Index(fields=["order_id", "number"], name="mail_of_order"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.subject}"

    @property
    def state(self) -> State:
        if self.sent_at is not None:
            return State.SENT
        return State.GIVEN_UP if self.due_at is None else State.WAITING
