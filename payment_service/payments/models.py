"""The ledger: one payment per order, and its refunds. The database holds the invariants too."""

import uuid
from collections.abc import Collection
from decimal import Decimal
from typing import Final

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from payment_service.payments.states import (
    KEEPS_MONEY,
    REFUNDABLE,
    TAKEN,
    DisputeStatus,
    Operation,
    RefundStatus,
    Status,
)
from servicekit.db.columns import amount_column

NOTHING: Final = Decimal("0.00")
# What a gateway may send as its reason; longer ones are cut.
MAX_MESSAGE_LENGTH: Final = 255
# Of a page at which a payer confirms; what browsers and proxies take.
MAX_URL_LENGTH: Final = 2048
# Why a person has settled something by hand.
MAX_REASON_LENGTH: Final = 255


def _status_where(*, taken: bool | None) -> Q:
    """The rows with this value of `taken` and a status that has it. A CHECK that comes out NULL would be passed."""
    statuses = [status.value for status in Status if TAKEN[status] is taken]
    return Q(taken__isnull=taken is None, status__in=statuses) & (Q() if taken is None else Q(taken=taken))


class Payment(models.Model):
    """What one order owes and what became of it.

    `version` rises with every move: it is optimistic lock, fencing token and event sequence at once. `due_at` is when
    a worker should next take the row: the end of a lease, a time to try again, or NULL when nothing is to be done.
    """

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_column="id", unique=True, default=uuid.uuid4, editable=False)
    # A UUID or a whole number in canonical text. Unique: the last word on "one payment per order".
    order_id = models.CharField(max_length=36, unique=True)
    amount = amount_column()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=16)
    gateway = models.CharField(max_length=16)
    status = models.CharField(max_length=20, choices=[(status.value, status.value) for status in Status])
    # What the status comes to for those who only ask whether money was taken: yes, no, or not known or wanted (NULL).
    taken = models.BooleanField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    version = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(null=True, blank=True)
    # How often the work that is due failed in a row; decides how long until it is tried again.
    retry_count = models.PositiveIntegerField(default=0, db_column="tries")

    captured = amount_column(default=NOTHING)
    # Booked for refunds that were asked for or done; `refunded` is the part that is done.
    booked = amount_column(default=NOTHING)
    refunded = amount_column(default=NOTHING)

    # What the payer's bank wants back, or has got: the sum of its disputes that are neither won nor in `refunded`.
    disputed = amount_column(default=NOTHING, db_default=NOTHING)

    # Whether the running attempt takes the money or only sets it aside.
    auto_capture = models.BooleanField(default=True)
    # A capture that was asked for and has no answer yet: this much.
    capture_asked = amount_column(null=True, blank=True)
    # No money may be held for this order: refuses every later charge, and what is held goes back.
    void_requested = models.BooleanField(default=False)
    # The payment token, kept while the answer is not known, so that the same request can be sent again.
    token = models.CharField(max_length=255, default="", blank=True)

    # Where the payer has to confirm the charge, and until when: only while that is waited for. The database's clock.
    action_url = models.CharField(max_length=MAX_URL_LENGTH, default="", db_default="", blank=True)
    action_expires_at = models.DateTimeField(null=True, blank=True)

    transaction_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    payment_intent_id = models.CharField(max_length=64, null=True, blank=True)
    # For people: on receipts and in exports.
    reference = models.CharField(max_length=100, unique=True)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    error_message = models.CharField(max_length=MAX_MESSAGE_LENGTH, default="", blank=True)
    retryable = models.BooleanField(null=True, blank=True)
    provider_response = models.JSONField(null=True, blank=True)

    # What is wanted and the gateway refuses for good: no worker tries it again, a person has to look. Empty: nothing.
    blocked = models.CharField(
        max_length=16,
        choices=[(operation.value, operation.value) for operation in Operation],
        default="",
        db_default="",
        blank=True,
    )
    blocked_reason = models.CharField(max_length=MAX_MESSAGE_LENGTH, default="", db_default="", blank=True)
    blocked_at = models.DateTimeField(null=True, blank=True)
    # What a person has settled by hand: why, and how much of `refunded` went back past the gateway.
    settled_reason = models.CharField(max_length=MAX_REASON_LENGTH, default="", db_default="", blank=True)
    refunded_by_hand = amount_column(default=NOTHING, db_default=NOTHING)

    # The order service is to be told: whether a capture should be, and when to tell it next.
    notify_order = models.BooleanField(default=False)
    notice_due_at = models.DateTimeField(null=True, blank=True)
    notice_retry_count = models.PositiveIntegerField(default=0, db_column="notice_tries")

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    authorized_at = models.DateTimeField(null=True, blank=True)
    captured_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in Status]), name="payment_status_known"
            ),
            models.CheckConstraint(
                condition=_status_where(taken=True) | _status_where(taken=False) | _status_where(taken=None),
                name="payment_taken_follows_status",
            ),
            # A failed payment may stand over an amount that nobody can pay, a voided one over nothing at all.
            models.CheckConstraint(
                condition=Q(amount__gt=0) | Q(status__in=[Status.FAILED.value, Status.VOIDED.value]),
                name="payment_amount_positive",
            ),
            models.CheckConstraint(
                condition=Q(captured__gte=0) & (Q(captured=0) | Q(captured__lte=F("amount"))),
                name="payment_captured_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("booked")) & Q(booked__lte=F("captured")),
                name="payment_refunded_within_captured",
            ),
            models.CheckConstraint(condition=Q(disputed__gte=0), name="payment_disputed_not_negative"),
            models.CheckConstraint(
                condition=Q(capture_asked=None) | Q(capture_asked__gt=0) & Q(capture_asked__lte=F("amount")),
                name="payment_capture_asked_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(token="") | Q(status=Status.PROCESSING.value), name="payment_token_only_while_processing"
            ),
            models.CheckConstraint(
                condition=Q(action_url="", action_expires_at=None)
                | Q(action_expires_at__isnull=False, status=Status.REQUIRES_ACTION.value),
                name="payment_action_only_while_waited_for",
            ),
        ]
        indexes = [
            # Readers: the list of payments, in either order: all of them, by status, by method. Behind the order each
            # has every column that can be filtered by, so that filtering and counting read the index alone.
            models.Index(
                fields=["created_at", "number", "amount", "captured", "method", "taken", "status"],
                name="payment_by_time",
            ),
            models.Index(
                fields=["taken", "created_at", "number", "amount", "captured", "method", "status"],
                name="payment_by_taken",
            ),
            models.Index(
                fields=["method", "created_at", "number", "amount", "captured", "taken", "status"],
                name="payment_by_method",
            ),
            # Reader: the worker, looking for rows whose time has come. Most rows never are in it.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="payment_due"),
            # Reader: the worker that tells the order service.
            models.Index(fields=["notice_due_at"], condition=Q(notice_due_at__isnull=False), name="payment_notice_due"),
            # Reader: the metric of those that wait for their payers. Mostly empty.
            models.Index(
                fields=["action_expires_at"], condition=Q(action_expires_at__isnull=False), name="payment_action"
            ),
            # Readers: the metric and the people who look for what the gateway refuses for good.
            models.Index(fields=["blocked_at"], condition=Q(blocked_at__isnull=False), name="payment_blocked"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.amount} {self.currency} {self.status}"

    @property
    def amount_shown(self) -> Decimal:
        """The one amount that every door shows: what was taken, once anything was; until then what is asked for."""
        return self.captured or self.amount

    @property
    def authorized(self) -> Decimal:
        """What the gateway has agreed to, whatever was taken of it later."""
        return self.amount if self.captured or self.authorized_at or self.status == Status.AUTHORIZED else NOTHING

    @property
    def refundable(self) -> Decimal:
        """What is left to refund, in major units."""
        return max(NOTHING, self.captured - self.booked - self.disputed)

    @property
    def may_be_refunded(self) -> bool:
        """Whether it has money that a refund can return, booked for one or not."""
        return self.status in REFUNDABLE

    @property
    def awaits_answer(self) -> bool:
        """Whether a charge or a capture was asked for and has no answer yet."""
        return self.status == Status.PROCESSING or self.capture_asked is not None

    @property
    def keeps_money(self) -> bool:
        """Whether the gateway refuses for good to give back what it holds, and a person has to see to it."""
        return self.blocked in KEEPS_MONEY


class FailedAttempt(models.Model):
    """An attempt of another system at a payment that this one is not: it took nothing, and is kept for its reference.

    So a file that is imported again finds all of its rows, and no attempt that failed is taken for a new one.
    """

    reference = models.CharField(max_length=100, unique=True)
    # By its order, because an imported payment gets the number of the attempt that took its money.
    payment = models.ForeignKey(
        Payment, to_field="order_id", db_column="order_id", on_delete=models.CASCADE, related_name="failed_attempts"
    )
    amount = amount_column()
    method = models.CharField(max_length=16)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reference} {self.amount}"


