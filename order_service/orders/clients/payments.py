"""The payment service over REST, through its door A."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from order_service.orders.clients.answers import call, unusable
from order_service.orders.ports import (
    ChargeOutcome,
    ChargeRequest,
    Declined,
    NotKnownYet,
    Paid,
    PaymentSeen,
    Refused,
)
from servicekit.http import HttpClient, Reply, once
from servicekit.retries import RetryPolicy

# The contract gives a reader of an order one second; this leaves the rest for everything else.
GLANCE_DEADLINE_S: Final = 0.8
# Voiding is repeated by the worker, so one short try is enough while a client waits.
VOID_DEADLINE_S: Final = 2.0
# Looking again is for a caller who wants the answer.
FIND_DEADLINE_S: Final = 3.0

# Door A leaves the currency out where it is this one.
DEFAULT_CURRENCY: Final = "USD"

_MONEY_IS_TAKEN: Final = "COMPLETED"
_NOT_DECIDED: Final = "PENDING"


class RestPayments:
    """`Payments` over HTTP."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def charge(self, request: ChargeRequest, *, time_left_s: float) -> ChargeOutcome:
        body: dict[str, Any] = {"order_id": request.order_id, "amount": request.amount, "currency": request.currency}
        if request.method:
            body["method"] = request.method
        if request.token:
            body["payment_method_details"] = {"token": request.token}
        reply = call(
            self._http,
            "POST",
            self._http.base_url,
            json=body,
            idempotency_key=request.key,
            retries=once(time_left_s),
        )
        return _outcome(reply, request)

    def find(self, order_id: UUID) -> PaymentSeen | None:
        return self._get(
            order_id, RetryPolicy(attempts=2, first_wait_s=0.1, max_wait_s=0.2, deadline_s=FIND_DEADLINE_S)
        )

    def glance(self, order_id: UUID) -> PaymentSeen | None:
        return self._get(order_id, once(GLANCE_DEADLINE_S))

    def void(self, order_id: UUID) -> PaymentSeen:
        reply = call(self._http, "POST", f"{self._http.base_url}{order_id}/void/", retries=once(VOID_DEADLINE_S))
        if reply.status not in (200, 202):
            raise unusable(reply)
        return _seen(reply)

    def _get(self, order_id: UUID, retries: RetryPolicy) -> PaymentSeen | None:
        reply = call(self._http, "GET", f"{self._http.base_url}{order_id}/", retries=retries)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise unusable(reply)
        return _seen(reply)


def _outcome(reply: Reply, request: ChargeRequest) -> ChargeOutcome:
    code = reply.body.get("code") if isinstance(reply.body, dict) else None
    if reply.status == 409 and code == "idempotency_key_in_use":
        return NotKnownYet()
    if reply.status not in (200, 201):
        return Refused(str(code or f"status_{reply.status}"))
    seen = _seen(reply)
    if seen.holds(request.amount, request.currency):
        return Paid()
    if seen.status == _NOT_DECIDED:
        return NotKnownYet()
    if seen.status == "FAILED":
        # One that does not say whether it is worth another attempt gets one (seed 002: "retry on failure").
        retryable = reply.body.get("retryable")
        return Declined(str(reply.body.get("failure_code") or "failed"), retryable=retryable is not False)
    return Refused("payment_amount_mismatch" if seen.status == _MONEY_IS_TAKEN else f"payment_{seen.status.lower()}")


def _seen(reply: Reply) -> PaymentSeen:
    try:
        return PaymentSeen(
            status=str(reply.body["status"]),
            amount=Decimal(reply.body["amount"]),
            currency=str(reply.body.get("currency", DEFAULT_CURRENCY)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise unusable(reply) from problem
