"""What the services answer, as frozen dataclasses. Amounts are in major units, times in UTC."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime, timezone
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar

# A payment's states, whichever door it came through: the ledger's own (docs/payment-states.md).
PAYMENT_STATUSES: Final = (
    "PENDING",
    "PROCESSING",
    "REQUIRES_ACTION",
    "AUTHORIZED",
    "CAPTURED",
    "FAILED",
    "VOIDED",
    "PARTIALLY_REFUNDED",
    "REFUNDED",
)
# What some doors call CAPTURED.
_CAPTURED_AT_A_DOOR: Final = frozenset({"COMPLETED", "SUCCESS"})
# What /pay says instead of a status.
_STATUSES_OF_PAY: Final[Mapping[str, str]] = {"Payment successful": "CAPTURED", "Payment pending": "PENDING"}
# No amount has as many, before the point or behind it.
_MAX_DIGITS: Final = 30

Model = TypeVar("Model")


class Unreadable(ValueError):
    """An answer that is not what it should be; the message says where."""


@dataclass(frozen=True)
class Item:
    """A line of an order. `name` and the prices are None where the product was not found."""

    product_id: int
    quantity: int
    name: str | None = None
    unit_price: Decimal | None = None
    line_total: Decimal | None = None


@dataclass(frozen=True)
class NextAction:
    """What the payer has to do: confirm the payment in a browser at `url`, before `expires_at`."""

    type: str
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Order:
    """An order. `status` is PENDING, PAID, CANCELLED or REFUNDED.

    Attributes:
        number: The order number for people; `id` or `number` finds an order.
        payment_status: In the words of `/api/payments`.
        expires_at: Until when an unpaid order keeps its stock.
        refund_blocked: Why the gateway refuses for good to give the money back; None: it does not.
        next_action: What the payer has to do before it can be paid; None: nothing.
    """

    id: str
    number: int
    customer_name: str
    items: tuple[Item, ...]
    total_amount: Decimal
    currency: str
    status: str
    cancellation_reason: str | None
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    expires_at: datetime | None
    payment_status: str | None
    refunded_amount: Decimal
    refund_blocked: str | None = None
    next_action: NextAction | None = None


@dataclass(frozen=True)
class Event:
    """One change of an order or a payment, who caused it and why. `sequence` rises, and may skip numbers."""

    sequence: int
    type: str
    created_at: datetime
    actor: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Product:
    """`stock` is what can be reserved now."""

    id: int
    name: str
    price: Decimal
    stock: int


@dataclass(frozen=True)
class Line:
    """A line of a reservation, with the price as it was when it was made."""

    product_id: int
    name: str
    unit_price: Decimal
    quantity: int


@dataclass(frozen=True)
class Reservation:
    """`status` is HELD, CONFIRMED (sold) or RELEASED."""

    id: str
    status: str
    items: tuple[Line, ...]


@dataclass(frozen=True)
class Confirmed:
    """What became of one of many reservations: `status` is CONFIRMED, or `error` and `code` say why it is not."""

    id: str
    status: str | None = None
    error: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Refund:
    """Money on its way back (`pending`), back (`succeeded`), or refused (`failed`).

    A refund that was asked for by `payment_id` has no id of its own to show.
    """

    amount: Decimal
    status: str = "succeeded"
    id: str | None = field(
        default=None,
        metadata={
            "wire": (
                "refund_id",
                "id",
            )
        },
    )
    reason: str | None = None
    attempts: int | None = None
    error: str | None = None
    created_at: datetime | None = None
    payment_id: int | None = None
    method: str | None = None
    message: str | None = None
    success: bool | None = None


@dataclass(frozen=True)
class Blocked:
    """What the gateway refuses for good though it is wanted: a `capture`, a `void` or a `refund`."""

    operation: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class Payment:
    """A payment, under one vocabulary whatever the door: `status` is one of `PAYMENT_STATUSES`.

    A door tells what its clients need, so some fields are None where another door would have them; `payments.get` has
    them all but `payment_id` and `reference`.

    Attributes:
        id: The payment's UUID.
        payment_id: Its number.
        amount: What was taken, once anything was; until then what is asked for. None where the door says none.
        error: Why the gateway said no.
        failure_code: The same as a word, such as `expired_card`.
        retryable: Whether another attempt may fare better.
        provider_response: What the gateway said, as it said it.
        next_action: What the payer has to do, where `status` is REQUIRES_ACTION.
    """

    status: str
    order_id: str | int | None = None
    id: str | None = None
    payment_id: int | None = None
    amount: Decimal | None = None
    authorized_amount: Decimal | None = None
    refunded_amount: Decimal | None = None
    currency: str | None = None
    method: str | None = field(
        default=None,
        metadata={
            "wire": (
                "payment_method",
                "method",
            )
        },
    )
    reference: str | None = None
    transaction_id: str | None = None
    payment_intent_id: str | None = None
    created_at: datetime | None = field(
        default=None,
        metadata={
            "wire": (
                "created_at",
                "timestamp",
            )
        },
    )
    updated_at: datetime | None = None
    authorized_at: datetime | None = None
    captured_at: datetime | None = None
    refunded_at: datetime | None = None
    failure_code: str | None = None
    retryable: bool | None = None
    error: str | None = field(
        default=None,
        metadata={
            "wire": (
                "error_message",
                "error",
            )
        },
    )
    message: str | None = None
    success: bool | None = None
    is_refunded: bool | None = field(default=None, metadata={"wire": ("refunded",)})
    refund_blocked: str | None = None
    blocked: Blocked | None = None
    provider_response: Mapping[str, Any] | None = None
    next_action: NextAction | None = None
    refunds: tuple[Refund, ...] = ()

    @property
    def refundable(self) -> Decimal:
        """What is left to refund, major units."""
        if self.status not in ("CAPTURED", "PARTIALLY_REFUNDED") or self.amount is None:
            return Decimal("0.00")
        pending = sum((each.amount for each in self.refunds if each.status == "pending"), Decimal(0))
        return self.amount - (self.refunded_amount or Decimal(0)) - pending


@dataclass(frozen=True)
class Verdict:
    """How an invariant stands: what must be true (`promise`), on what it was checked, and where it is violated."""

    number: str
    name: str
    promise: str
    advice: str
    rows: str
    looked_at: int
    violations: tuple[str, ...]


@dataclass(frozen=True)
class Waits:
    """How many rows of a kind wait for a person, and what that person can do."""

    rows: str
    count: int
    advice: str


@dataclass(frozen=True)
class Report:
    """`outcome` is holds, violated, unproven (there is nothing to look at) or incomplete (there is too much)."""

    outcome: str
    seconds: float
    invariants: tuple[Verdict, ...]
    waiting: tuple[Waits, ...]


@dataclass(frozen=True)
class DeadLetter:
    """An event that its broker refused for good; `waiting` events of the same order or payment wait behind it."""

    position: int
    type: str
    aggregate: str
    aggregate_id: str
    sequence: int
    error: str
    died_at: datetime
    given_up_at: datetime | None
    waiting: int


@dataclass(frozen=True)
class Webhook:
    """Where events are sent to. `secret` (`whsec_…`) is there once: when it was made, or rotated.

    Attributes:
        failing_since: Since when no attempt has succeeded; None: the last one did.
    """

    id: str
    url: str
    events: tuple[str, ...]
    description: str
    contact: str
    ordered: bool
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    created_by: str
    secret: str | None = None


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt to deliver. `status` is None where there was no answer, `problem` where it succeeded."""

    at: datetime
    status: int | None
    duration_ms: int
    answer: str
    problem: str | None


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook. `state` is waiting, delivered or dead; `attempts` are there when one is asked for."""

    id: str
    message_id: str
    type: str
    subject: str
    state: str
    reason: str | None
    tries: int
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    attempts: tuple[DeliveryAttempt, ...] = ()


@dataclass(frozen=True)
class ParkedMessage:
    """A message that a consumer could not take. `replay_at`: when it is to take it again."""

    number: int
    consumer: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    parked_at: datetime
    replay_at: datetime | None


@dataclass(frozen=True)
class RecordedEvent:
    """An event as the service that it is of keeps it: which request caused it, and whether the broker has it.

    Attributes:
        event_id: Its `id` for consumers.
        relay_state: waiting (for the relay), published, dead (refused for good, `error` says why) or given_up.
        broker: `kafka`; None: there is none, and events go to the log.
    """

    position: int
    event_id: str
    aggregate: str
    aggregate_id: str
    sequence: int
    type: str
    created_at: datetime
    actor: str | None
    request_id: str | None
    relay_state: str
    published_at: datetime | None
    error: str | None
    broker: str | None


@dataclass(frozen=True)
class ConsumedEvent:
    """An event that has had its effect at a consumer; `source` is the service that published it."""

    consumer: str
    source: str
    event_id: str
    consumed_at: datetime


@dataclass(frozen=True)
class Mail:
    """A mail about an order's payment, as the notify service has it.

    Attributes:
        event_id: Of the event that it tells of. None, as `order_id` and `to`: of one from before that was kept.
        to: Whom it goes to, or went to, not to be read whole: `o***@example.org`.
        state: waiting, sent or given_up.
        last_error: What the last try that failed came to: an error's name.
        next_attempt_at: None: it is not tried any more.
    """

    id: str
    order_id: str | None
    event_id: str | None
    subject: str
    to: str | None
    state: str
    tries: int
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True)
class OrderProgress:
    """Where an order's saga stands, what happens next and when, and what must be true of the order.

    Attributes:
        step: What has been committed: placed, reserved, settled, refunding, compensating or closed.
        due_at: When a worker takes it up: end of a lease, next try, expiry. None: never.
        unfinished_since: None: nothing is left to do.
        recheck_at: When the payment service is asked again.
    """

    step: str
    attempt: int
    retry_count: int
    pay_later: bool
    payment_method: str | None
    due_at: datetime | None
    unfinished_since: datetime | None
    recheck_at: datetime | None
    invariants: tuple[Verdict, ...]


@dataclass(frozen=True)
class GatewayCall:
    """What the gateway was asked for, under which idempotency key. `due_at`: when it is asked again."""

    operation: str
    key: str
    attempt: int
    refund_id: str | None
    due_at: datetime | None


@dataclass(frozen=True)
class PaymentProgress:
    """What the gateway was asked for, what happens next and when, and what must be true of the payment."""

    payment_id: int
    reference: str
    gateway: str
    attempt: int
    retry_count: int
    failure_code: str | None
    void_requested: bool
    settled_reason: str | None
    due_at: datetime | None
    order_told_at: datetime | None
    calls: tuple[GatewayCall, ...]
    invariants: tuple[Verdict, ...]


@dataclass(frozen=True)
class BlockedPayment:
    """A payment of which the gateway refuses for good what is wanted; `amount` is held, and waits for a person."""

    id: str
    payment_id: int
    order_id: str | int
    reference: str
    amount: Decimal
    currency: str
    blocked: Blocked


@dataclass(frozen=True)
class Health:
    """`status` is ok or unavailable; `downstreams` has each peer's circuit: closed, half_open or open."""

    status: str
    service: str = ""
    version: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    downstreams: Mapping[str, str] = field(default_factory=dict)


