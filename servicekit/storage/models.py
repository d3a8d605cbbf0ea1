"""One row, written to see whether anything can be written."""

from django.db import models


class Heartbeat(models.Model):
    """When a process last found that it can write."""

    ONLY = 1

    number = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"beaten at {self.beaten_at}"
