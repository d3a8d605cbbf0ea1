"""What the payload of each event of a payment holds, as data. Amounts are in major units; the names are in `states`.

docs/asyncapi/events.yaml says the same to whoever reads them; a test holds the two against each other.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypedDict

from payment_service.payments import states
from payment_service.payments.states import Status

AGGREGATE: Final = "payment"


class Payment(TypedDict):
    """What every event says."""

    order_id: str
    number: int
    status: str
    amount: Decimal
    captured: Decimal
    refunded: Decimal
    currency: str
    method: str
    attempt: int


class Extra(TypedDict, total=False):
    """What an event may say on top."""

    refund_id: str
    refund_amount: Decimal
    held: Decimal
    asked: Decimal
    failure_code: str
    reason: str
    taken_up: str
    settled_by_hand: str
    by: str
    dispute_id: str
    dispute_amount: Decimal
    dispute_status: str


class Moved(Payment, total=False):
    failure_code: str
    settled_by_hand: str
    by: str


class Failed(Payment):
    failure_code: str


class _Refund(Payment):
    refund_id: str
    refund_amount: Decimal


class Refunded(_Refund, total=False):
    blocked: str
    failure_code: str
    settled_by_hand: str
    by: str


class _Refusal(Payment):
    blocked: str
    failure_code: str
    reason: str


class Blocked(_Refusal, total=False):
    refund_id: str
    refund_amount: Decimal
    held: Decimal
    asked: Decimal


class _Again(Payment):
    taken_up: str


class TakenUp(_Again, total=False):
    failure_code: str
    by: str


class _Dispute(Payment):
    dispute_id: str
    dispute_amount: Decimal
    dispute_status: str
    reason: str


class Disputed(_Dispute, total=False):
    blocked: str
    failure_code: str


class RefundFailed(_Refund):
    blocked: str
    failure_code: str
    reason: str


# Event → the type of its payload.
PAYLOADS: Final[Mapping[str, type]] = {
    states.EVENTS[Status.REQUIRES_ACTION]: Moved,
    states.EVENTS[Status.AUTHORIZED]: Moved,
    states.EVENTS[Status.CAPTURED]: Moved,
    states.EVENTS[Status.VOIDED]: Moved,
    states.EVENTS[Status.FAILED]: Failed,
    states.EVENTS[Status.REFUNDED]: Refunded,
    **dict.fromkeys(states.BLOCKED_EVENTS.values(), Blocked),
    states.TAKEN_UP: TakenUp,
    states.DISPUTED: Disputed,
    states.DISPUTE_CLOSED: Disputed,
    states.REFUND_FAILED: RefundFailed,
}
