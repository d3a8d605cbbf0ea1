"""The simulated bank's own books. The payment ledger never reads or writes them: it asks, as it would ask a bank."""

from decimal import Decimal
from typing import Final

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from servicekit.db.columns import amount_column

NOTHING: Final = Decimal("0.00")


class Hold(models.Model):
    """Money of a payer that was set aside, and what became of it."""

    number = models.BigAutoField(primary_key=True)
    transaction_id = models.CharField(max_length=64, unique=True)
    payment_intent_id = models.CharField(max_length=64, unique=True)
    currency = models.CharField(max_length=3)
    # The magic token that it was made with, empty for any other: decides how later requests for it end.
    token = models.CharField(max_length=64, default="", blank=True)
    authorized = amount_column()
    captured = amount_column(default=NOTHING)
    refunded = amount_column(default=NOTHING)
    is_released = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("captured")) & Q(captured__lte=F("authorized")),
                name="hold_amounts_in_order",
            ),
            models.CheckConstraint(condition=Q(is_released=False) | Q(captured=0), name="hold_released_or_captured"),
        ]

    def __str__(self) -> str:
        return f"{self.payment_intent_id} {self.captured} of {self.authorized} {self.currency}"


class Entry(models.Model):
    """One request and its answer: the same key always has the same one."""

    number = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=128, unique=True)
    kind = models.CharField(max_length=16)
    amount = amount_column()
    # Empty: approved.
    decline_code = models.CharField(max_length=64, default="", blank=True)
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, null=True, related_name="entries")
    created_at = models.DateTimeField(default=timezone.now)
    # A slow request is in the books at once, but nobody can know of it before this. The database's clock.
    known_from = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.key} {self.decline_code or 'approved'}"


class Confirmation(models.Model):
    """A charge that its payer has to confirm. What it has come to is the entry with its key; none yet: nothing."""

    number = models.BigAutoField(primary_key=True)
    # Whoever knows it may answer: it stands in the address of the payer's page, and nowhere else.
    secret = models.CharField(max_length=64, unique=True)
    key = models.CharField(max_length=128, unique=True)
    payment_intent_id = models.CharField(max_length=64, unique=True)
    order_id = models.CharField(max_length=64)
    amount = amount_column()
    currency = models.CharField(max_length=3)
    takes_all = models.BooleanField()  # or only sets the money aside
    token = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.payment_intent_id} {self.amount} {self.currency}"


class TokenUse(models.Model):
    """How often an order came with a magic token that behaves differently the first time."""

    order_id = models.CharField(max_length=64)
    token = models.CharField(max_length=64)
    uses = models.PositiveIntegerField(default=NOTHING)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order_id", "token"], name="token_use_unique")]

    def __str__(self) -> str:
        return f"{self.token} {self.order_id} {self.uses}"
