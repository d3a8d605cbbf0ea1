"""Mails to be sent, and sent ones."""

from django.db import models
from django.utils import timezone


class Mail(models.Model):
    """One mail, written in the transaction in which its event was consumed, and sent after it."""

    number = models.BigAutoField(primary_key=True)
    # Made from the event that it tells of: part of its Message-ID, by which a mail that is sent twice can be known.
    uid = models.UUIDField(db_column="id")
    subject = models.CharField(max_length=255)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    # When it is due, by the database's clock: the end of the sender's lease, or the next try. NULL: nothing is to do.
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    # Reader of the index: purge.
    sent_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ("number",)
        indexes = [
            # Reader: the worker that sends mails.
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.subject}"
