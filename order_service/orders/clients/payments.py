"""The payment service over REST, through its door `payments`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from order_service.orders.clients.outcomes import call, unusable
from order_service.orders.ports import (
    NO_VOID,
    ActionRequired,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    NextAction,
    NotKnownYet,
    Paid,
    PaymentSeen,
    Refused,
    Unusable,
)
from servicekit.http import peers
from servicekit.http.client import HttpClient, Reply, once
from servicekit.retry import RetryPolicy

# The contract gives a reader of an order one second; this leaves the rest for everything else.
GLANCE_DEADLINE_S: Final = 0.8
# Voiding is repeated by the worker, so one short try is enough while a client waits.
VOID_DEADLINE_S: Final = 2.0
# Looking again is for a caller who wants the answer.
FIND_DEADLINE_S: Final = 3.0

_MONEY_IS_TAKEN: Final = "COMPLETED"
_NOT_DECIDED: Final = "PENDING"
_TO_CONFIRM: Final = "REQUIRES_ACTION"
# Status → whether so much of the amount can have been refunded.
_GOES_WITH: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "PENDING": lambda refunded, _: refunded == 0,
    "REQUIRES_ACTION": lambda refunded, _: refunded == 0,
    "COMPLETED": lambda refunded, _: refunded == 0,
    "FAILED": lambda refunded, _: refunded == 0,
    "VOIDED": lambda refunded, amount: refunded in (0, amount),
    "REFUNDED": lambda refunded, amount: refunded == amount,
    "PARTIALLY_REFUNDED": lambda refunded, amount: 0 < refunded < amount,
}

# Statuses of a wrong address: a server that is not the payment service has answered.
_WRONG_ADDRESS: Final = frozenset({301, 302, 303, 307, 308, 404, 405})
# With these a payment service says that it knows no void.
_NO_SUCH_ROUTE: Final = frozenset({404, 405})


class RestPayments:
    """`Payments` over HTTP.

    Args:
        default_currency: The one that the door `payments` leaves out of its answers.
    """

    def __init__(self, http: HttpClient, *, default_currency: str) -> None:
        self._http = http
        self._default_currency = default_currency

    def charge(self, request: ChargeRequest, *, time_left_s: float) -> ChargeOutcome:
        body: dict[str, Any] = {"order_id": request.order_id, "amount": request.amount, "currency": request.currency}
        if request.method:
            body["method"] = request.method
        if request.token:
            body["payment_method_details"] = {"token": request.token}
        try:
            reply = call(
                self._http,
                "POST",
                self._http.base_url,
                json=body,
                idempotency_key=request.key,
                retries=once(time_left_s),
            )
        except Unusable as answer:
            if answer.status not in _WRONG_ADDRESS:
                raise
            return Refused(f"status_{answer.status}")
        return self._outcome(reply, request)

    def find(self, order_id: UUID) -> PaymentSeen | None:
        return self._get(
            order_id, RetryPolicy(attempts=2, first_wait_s=0.1, max_wait_s=0.2, deadline_s=FIND_DEADLINE_S)
        )

    def glance(self, order_id: UUID) -> PaymentSeen | None:
        return self._get(order_id, once(GLANCE_DEADLINE_S))

    def void(self, order_id: UUID) -> PaymentSeen | None:
        try:
            reply = call(self._http, "POST", f"{self._http.base_url}{order_id}/void/", retries=once(VOID_DEADLINE_S))
            if reply.status not in (200, 202):
                raise unusable(reply)
        except Unusable as answer:
            if answer.status not in _NO_SUCH_ROUTE:
                raise
            return self._without_void(order_id)
        seen = self._seen(reply, order_id)
        if reply.status == 200 and seen.holds_money() and not seen.refund_blocked:
            raise unusable(reply, f"voided, and still {seen.status}")
        return seen

    def _without_void(self, order_id: UUID) -> PaymentSeen | None:
        """A payment service that has only POST and GET (seed 000): where it holds no money, nothing is to be undone."""
        seen = self._get(order_id, once(VOID_DEADLINE_S))
        if seen is not None and seen.status in (_NOT_DECIDED, _TO_CONFIRM):
            raise Unusable(f"payment is {seen.status}, and its service has no void")
        return replace(seen, refund_blocked=NO_VOID) if seen is not None and seen.holds_money() else seen

    def _get(self, order_id: UUID, retries: RetryPolicy) -> PaymentSeen | None:
        reply = call(self._http, "GET", f"{self._http.base_url}{order_id}/", retries=retries)
        if peers.is_missing(reply):
            return None
        if reply.status != 200:
            raise unusable(reply)
        return self._seen(reply, order_id)

    def _outcome(self, reply: Reply, request: ChargeRequest) -> ChargeOutcome:
        if reply.status not in (200, 201):
            return _refusal(reply)
        seen = self._seen(reply, request.order_id)
        if seen.holds(request.amount, request.currency):
            return Paid()
        if seen.status == _NOT_DECIDED:
            return NotKnownYet()
        if seen.next_action is not None:
            return ActionRequired(seen.next_action)
        if seen.status == "FAILED":
            # One that does not say whether it is worth another attempt gets one (seed 002: "retry on failure").
            retryable = reply.body.get("retryable")
            return Declined(seen.failure_code or "failed", retryable=retryable is not False)
        return Refused(
            "payment_amount_mismatch" if seen.status == _MONEY_IS_TAKEN else f"payment_{seen.status.lower()}"
        )

    def _seen(self, reply: Reply, order_id: UUID) -> PaymentSeen:
        """The payment in an answer; it must be this order's."""
        try:
            peers.expect(reply.body, "order_id", str(order_id))
            status = peers.word(reply.body, "status", _GOES_WITH)
            # A FAILED one may be over an amount that nobody can pay.
            amount = peers.amount(reply.body, "amount", may_be_negative=True)
            currency = peers.currency(reply.body, "currency", default=self._default_currency)
            refunded = peers.amount(reply.body, "refunded_amount") if "refunded_amount" in reply.body else None
            blocked = peers.text(reply.body, "refund_blocked") if "refund_blocked" in reply.body else ""
            action = _action(reply.body) if status == _TO_CONFIRM else None
        except peers.Unusable as problem:
            raise unusable(reply, problem.why) from problem
        if refunded is not None and not _GOES_WITH[status](refunded, amount):
            raise unusable(reply, "refunded_amount contradicts status or amount")
        failure = peers.code(reply.body.get("failure_code"), otherwise="") if status == "FAILED" else ""
        return PaymentSeen(
            status,
            amount,
            currency,
            refunded=refunded,
            refund_blocked=blocked,
            next_action=action,
            failure_code=failure,
        )


def _action(body: Any) -> NextAction:
    """What the payer has to do."""
    asked = peers.member(body, "next_action")
    return NextAction(peers.web_address(asked, "url"), peers.moment(asked, "expires_at"))


def _refusal(reply: Reply) -> ChargeOutcome:
    code = peers.code_of(reply, otherwise=f"status_{reply.status}")
    if reply.status == 409 and code == "idempotency_key_in_use":
        return NotKnownYet()
    if reply.status in _WRONG_ADDRESS:
        peers.report(reply, "no payment service at this address")
    return Refused(code)
