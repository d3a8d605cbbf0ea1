"""Orders and their lines."""

import uuid
from decimal import Decimal
from typing import Final

from django.db import models
from django.utils import timezone

from order_service.orders.states import Status, Step
from servicekit import money
from servicekit.db.columns import amount_column


def _choices(values: type[Status] | type[Step]) -> list[tuple[str, str]]:
    return [(member.value, member.value) for member in values]


# The orders that nobody has in hand: `Order.is_at_rest` in a query.
AT_REST: Final = models.Q(step=Step.CLOSED.value) | models.Q(step=Step.RESERVED.value, pay_later=True)


# The payment service's word for a payment that waits for its payer.
REQUIRES_ACTION: Final = "REQUIRES_ACTION"
# Of a page at which a payer confirms; what browsers and proxies take.
MAX_URL_LENGTH: Final = 2048


class Order(models.Model):
    """A customer's intent to buy, and how far it has come."""

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_column="id", unique=True, default=uuid.uuid4, editable=False)
    customer_name = models.CharField(max_length=255)
    currency = models.CharField(max_length=3)
    # [{"product_id", "quantity"}] in request order: what was asked for, whatever became of it.
    asked = models.JSONField()
    total_amount = models.DecimalField(
        max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, default=Decimal("0.00")
    )
    status = models.CharField(max_length=16, choices=_choices(Status), default=Status.PENDING.value)
    cancellation_reason = models.CharField(max_length=255, blank=True)

    # Whether its customer is waited for: to pay it at all (`payment: later`), or to confirm the payment that was begun.
    pay_later = models.BooleanField(default=False)
    payment_method = models.CharField(max_length=32, blank=True)
    # The gateway's own token, never card data; forgotten once no attempt can need it again.
    payment_token = models.CharField(max_length=255, blank=True)
    payment_status = models.CharField(max_length=32, blank=True, help_text="The last one known, as at /api/payments.")
    # Where the payer has to confirm the payment, and until when, as last told; shown while that is waited for.
    action_url = models.CharField(max_length=MAX_URL_LENGTH, default="", db_default="", blank=True)
    action_expires_at = models.DateTimeField(null=True)
    # How much went back so far, as the payment service has told.
    refunded_amount = amount_column(default=Decimal("0.00"), db_default=Decimal("0.00"))
    # Why the gateway refuses for good to give back what is held and not wanted any more; waits for a person.
    refund_blocked = models.CharField(max_length=255, default="", db_default="", blank=True)

    step = models.CharField(max_length=16, choices=_choices(Step), default=Step.PLACED.value)
    # Payment attempts begun; the number is part of each attempt's key.
    attempt = models.PositiveSmallIntegerField(default=0)
    # Times a worker could not finish the present step; sets its back-off.
    retry_count = models.PositiveSmallIntegerField(default=0, db_column="postponed")
    # Rises with each move: optimistic lock, fencing token and event sequence in one.
    version = models.PositiveIntegerField(default=1)
    # When the order is due for a worker, by the database's clock: the end of a lease, the next try, or the expiry of
    # an unpaid order. NULL: nothing is left to do.
    due_at = models.DateTimeField(null=True)
    # When the payment service should be asked about this order, of whose payment there is news; NULL when there is
    # none. The database's clock.
    ask_at = models.DateTimeField(null=True)
    # Times that this could not be done in a row; sets its back-off.
    ask_retry_count = models.PositiveSmallIntegerField(default=0, db_default=0, db_column="ask_tries")

    # Since when the order is in the saga's hands, whatever was tried meanwhile: since it was last at rest. NULL at
    # rest; while it waits for its customer, when that will end. Readers find it through `order_due`.
    unsettled_since = models.DateTimeField(null=True)

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    paid_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    # The lines, where this object's own move has just written them: saves reading them back for the answer.
    frozen: list["OrderLine"] | None = None

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in Status]), name="order_status_from_table"
            ),
            models.CheckConstraint(condition=models.Q(step__in=[s.value for s in Step]), name="order_step_from_table"),
            models.CheckConstraint(condition=models.Q(total_amount__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(
                condition=~models.Q(status=Status.PAID.value) | models.Q(paid_at__isnull=False),
                name="order_paid_has_paid_at",
            ),
        ]
        indexes = [
            # Readers: the worker, and the list and the metrics of unfinished orders. Only those are in it, so it stays
            # small.
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="order_due"),
            # Reader: the job that rechecks payments; mostly empty.
            models.Index(fields=["ask_at"], condition=models.Q(ask_at__isnull=False), name="order_ask"),
            # Readers: the metric and the people who look for money that does not go back. Mostly empty.
            models.Index(
                fields=["refund_blocked"], condition=models.Q(refund_blocked__gt=""), name="order_refund_blocked"
            ),
            # Readers: the list's filters, each with the list's own order behind it.
            models.Index(fields=["status", "-number"], name="order_by_status"),
            models.Index(fields=["customer_name", "-number"], name="order_by_customer"),
            models.Index(fields=["created_at"], name="order_by_time"),
        ]

    def __str__(self) -> str:
        return f"order {self.number}"

    @property
    def given_back(self) -> Decimal:
        """How much of the money went back, major units."""
        return self.total_amount if self.status == Status.REFUNDED else self.refunded_amount

    @property
    def waits_for_its_customer(self) -> bool:
        """Whether only its customer can take the order on, or its expiry."""
        return self.pay_later and self.step == Step.RESERVED

    @property
    def waits_for_its_payer(self) -> bool:
        """Whether the payment that was begun for it has to be confirmed by its payer."""
        return self.waits_for_its_customer and self.attempt > 0

    @property
    def shows_action(self) -> bool:
        """Whether its payer has something to do, as far as is known."""
        return self.status == Status.PENDING and self.payment_status == REQUIRES_ACTION and bool(self.action_url)

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody has it in hand; `AT_REST` is the same for a query."""
        return self.step == Step.CLOSED or self.waits_for_its_customer

    @property
    def may_be_charged(self) -> bool:
        """Whether a charge for it was begun here, or a customer could have paid it."""
        return self.attempt > 0 or self.expires_at is not None

    @property
    def may_hold_money(self) -> bool:
        """Whether money may be held for it: it may be charged, or a payment for it is known."""
        return self.may_be_charged or bool(self.payment_status)

    def known_lines(self) -> list["OrderLine"]:
        """The lines that were found, in request order."""
        return list(self.lines.all()) if self.frozen is None else self.frozen


class OrderLine(models.Model):
    """A product as the product service knew it when the order was placed, how many of it, and at which price."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    product_id = models.BigIntegerField()
    quantity = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    unit_price = models.DecimalField(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES)

    class Meta:
        ordering = ("order", "position")
        constraints = [
            # Reader: an order's lines in request order.
            models.UniqueConstraint(fields=["order", "position"], name="line_position_unique"),
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="line_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x product {self.product_id}"

    @property
    def line_total(self) -> Decimal:
        """Price of the whole line, major units."""
        return self.unit_price * self.quantity
