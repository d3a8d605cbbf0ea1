"""Passwords that did not fit, counted by the name that was tried and by the address that it came from."""

from django.db import models


class Tries(models.Model):
    """How many there were since the first of them. `key` is a digest, for people type anything for their name."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        # For forgetting those that are over.
        indexes = [models.Index(fields=["since"], name="signin_tries_since")]

    def __str__(self) -> str:
        return f"{self.count} since {self.since}"