def payment(body: Any) -> Payment:
    """A payment out of what any of the four doors says of it.

    Raises:
        Unreadable: it is none.
    """
    said = one(body, "status", str) if body_of(body, Payment).get("status") is not None else _status_of(body)
    status = said.upper()
    if body.get("next_action"):
        status = "REQUIRES_ACTION"  # which some doors call PENDING
    found = read(Payment, {**body, "status": status})
    if status in _CAPTURED_AT_A_DOOR:
        status = "REFUNDED" if found.is_refunded else "PARTIALLY_REFUNDED" if found.refunded_amount else "CAPTURED"
    return replace(found, status=status)


def read(model: type[Model], body: Any) -> Model:
    """An object of a JSON object; what the model does not know is left out.

    Raises:
        Unreadable: something is missing, or is not what it should be.
    """
    values = {}
    body_of(body, model)
    for name, names, hint, is_needed in _fields(typing.cast(Any, model)):
        found = next((body[wire] for wire in names if body.get(wire) is not None), None)
        if found is not None or any(wire in body for wire in names):
            values[name] = _value(f"{model.__name__}.{name}", hint, found)
        elif is_needed:
            raise Unreadable(f"{model.__name__} has no {name}")
    return model(**values)


def one(body: Any, name: str, hint: Any) -> Any:
    """One field of a JSON object that has no model of its own.

    Raises:
        Unreadable: it is not there, or not what it should be.
    """
    if not isinstance(body, Mapping) or name not in body:
        raise Unreadable(f"it has no {name}")
    return _value(name, hint, body[name])


