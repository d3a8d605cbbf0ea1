"""The product and the payment service as the saga sees them: with books to read, and faults to script."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import TypeVar
from uuid import UUID

from order_service.orders.ports import (
    NO_VOID,
    ActionRequired,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    LineAsked,
    LineFound,
    NextAction,
    NotKnownYet,
    NotLetIn,
    NotReserved,
    Paid,
    PaymentSeen,
    Refused,
    Reserved,
    Unreachable,
    Unusable,
)

T = TypeVar("T")


class Fault(Enum):
    """What goes wrong with one call."""

    NONE = "none"
    OUTAGE_BEFORE = "outage before"  # the other side never saw the request
    OUTAGE_AFTER = "outage after"  # it did what was asked, and the answer was lost
    NONSENSE = "nonsense"  # it did what was asked, and answered something that cannot be used
    NOT_LET_IN = "not let in"  # it does not know our key, and did nothing
    KILLED_BEFORE = "killed before"  # this process dies with the request unsent
    KILLED_AFTER = "killed after"  # this process dies with the answer unread


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


class Peer:
    """Something that is called, and fails as scripted: one fault for each call of a name, then none."""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.calls: Counter[str] = Counter()

    def fail(self, call: str, *faults: Fault) -> None:
        self.faults.setdefault(call, []).extend(faults)

    def _do(self, call: str, effect: Callable[[], T]) -> T:
        self.calls[call] += 1
        script = self.faults.get(call)
        fault = script.pop(0) if script else Fault.NONE
        if fault is Fault.OUTAGE_BEFORE:
            raise Unreachable("scripted")
        if fault is Fault.NOT_LET_IN:
            raise NotLetIn("status 401: scripted", status=401)
        if fault is Fault.KILLED_BEFORE:
            raise Killed
        result = effect()
        if fault is Fault.OUTAGE_AFTER:
            raise Unreachable("scripted")
        if fault is Fault.NONSENSE:
            raise Unusable("scripted")
        if fault is Fault.KILLED_AFTER:
            raise Killed
        return result


class FakeProducts(Peer):
    """A catalogue with plenty of products 1 to 9 at 10.00 each, and the reservations made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse_with: str | None = None
        self.forget_at_confirmation = False
        self.price = Decimal("10.00")
        self.reservations: dict[UUID, str] = {}
        self.sold_returned: Counter[UUID] = Counter()

    def prices(self, lines: Sequence[LineAsked]) -> Mapping[int, Decimal]:
        return self._do("prices", lambda: {line.product_id: self.price for line in lines})

    def reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        return self._do("reserve", lambda: self._reserve(order_id, lines))

    def confirm(self, order_id: UUID) -> bool:
        return self._do("confirm", lambda: self._confirm(order_id))

    def confirm_all(self, order_ids: Sequence[UUID]) -> Collection[UUID]:
        return self._do("confirm", lambda: [order_id for order_id in order_ids if self._confirm(order_id)])

    def release(self, order_id: UUID) -> None:
        self._do("release", lambda: self._release(order_id))

    def _reserve(self, order_id: UUID, lines: Sequence[LineAsked]) -> Reserved | NotReserved:
        if self.reservations.get(order_id) == "released":
            return NotReserved("Stock could not be reserved", ())
        found = tuple(LineFound(n.product_id, f"Product {n.product_id}", self.price, n.quantity) for n in lines)
        if self.refuse_with:
            return NotReserved(self.refuse_with, found[:1])
        self.reservations.setdefault(order_id, "held")
        return Reserved(found)

    def _confirm(self, order_id: UUID) -> bool:
        if self.forget_at_confirmation or self.reservations.get(order_id) not in {"held", "sold"}:
            return False
        self.reservations[order_id] = "sold"
        return True

    def _release(self, order_id: UUID) -> None:
        if self.reservations.get(order_id) == "sold":
            self.sold_returned[order_id] += 1
        self.reservations[order_id] = "released"


