"""Fakes at the payment service's own ports: a gateway with a ledger, and the order service. They fail when told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from payment_service.payments.clients.orders import OrderSeen
from payment_service.payments.errors import OrderServiceUnavailable
from payment_service.payments.gateways.base import (
    ActionRequired,
    Approved,
    CaptureRequest,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
    decided,
)

DECLINE = Declined(code="insufficient_funds", message="Insufficient funds", retryable=True)
REFUSAL = Declined(code="charge_disputed", message="The charge is disputed", retryable=False)
NOT_CONFIRMED = Declined(code="not_confirmed", message="The payer has not confirmed the payment", retryable=True)


@dataclass
class FakeGateway:
    """Approves everything, once per key, unless `script` says otherwise for the next calls.

    `script` takes "ok", "decline" (not now), "refuse" (never), "unavailable" (nothing arrives), "lost" (done, but the
    answer is lost) and "timeout" (never arrives, which the caller cannot know). A charge also takes "ask" and "ask,
    lost" (the payer has to confirm it), and its calling off "confirmed" (the payer is faster).
    """

    script: list[str] = field(default_factory=list)
    ledger: dict[str, ChargeOutcome] = field(default_factory=dict)
    calls: list[Request] = field(default_factory=list)
    held: Decimal = Decimal("0.00")
    authorized: dict[str, Decimal] = field(default_factory=dict)
    is_down: bool = False
    before_answer: Callable[[], object] | None = None
    has_outside_effect: bool = True
    takes_real_money: bool = False

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        self.authorized[f"txn_{request.key}"] = request.amount
        return self._do(request, request.amount)

    def capture(self, request: CaptureRequest) -> Outcome:
        return decided(self._do(request, request.amount - self.authorized[request.transaction_id]))

    def void(self, request: VoidRequest) -> Outcome:
        if not request.transaction_id:
            return self._call_off(request)
        return decided(self._do(request, -self.authorized[request.transaction_id]))

    def refund(self, request: RefundRequest) -> Outcome:
        return decided(self._do(request, -request.amount))

    def answer(self, key: str, *, confirms: bool) -> bool:
        """What the payer says to a charge; whether they are still asked."""
        if not isinstance(self.ledger.get(key), ActionRequired):
            return False
        self.ledger[key] = _approved(key) if confirms else NOT_CONFIRMED
        self.held += self.authorized[f"txn_{key}"] if confirms else 0
        return True

    def find(self, request: Request) -> ChargeOutcome | None:
        if self.is_down:
            raise GatewayUnavailable
        return self.ledger.get(request.key)

    def sent(self, kind: type) -> list[str]:
        """The keys of the requests of one kind, in order."""
        return [call.key for call in self.calls if isinstance(call, kind)]

    def _do(self, request: Request, amount: Decimal) -> ChargeOutcome:
        fault = self._begin(request)
        if request.key not in self.ledger:
            done = _approved(request.key)
            said: dict[str, ChargeOutcome] = {"decline": DECLINE, "refuse": REFUSAL}
            said["ask"] = said["ask, lost"] = ActionRequired("https://bank.example.org/", done.payment_intent_id or "")
            self.ledger[request.key] = said.get(fault, done)
            self.held += amount if self.ledger[request.key] is done else 0
        if self.before_answer is not None:
            hook, self.before_answer = self.before_answer, None
            hook()
        if fault in ("lost", "ask, lost"):
            raise OutcomeUnknown
        return self.ledger[request.key]

    def _call_off(self, request: VoidRequest) -> Outcome:
        """Take nothing any more of a charge that its payer has not confirmed."""
        fault, key = self._begin(request), (request.payment_intent_id or "").removeprefix("pi_")
        if fault in ("decline", "refuse"):
            return {"decline": DECLINE, "refuse": REFUSAL}[fault]
        is_off = self.answer(key, confirms=fault == "confirmed") and fault != "confirmed"
        if fault == "lost":
            raise OutcomeUnknown
        return _approved(request.key) if is_off else REFUSAL

    def _begin(self, request: Request) -> str:
        """How this call goes; raises where it does not arrive."""
        fault = self.script.pop(0) if self.script else "ok"
        if self.is_down or fault == "unavailable":
            raise GatewayUnavailable
        self.calls.append(request)
        if fault == "timeout":
            raise OutcomeUnknown
        return fault


def _approved(key: str) -> Approved:
    return Approved(f"txn_{key}", f"pi_{key}")


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
