"""Fakes at the payment service's own ports: a gateway with a ledger, and the order service. They fail when told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from payment_service.payments.clients.orders import OrderSeen
from payment_service.payments.errors import OrderServiceUnavailable
from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
)

DECLINE = Declined(code="insufficient_funds", message="Insufficient funds", retryable=True)
REFUSAL = Declined(code="charge_disputed", message="The charge is disputed", retryable=False)


@dataclass
class FakeGateway:
    """Approves everything, once per key, unless `script` says otherwise for the next calls.

    `script` takes "ok", "decline" (not now), "refuse" (never), "unavailable" (nothing arrives), "lost" (done, but the
    answer is lost) and "timeout" (never arrives, which the caller cannot know).
    """

    script: list[str] = field(default_factory=list)
    ledger: dict[str, Outcome] = field(default_factory=dict)
    calls: list[Request] = field(default_factory=list)
    held: Decimal = Decimal("0.00")
    authorized: dict[str, Decimal] = field(default_factory=dict)
    is_down: bool = False
    before_answer: Callable[[], object] | None = None
    has_outside_effect: bool = True
    takes_real_money: bool = False

    def charge(self, request: ChargeRequest) -> Outcome:
        self.authorized[f"txn_{request.key}"] = request.amount
        return self._do(request, request.amount)

    def capture(self, request: CaptureRequest) -> Outcome:
        return self._do(request, request.amount - self.authorized[request.transaction_id])

    def void(self, request: VoidRequest) -> Outcome:
        return self._do(request, -self.authorized[request.transaction_id])

    def refund(self, request: RefundRequest) -> Outcome:
        return self._do(request, -request.amount)

    def find(self, request: Request) -> Outcome | None:
        if self.is_down:
            raise GatewayUnavailable
        return self.ledger.get(request.key)

    def sent(self, kind: type) -> list[str]:
        """The keys of the requests of one kind, in order."""
        return [call.key for call in self.calls if isinstance(call, kind)]

    def _do(self, request: Request, amount: Decimal) -> Outcome:
        fault = self.script.pop(0) if self.script else "ok"
        if self.is_down or fault == "unavailable":
            raise GatewayUnavailable
        self.calls.append(request)
        if fault == "timeout":
            raise OutcomeUnknown
        if request.key not in self.ledger:
            done = Approved(f"txn_{request.key}", f"pi_{request.key}")
            self.ledger[request.key] = {"decline": DECLINE, "refuse": REFUSAL}.get(fault, done)
            self.held += amount if self.ledger[request.key] is done else 0
        if self.before_answer is not None:
            hook, self.before_answer = self.before_answer, None
            hook()
        if fault == "lost":
            raise OutcomeUnknown
        return self.ledger[request.key]


@dataclass
class FakeOrders:
    """The order service, at our own port."""

    orders: dict[str, OrderSeen] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    is_down: bool = False
    is_deaf: bool = False

    def find(self, reference: str) -> OrderSeen | None:
        if self.is_down:
            raise OrderServiceUnavailable
        return self.orders.get(reference)

    def look_again(self, order_id: str) -> bool:
        if self.is_down or self.is_deaf:
            return False
        self.told.append(order_id)
        return True
