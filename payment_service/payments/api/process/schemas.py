"""What `/api/v1/payments` takes and shows."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from rest_framework import serializers

from payment_service.payments import states
from payment_service.payments.api.fields import (
    MethodDetailsIn,
    MethodField,
    OrderIdField,
    StrictBooleanField,
    charge_in,
    method_in,
    next_action,
    order_id_on_wire,
    refuse_fractions,
)
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import RefundStatus, Status
from payment_service.payments.use_cases import gateway_calls, refunding
from payment_service.payments.writes.attempts import Asked
from servicekit import exactjson, money
from servicekit.web.fields import BodyIn, CurrencyField, FreeTextField, MoneyInField, StrictCharField, parsed

METHODS: Final = ("CREDIT_CARD", "DEBIT_CARD", "PAYPAL", "STRIPE")
MAX_TRANSACTION_ID_LENGTH: Final = 64
MAX_REASON_LENGTH: Final = 255
PENDING: Final = "The gateway has not answered yet"
TO_CONFIRM: Final = "The payer has to confirm the payment"


class ProcessIn(BodyIn):
    """A payment as this door takes it."""

    order_id = OrderIdField()
    amount = MoneyInField(min_value=money.CENT)
    currency = CurrencyField()
    payment_method = MethodField(
        methods=METHODS, required=False, help_text="May be left out where there is a token: a token is a card's."
    )
    method = MethodField(methods=METHODS, required=False, help_text="Another name of `payment_method`.")
    payment_method_details = MethodDetailsIn(required=False, allow_null=True)
    capture = StrictBooleanField(default=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        method = method_in(attrs, default="")
        if not method:
            raise serializers.ValidationError({"payment_method": "This field is required."})
        return refuse_fractions({**attrs, "method": method})

    @classmethod
    def read(cls, data: Any, *, uid: UUID) -> Asked:
        """The charge that a body asks for; `uid` becomes the payment's id.

        Raises:
            ValidationError: naming the field.
        """
        asked = parsed(cls, data)
        notify = settings.ORDER_NOTICES
        return charge_in(asked, uid=uid, method=asked["method"], capture=asked["capture"], notify_order=notify)


class TransactionIn(BodyIn):
    transaction_id = StrictCharField(max_length=MAX_TRANSACTION_ID_LENGTH)


class TransactionVoidIn(TransactionIn):
    """What is to be voided."""

    amount = MoneyInField(required=False, help_text="Nothing but all that is set aside.")


class CaptureIn(TransactionIn):
    """What is to be captured; no amount means all of it."""

    amount = MoneyInField(min_value=money.CENT, required=False)


class RefundIn(CaptureIn):
    """What is to be refunded; no amount means all that is left."""

    reason = FreeTextField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, allow_null=True)


def step_answer(payment: Payment) -> tuple[dict[str, Any], int]:
    """The body and status of what became of a step: `success` unless the gateway said no, or nothing yet.

    Asked without an answer is 202, and found out; 200 is an answer, a refusal among them.
    """
    is_waiting = payment.due_at is not None
    waits_for = TO_CONFIRM if payment.status == Status.REQUIRES_ACTION else PENDING
    body = {
        "success": not is_waiting and not payment.failure_code,
        "transaction_id": payment.transaction_id,
        "payment_intent_id": payment.payment_intent_id,
        "status": states.PROCESS_NAMES[Status(payment.status)],
        "error": payment.error_message or (waits_for if is_waiting else None),
        **next_action(payment),
    }
    return body, 202 if is_waiting else 200


def refund_answer(refund: Refund) -> tuple[dict[str, Any], int]:
    """The body and status of what became of a refund. Without an answer it is accepted, 202: booked, and seen to."""
    is_failed, is_pending = refund.status == RefundStatus.FAILED, refund.status == RefundStatus.PENDING
    body = {
        "success": not is_failed,
        "refund_id": refund.uid,
        "amount": money.two_decimals(refund.amount),
        "status": refund.status.lower(),
        "error": refund.error_message or None,
    }
    return body, 202 if is_pending else 200


def record(payment: Payment, refunds: Sequence[Refund]) -> dict[str, Any]:
    moments = ("created_at", "updated_at", "authorized_at", "captured_at", "refunded_at")
    return {
        "id": payment.uid,
        "order_id": order_id_on_wire(payment.order_id),
        "amount": money.two_decimals(payment.amount_shown),
        "authorized_amount": money.two_decimals(payment.authorized),
        "refunded_amount": money.two_decimals(payment.refunded),
        "currency": payment.currency,
        "payment_method": payment.method.lower(),
        "status": states.PROCESS_NAMES[Status(payment.status)],
        "transaction_id": payment.transaction_id,
        "payment_intent_id": payment.payment_intent_id,
        "provider_response": payment.provider_response,
        "error_message": payment.error_message or None,
        **{name: exactjson.utc_text(getattr(payment, name)) for name in moments},
        "blocked": _blocked(payment),
        **next_action(payment),
        "refunds": [_refund_record(refund) for refund in refunds],
    }


def progress(
    payment: Payment, refunds: Sequence[Refund], trail: Sequence[Mapping[str, Any]], verdicts: Sequence[Any]
) -> dict[str, Any]:
    """What the gateway was asked for and under which keys, and what comes next, as `docs._PROGRESS` describes it."""
    calls = [_call(each.operation, each.key, each.attempt) for each in gateway_calls.made(payment, trail)]
    calls += [_call("refund", refunding.refund_key(refund), refund.attempt, refund=refund) for refund in refunds]
    return {
        "payment_id": payment.number,
        "reference": payment.reference,
        "gateway": payment.gateway,
        "attempt": payment.attempt,
        "retry_count": payment.retry_count,
        "failure_code": payment.failure_code or None,
        "void_requested": payment.void_requested,
        "settled_reason": payment.settled_reason or None,
        "due_at": exactjson.utc_text(payment.due_at),
        "order_told_at": exactjson.utc_text(payment.notice_due_at),
        "calls": calls,
        "invariants": verdicts,
    }


def _call(operation: str, key: str, attempt: int, *, refund: Refund | None = None) -> dict[str, Any]:
    return {
        "operation": operation,
        "key": key,
        "attempt": attempt,
        "refund_id": refund.uid if refund else None,
        "due_at": exactjson.utc_text(refund.due_at) if refund else None,
    }


def blocked_row(payment: Payment) -> dict[str, Any]:
    """A payment that waits for a person."""
    return {
        "id": payment.uid,
        "payment_id": payment.number,
        "order_id": order_id_on_wire(payment.order_id),
        "reference": payment.reference,
        "amount": money.two_decimals(payment.refundable or payment.amount),
        "currency": payment.currency,
        "blocked": _blocked(payment),
    }


def _blocked(payment: Payment) -> dict[str, Any] | None:
    """What the gateway refuses for good and a person has to see to."""
    if not payment.blocked:
        return None
    since = exactjson.utc_text(payment.blocked_at)
    return {"operation": payment.blocked, "reason": payment.blocked_reason, "since": since}


def _refund_record(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.uid,
        "amount": money.two_decimals(refund.amount),
        "reason": refund.reason or None,
        "status": refund.status.lower(),
        "attempts": refund.attempt,
        "error": refund.error_message or None,
        "created_at": exactjson.utc_text(refund.created_at),
    }