def body_of(body: Any, model: type[Any]) -> Mapping[str, Any]:
    """A JSON object, which a model can be read from.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(body, Mapping):
        raise Unreadable(f"{model.__name__} should be an object")
    return body


def wire_names(model: type[Any]) -> Iterator[str]:
    """Every name that a model reads."""
    for _, names, _, _ in _fields(typing.cast(Any, model)):
        yield from names


def _status_of(body: Mapping[str, Any]) -> str:
    """What /pay says without a status."""
    message = body.get("message")
    if not isinstance(message, str) or message not in _STATUSES_OF_PAY:
        raise Unreadable("Payment has no status")
    return _STATUSES_OF_PAY[message]


@cache
def _fields(model: Any) -> tuple[tuple[str, tuple[str, ...], Any, bool], ...]:
    hints = typing.get_type_hints(model)
    return tuple(
        (
            each.name,
            each.metadata.get("wire", (each.name,)),
            hints[each.name],
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(model)
    )


def _value(name: str, hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if isinstance(hint, types.UnionType):
        return _of_several(name, typing.get_args(hint), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise Unreadable(f"{name} should be a list")
        return tuple(_value(name, typing.get_args(hint)[0], each) for each in value)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise Unreadable(f"{name} should be an object")
        return {key: _value(name, typing.get_args(hint)[1], each) for key, each in value.items()}
    return _scalar(name, hint, value)


def _of_several(name: str, hints: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in hints:
        return None
    kinds = [kind for kind in hints if kind is not types.NoneType]
    if len(kinds) == 1:
        return _value(name, kinds[0], value)
    return _value(name, next((kind for kind in kinds if type(value) is kind), kinds[0]), value)


def _scalar(name: str, hint: Any, value: Any) -> Any:
    if hint is Decimal:
        return _amount(name, value)
    if hint is float:
        return float(_amount(name, value))
    if hint is datetime:
        return _moment(name, value)
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return read(hint, value)
    if hint is not Any and type(value) is not hint:  # a bool is an int, too
        raise Unreadable(f"{name} should be {hint.__name__}")
    return value


def _amount(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise Unreadable(f"{name} should be a number")
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise Unreadable(f"{name} should be a number") from None
    if not amount.is_finite() or abs(amount.adjusted()) > _MAX_DIGITS:
        raise Unreadable(f"{name} should be an amount")
    return amount


def _moment(name: str, value: Any) -> datetime:
    if not isinstance(value, str):
        raise Unreadable(f"{name} should be a moment")
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            raise Unreadable(f"{name} should be a moment with its time zone")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise Unreadable(f"{name} should be a moment") from None
