"""Products with their stock, reservations of it, and the record of what was added to it."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from product_stub.catalog import lines
from product_stub.catalog.lines import Line
from product_stub.catalog.states import Status
from servicekit import money

# Far below 2**53, the largest integer that every JSON reader holds exactly.
MAX_SUPPLIED = 10**12


class Product(models.Model):
    """Something to sell. Each unit ever supplied is in exactly one of three counters; the database holds that."""

    # What makes the creation repeatable: the same Idempotency-Key gives the same value.
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    price = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)
    stock = models.BigIntegerField(default=0, help_text="Units that can be reserved now.")
    reserved = models.BigIntegerField(default=0, help_text="Units held for orders that are not paid yet.")
    sold = models.BigIntegerField(default=0)
    supplied = models.BigIntegerField(default=0, help_text="Units ever put in: stock + reserved + sold.")

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(condition=Q(price__gt=0), name="product_price_positive"),
            models.CheckConstraint(condition=Q(stock__gte=0), name="product_stock_not_negative"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="product_reserved_not_negative"),
            models.CheckConstraint(condition=Q(sold__gte=0), name="product_sold_not_negative"),
            models.CheckConstraint(
                condition=Q(supplied=F("stock") + F("reserved") + F("sold")), name="product_no_unit_lost"
            ),
            models.CheckConstraint(condition=Q(supplied__lte=MAX_SUPPLIED), name="product_supplied_within_limit"),
        ]

    def __str__(self) -> str:
        return self.name


class Reservation(models.Model):
    """Stock held for one order, under the id that its owner chose. A row never goes away: it is its own tombstone."""

    number = models.BigAutoField(primary_key=True)
    uid = models.CharField(db_column="id", max_length=64, unique=True)
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Status])
    lines_text = models.TextField(db_column="lines", help_text="A JSON list, see `lines.py`; empty in a tombstone.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in Status]), name="reservation_status_from_table"
            ),
        ]

    def __str__(self) -> str:
        return f"reservation {self.uid}"

    @property
    def lines(self) -> list[Line]:
        """The lines, in the order they were asked for."""
        return lines.load(self.lines_text)


class Restock(models.Model):
    """Units added to a product. Written with the counters, so that a repeat of the request finds it done."""

    uid = models.UUIDField(unique=True, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="restocks")
    quantity = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="restock_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} units"