class FakePayments(Peer):
    """A ledger that holds at most one payment per order; `answers` scripts charges that do not simply succeed."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[ChargeOutcome] = []
        self.has_void = True
        self.charged: Counter[UUID] = Counter()
        self.keys: list[str] = []
        self.methods: list[str] = []
        self.amounts: dict[UUID, Decimal] = {}
        self.statuses: dict[UUID, str] = {}
        self.currencies: dict[UUID, str] = {}
        self.refunded: dict[UUID, Decimal] = {}
        # Why the gateway refuses for good to give money back; empty: it does not.
        self.refuses = ""
        self.blocked: dict[UUID, str] = {}
        self.actions: dict[UUID, NextAction] = {}
        self.failure_codes: dict[UUID, str] = {}
        self._answered: dict[str, ChargeOutcome] = {}

    def charge(self, request: ChargeRequest, *, time_left_s: float) -> ChargeOutcome:
        assert time_left_s > 0
        self.keys.append(request.key)
        self.methods.append(request.method)
        return self._do("charge", lambda: self._charge(request))

    def find(self, order_id: UUID) -> PaymentSeen | None:
        return self._do("find", lambda: self._seen(order_id))

    def glance(self, order_id: UUID) -> PaymentSeen | None:
        return self._do("glance", lambda: self._seen(order_id))

    def void(self, order_id: UUID) -> PaymentSeen | None:
        return self._do("void", lambda: self._void(order_id) if self.has_void else self._blocked(order_id))

    def pay(self, order_id: UUID, amount: Decimal, currency: str = "USD") -> None:
        """The customer pays, through some other door."""
        self.currencies[order_id] = currency
        self.charged[order_id] += 1
        self.amounts[order_id] = amount
        self.statuses[order_id] = "COMPLETED"

    def _charge(self, request: ChargeRequest) -> ChargeOutcome:
        if self.statuses.get(request.order_id) == "COMPLETED":
            return Paid()
        if self.statuses.get(request.order_id) == "VOIDED":
            return Refused("payment_voided")
        if request.key not in self._answered:
            self._answered[request.key] = self.answers.pop(0) if self.answers else Paid()
        answer = self._answered[request.key]
        if isinstance(answer, ActionRequired):
            self.statuses[request.order_id], self.amounts[request.order_id] = "REQUIRES_ACTION", request.amount
            self.actions[request.order_id] = answer.action
        if isinstance(answer, Paid):
            self.pay(request.order_id, request.amount, request.currency)
        return answer

    def _seen(self, order_id: UUID) -> PaymentSeen | None:
        if order_id not in self.statuses:
            return None
        return self._shown(order_id)

    def _shown(self, order_id: UUID) -> PaymentSeen:
        amount, currency = self.amounts.get(order_id, Decimal("0.00")), self.currencies.get(order_id, "USD")
        refunded, blocked = self.refunded.get(order_id), self.blocked.get(order_id, "")
        status = self.statuses[order_id]
        return PaymentSeen(
            status,
            amount,
            currency,
            refunded=refunded,
            refund_blocked=blocked,
            next_action=self.actions.get(order_id) if status == "REQUIRES_ACTION" else None,
            failure_code=self.failure_codes.get(order_id, "") if status == "FAILED" else "",
        )

    def decline(self, order_id: UUID, code: str) -> None:
        """What the payer was asked to confirm comes to nothing."""
        self.statuses[order_id], self.failure_codes[order_id] = "FAILED", code

    def refund(self, order_id: UUID, amount: Decimal) -> None:
        """A part goes back, through some other door."""
        self.refunded[order_id] = self.refunded.get(order_id, Decimal(0)) + amount
        is_all = self.refunded[order_id] == self.amounts[order_id]
        self.statuses[order_id] = "REFUNDED" if is_all else "PARTIALLY_REFUNDED"

    def _blocked(self, order_id: UUID) -> PaymentSeen | None:
        seen = self._seen(order_id)
        return replace(seen, refund_blocked=NO_VOID) if seen and seen.holds_money() else seen

    def _void(self, order_id: UUID) -> PaymentSeen:
        given_back = self.statuses.get(order_id) in {"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"}
        if given_back and self.refuses:
            self.blocked[order_id] = self.refuses
            return self._shown(order_id)
        self.blocked.pop(order_id, None)
        if given_back:
            self.refunded[order_id] = self.amounts[order_id]
        self.statuses[order_id] = "REFUNDED" if given_back else "VOIDED"
        return self._shown(order_id)

    def holds_money(self, order_id: UUID) -> bool:
        return self.statuses.get(order_id) in {"COMPLETED", "PARTIALLY_REFUNDED"}


HARD_DECLINE = Declined("expired_card", retryable=False)
SOFT_DECLINE = Declined("insufficient_funds", retryable=True)
STILL_ASKING = NotKnownYet()
