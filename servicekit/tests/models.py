"""A table with a column of every kind that the services have, to see what each engine makes of it."""

import uuid

from django.db import models

from servicekit.db.columns import amount_column


class Sample(models.Model):
    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    name = models.CharField(max_length=255)
    amount = amount_column(default=0)
    happened_at = models.DateTimeField(null=True)
    flag = models.BooleanField(null=True)
    facts = models.JSONField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], name="sample_name_unique"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="sample_amount_not_negative"),
        ]
