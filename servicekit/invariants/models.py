"""One row: what the last check of the books found."""

from django.db import models


class LastCheck(models.Model):
    """What `check_invariants --record` found last, for `/metrics`."""

    ONLY = 1

    number = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    checked_at = models.DateTimeField()
    violations = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.violations} violations at {self.checked_at}"