class Refund(models.Model):
    """Money on its way back, or back. Booked in the payment's row while PENDING and once SUCCEEDED.

    One that somebody counts on is asked for again after a "not now", in the same row under the next `attempt`'s key.
    """

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_column="id", unique=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount = amount_column()
    reason = models.CharField(max_length=255, default="", blank=True)
    status = models.CharField(max_length=20, choices=[(status.value, status.value) for status in RefundStatus])
    version = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(null=True, blank=True)
    retry_count = models.PositiveIntegerField(default=0, db_column="tries")
    # How often the gateway was asked under a key of its own: one key always has the same answer.
    attempt = models.PositiveIntegerField(default=1, db_default=1)
    # The void's own: all that is left of a payment for which no money may be held.
    for_void = models.BooleanField(default=False, db_default=False)
    # Since when it waits for a person, the gateway having refused for good what was promised.
    blocked_at = models.DateTimeField(null=True, blank=True)
    # Why a person counts it as done, though the gateway did not do it.
    settled_reason = models.CharField(max_length=MAX_REASON_LENGTH, default="", db_default="", blank=True)
    transaction_id = models.CharField(max_length=64, null=True, blank=True)
    failure_code = models.CharField(max_length=64, default="", blank=True)
    error_message = models.CharField(max_length=MAX_MESSAGE_LENGTH, default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in RefundStatus]), name="refund_status_known"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
        ]
        indexes = [
            # Reader: the worker, looking for refunds whose answer is not known.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="refund_due"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"


class Dispute(models.Model):
    """Money that the payer's bank wants back.

    The payment's `disputed` is the sum of those that are neither won nor counted as refunded.
    """

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(db_column="id", unique=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    # As the gateway calls it.
    reference = models.CharField(max_length=64, unique=True)
    amount = amount_column()
    status = models.CharField(max_length=8, choices=[(status.value, status.value) for status in DisputeStatus])
    reason = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in DisputeStatus]), name="dispute_status_known"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="dispute_amount_positive"),
        ]
        indexes = [
            # Reader: the metric of what is open.
            models.Index(fields=["status"], name="dispute_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.amount} {self.status}"

    @property
    def refund_uid(self) -> uuid.UUID:
        """The id of the refund that stands for it: it is lost, and no money may be held for its payment."""
        return uuid.uuid5(self.uid, "lost")

    def counts_beside(self, refunds: Collection[uuid.UUID]) -> bool:
        """Whether its money counts as disputed: it is not won, and none of these refunds (their ids) stands for it."""
        return self.status != DisputeStatus.WON and self.refund_uid not in refunds


class GatewayNotice(models.Model):
    """Something that a gateway has told by itself: each has its effect once, whatever comes how often."""

    reference = models.CharField(max_length=100, primary_key=True)
    type = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            # Reader: the purge.
            models.Index(fields=["received_at"], name="gateway_notice_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.reference}"
