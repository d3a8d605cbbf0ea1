"""The client: one object for the services, with what each can be asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import requests

from orderpay import arguments, errors, models
from orderpay.arguments import path
from orderpay.models import (
    BlockedPayment,
    Confirmed,
    ConsumedEvent,
    DeadLetter,
    Delivery,
    Event,
    Health,
    Mail,
    Model,
    Order,
    OrderProgress,
    ParkedMessage,
    Payment,
    PaymentProgress,
    Product,
    RecordedEvent,
    Refund,
    Report,
    Reservation,
    Webhook,
)
from orderpay.transport import Answer, Transport

Found = TypeVar("Found")
OrderId = str | int | UUID
Door = Literal["payments", "charges", "process"]
Key = str | Callable[[], str] | None
IdempotencyKey = str | UUID | None
# How long an order may take is bounded by the service (17 s).
TIMEOUT_S: Final = 30.0
_DOORS: Final[Mapping[str, str]] = {
    "payments": "/api/payments/",
    "charges": "/v1/payments/charge/",
    "process": "/api/v1/payments/process/",
}
_SERVICES: Final = ("orders", "payments", "products", "mails")
_ORDER_PAGE: Final = 100
_CONSUMED_AT_ONCE: Final = 100
_FAILED: Final = "FAILED"


class Client:
    """The order, the payment and the product service, each at its address; the notify service too, where there is one.

    Args:
        orders: Where the order service is, without a path.
        payments: Where the payment service is.
        products: Where the product service is.
        key: What the services know the caller by; one for all, or one for each by their names here
            (`{"orders": …}`). A function is asked at each call, so that a key can be replaced. None: none is sent.
        mails: Where the notify service is, which has no address of its own unless it is said. Its key is `"mails"`.
        timeout_s: Seconds to wait for an answer, each time.
        retries: How often a call is repeated that got no answer, or one that says "not now".
        request_id: Makes the id of each request (`X-Request-ID`: 1 to 128 letters, digits, dots, dashes and
            underscores), by which it is found in logs and events. None: a random one.

    >>> client.health("orders").status
    'ok'
    """

    def __init__(
        self,
        orders: str = "http://localhost:8000",
        payments: str = "http://localhost:8002",
        products: str = "http://localhost:8001",
        key: Key | Mapping[str, Key] = None,
        *,
        mails: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = 3,
        request_id: Callable[[], str] | None = None,
        session: requests.Session | None = None,
    ) -> None:
        bases = {"orders": orders, "payments": payments, "products": products, **({"mails": mails} if mails else {})}
        keys = _keys(key)
        shared: dict[str, Any] = {
            "session": session or requests.Session(),
            "timeout_s": timeout_s,
            "retries": retries,
            "request_id": request_id,
        }
        self._transports = {
            name: Transport(base, key=keys.get(name), name=name, **shared) for name, base in bases.items()
        }
        self.orders = Orders(self._transports["orders"])
        self.payments = Payments(self._transports["payments"])
        self.products = Products(self._transports["products"])
        self.reservations = Reservations(self._transports["products"])
        self.operations = {name: Operations(self._transports[name]) for name in ("orders", "payments", "products")}
        self.webhooks = {name: Webhooks(self._transports[name]) for name in ("orders", "payments")}

    @property
    def mails(self) -> "Mails":
        """What the notify service sent.

        Raises:
            ValueError: the client was made without `mails`.
        """
        if "mails" not in self._transports:
            raise ValueError("This client knows no notify service: Client(mails=...)")
        return Mails(self._transports["mails"])

    def health(self, service: str) -> Health:
        """How `orders`, `payments`, `products` or `mails` is; `unavailable` while its database is.

        Raises:
            Unavailable: it does not answer.
        """
        return self._transport(service).call("GET", "/health/", _read(Health), accept=(503,))

    def is_live(self, service: str) -> bool:
        """Whether its process runs, and something in it moves; False where nothing answers, or something else does.

        >>> client.is_live("payments")
        True
        """
        transport = self._transport(service)
        try:
            return transport.call("GET", "/health/live/", _read(Health), accept=(503,)).status == "ok"
        except errors.OrderPayError:
            return False

    def metrics(self, service: str) -> str:
        """What it counts, in the text format of Prometheus.

        >>> "http_request_duration_seconds" in client.metrics("orders")
        True
        """
        return self._transport(service).call("GET", "/metrics", _text, is_text=True)

    def _transport(self, service: str) -> Transport:
        if service not in self._transports:
            raise errors.InvalidArgument(f"service must be one of {', '.join(self._transports)}, not {service!r}")
        return self._transports[service]


@dataclass(frozen=True)
class Orders:
    """`/api/orders/`. An order is found by its `id` or by its `number`."""

    _transport: Transport

    def place(
        self,
        *,
        customer_name: str,
        items: Mapping[int, int],
        payment: Literal["now", "later"] = "now",
        payment_method: str | None = None,
        token: str | None = None,
        currency: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Order:
        """Place an order, and pay it unless `payment` is `later`.

        Args:
            items: Units (1 to 1000) by product id.
            payment_method: Such as `CARD`; without one the payment service decides.
            token: The gateway's own token of a card; never a card's number.
            currency: ISO 4217; without one the catalogue's first.

        Returns: PAID; PENDING with `later`, with `next_action` where the payer has to confirm the payment, or while a
            worker still has it.

        Raises:
            Declined: the payment failed after its retries; `order` is CANCELLED.
            OrderCancelled: for another reason: unknown product, too little stock.
            Unavailable: `order` is CANCELLED where the product service is away; no `order`: not known, repeat it.
            Invalid: no order was stored.

        >>> order = client.orders.place(customer_name="Alice", items={1: 1, 2: 1}, token="tok_ok")
        >>> order.status, order.total_amount, order.currency
        ('PAID', Decimal('50.00'), 'USD')
        >>> try:
        ...     client.orders.place(customer_name="Bob", items={1: 1}, token="tok_expired_card")
        ... except orderpay.Declined as declined:
        ...     print(declined.order.status, declined.order.cancellation_reason)
        CANCELLED Payment failed
        """
        body: dict[str, Any] = {
            "customer_name": customer_name,
            "items": arguments.lines("items", items),
            "payment": payment,
            **_given(payment_method=payment_method, currency=currency),
        }
        if token is not None:
            body["payment_method_details"] = {"token": token}
        return self._transport.post("/api/orders/", _read(Order), body, idempotency_key=idempotency_key)

    def get(self, reference: OrderId, *, live: bool = True) -> Order:
        """One order. Not `live`: with the last payment status known, without asking the payment service.

        Raises:
            NotFound: there is no such order.

        >>> client.orders.get(order.number).id == order.id
        True
        """
        where = path("/api/orders/{reference}/", reference=reference)
        return self._transport.get(where, _read(Order), {} if live else {"live": False})

    def list(
        self,
        *,
        status: str | None = None,
        unfinished_for: int | None = None,
        customer_name: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        per_page: int = _ORDER_PAGE,
    ) -> Iterator[Order]:
        """Orders, newest first.

        Args:
            unfinished_for: Seconds: only orders that have had something left to do for so long.
            created_after: At that moment or later.
            created_before: Before that moment.

        >>> next(client.orders.list(customer_name="Alice")).number == order.number
        True
        """
        asked = _order_filters(
            status=status,
            unfinished_for=unfinished_for,
            customer_name=customer_name,
            created_after=created_after,
            created_before=created_before,
            per_page=per_page,
        )
        return self._transport.pages("/api/orders/", partial(models.read, Order), asked)

    def page(self, page: int = 1, **asked: Any) -> tuple[Sequence[Order], int]:
        """One page by its number, and how many orders there are in all; filters as for `list`.

        >>> orders, total = client.orders.page(per_page=1)
        >>> len(orders), total >= 1
        (1, True)
        """
        return self._transport.get(
            "/api/orders/", partial(_numbered, partial(models.read, Order)), {**_order_filters(**asked), "page": page}
        )

    def events(self, reference: OrderId) -> tuple[Event, ...]:
        """What happened to an order, oldest first: when, on which attempt, why, and who caused it.

        >>> [event.type for event in client.orders.events(order.id)]
        ['order.created', 'order.reserved', 'order.paid', 'order.closed']
        """
        return self._transport.get(path("/api/orders/{reference}/events/", reference=reference), _all(Event))

    def progress(self, reference: OrderId) -> OrderProgress:
        """Where the saga stands, what happens next and when, and which invariants hold for this order now.

        >>> client.orders.progress(order.id).step
        'closed'
        """
        return self._transport.get(path("/api/orders/{reference}/progress/", reference=reference), _read(OrderProgress))

    def cancel(self, reference: OrderId, *, idempotency_key: IdempotencyKey = None) -> Order:
        """Cancel an order that waits, or refund one that is paid. PAID in the answer: the money is on its way back.

        Raises:
            Conflict: it is cancelled or refunded already.

        >>> client.orders.cancel(order.id).status
        'REFUNDED'
        """
        where = path("/api/orders/{reference}/cancel/", reference=reference)
        return self._transport.post(where, _read(Order), idempotency_key=idempotency_key)

    def look_again(self, reference: OrderId, *, idempotency_key: IdempotencyKey = None) -> Order:
        """Have the payment service asked again, and the order settled by what that says.

        >>> client.orders.look_again(order.id).payment_status
        'REFUNDED'
        """
        where = path("/api/orders/{reference}/payment/", reference=reference)
        return self._transport.post(where, _read(Order), idempotency_key=idempotency_key)


@dataclass(frozen=True)
class Payments:
    """The payment ledger, under one vocabulary whatever the door. One payment per order ever takes money."""

    _transport: Transport

    def charge(
        self,
        order_id: OrderId,
        amount: Decimal | int | str,
        *,
        method: str | None = None,
        token: str | None = None,
        currency: str | None = None,
        door: Door = "payments",
        idempotency_key: IdempotencyKey = None,
    ) -> Payment:
        """Take money for an order. The same order and amount again is the same payment.

        Args:
            amount: Major units, exact: `Decimal("50.00")`, `"50.00"` or `50`.
            door: Through which of the ledger's doors; `process` wants a `currency` and a `method` of its own.

        Returns: CAPTURED; PENDING or PROCESSING while the gateway has not answered.

        Raises:
            Declined: the gateway said no; `payment` says why. Another attempt may follow.
            Conflict: another amount was asked for this order before, or it was voided.

        >>> payment = client.payments.charge(4711, Decimal("12.50"), method="CARD", token="tok_ok", door="charges")
        >>> payment.status, payment.reference.startswith("ECI")
        ('CAPTURED', True)
        """
        if door not in _DOORS:
            raise errors.InvalidArgument(f"door must be one of {', '.join(_DOORS)}, not {door!r}")
        name = "payment_method" if door == "process" else "method"
        return self._charge(
            _DOORS[door],
            {**_charge(order_id, amount, token=token, currency=currency), **_given(**{name: method})},
            idempotency_key,
        )

    def authorize(
        self,
        order_id: OrderId,
        amount: Decimal | int | str,
        *,
        currency: str,
        method: str = "credit_card",
        token: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Payment:
        """Set money aside, to `capture` or `void` it later.

        >>> held = client.payments.authorize(4712, "100.00", currency="USD", token="tok_ok")
        >>> held.status
        'AUTHORIZED'
        """
        body = {**_charge(order_id, amount, token=token, currency=currency), "payment_method": method, "capture": False}
        return self._charge(_DOORS["process"], body, idempotency_key)

    def pay(
        self,
        order_id: OrderId,
        amount: Decimal | int | str,
        *,
        method: str | None = None,
        token: str | None = None,
        currency: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Payment:
        """Pay an order that waits for it (`payment="later"`): the price is asked of the order service first.

        Raises:
            Declined: the gateway said no.
            Invalid: another price, or the order does not wait for a payment.

        >>> waiting = client.orders.place(customer_name="Carol", items={2: 3}, payment="later")
        >>> client.payments.pay(waiting.number, waiting.total_amount).status
        'CAPTURED'
        """
        body = {**_charge(order_id, amount, token=token, currency=currency), **_given(method=method)}
        return self._charge("/pay/", body, idempotency_key)

    def get(
        self,
        *,
        order_id: OrderId | None = None,
        payment_id: OrderId | None = None,
        transaction_id: str | None = None,
    ) -> Payment:
        """The whole record, with its refunds: by exactly one of order, payment (UUID or number) or transaction.

        >>> client.payments.get(payment_id=payment.payment_id).captured_at is not None
        True
        """
        given = _ids(order_id=order_id, payment_id=payment_id, transaction_id=transaction_id)
        if len(given) != 1:
            raise ValueError("Exactly one of order_id, payment_id and transaction_id.")
        (name,) = given
        where = f"/api/v1/payments/{name.removesuffix('_id')}/{{{name}}}/"
        return self._transport.get(path(where, **given), _payment)

    def state(self, order_id: OrderId) -> Payment:
        """What the order service sees of an order's payment: state, amounts and decline code, and nothing else.

        >>> client.payments.state(4711).status
        'CAPTURED'
        """
        return self._transport.get(path("/api/payments/{order_id}/", order_id=order_id), _payment)

    def list(
        self,
        *,
        order_id: OrderId | None = None,
        method: str | None = None,
        status: str | None = None,
        refunded: bool | None = None,
        amount_gt: Decimal | None = None,
        amount_lt: Decimal | None = None,
        start_date: date | datetime | None = None,
        end_date: date | datetime | None = None,
        sort_by_created: Literal["asc", "desc"] | None = None,
        per_page: int = _ORDER_PAGE,
    ) -> Iterator[Payment]:
        """Payments, newest first.

        Args:
            status: `SUCCESS` (has taken money), `FAILED`, `PENDING` or `VOIDED`.
            refunded: Whether all of it was given back.
            end_date: A date without a time includes that day.

        >>> [each.payment_id for each in client.payments.list(order_id=4711)] == [payment.payment_id]
        True
        """
        asked = _payment_filters(
            order_id=order_id,
            method=method,
            status=status,
            refunded=refunded,
            amount_gt=amount_gt,
            amount_lt=amount_lt,
            start_date=start_date,
            end_date=end_date,
            sort_by_created=sort_by_created,
            per_page=per_page,
        )
        return self._transport.pages("/v1/payments/", models.payment, asked)

    def page(self, page: int = 1, **asked: Any) -> tuple[Sequence[Payment], int]:
        """One page by its number, and how many payments there are in all; filters as for `list`.

        >>> len(client.payments.page(per_page=1)[0])
        1
        """
        return self._transport.get(
            "/v1/payments/", partial(_numbered, models.payment), {**_payment_filters(**asked), "page": page}
        )

    def events(self, payment_id: OrderId) -> tuple[Event, ...]:
        """What happened to a payment, oldest first, and who caused it.

        >>> [event.type for event in client.payments.events(payment.payment_id)]
        ['payment.successful']
        """
        return self._transport.get(
            path("/api/v1/payments/payment/{payment_id}/events/", payment_id=payment_id), _all(Event)
        )

    def progress(self, payment_id: OrderId) -> PaymentProgress:
        """What the gateway was asked for and under which keys, what happens next, and which invariants hold.

        >>> [call.key for call in client.payments.progress(payment.payment_id).calls]
        ['order-4711-pay-1']
        """
        return self._transport.get(
            path("/api/v1/payments/payment/{payment_id}/progress/", payment_id=payment_id), _read(PaymentProgress)
        )

    def blocked(self) -> tuple[BlockedPayment, ...]:
        """What the gateway refuses for good though it is wanted, oldest first, 200 at most: it waits for a person.

        >>> client.payments.blocked()
        ()
        """
        return self._transport.get("/api/v1/payments/blocked/", _all(BlockedPayment))

    def take_up(self, payment_id: OrderId, *, idempotency_key: IdempotencyKey = None) -> Payment:
        """Have tried again what the gateway has refused for good; a worker asks it at once.

        Raises:
            Conflict: nothing waits for a person here.

        >>> try:
        ...     client.payments.take_up(payment.payment_id)
        ... except orderpay.Conflict as conflict:
        ...     print(conflict.code)
        payment_not_blocked
        """
        where = path("/api/v1/payments/payment/{payment_id}/take-up/", payment_id=payment_id)
        return self._transport.post(where, _payment, idempotency_key=idempotency_key)

    def capture(
        self, transaction_id: str, amount: Decimal | int | str | None = None, *, idempotency_key: IdempotencyKey = None
    ) -> Payment:
        """Take what was set aside, or a part of it; the rest is released.

        Raises:
            Declined: the gateway said no.
            Conflict: nothing is set aside.

        >>> client.payments.capture(held.transaction_id, "30.00").status
        'CAPTURED'
        """
        body = {"transaction_id": arguments.identifier("transaction_id", transaction_id), **_given(amount=amount)}
        return self._charge("/api/v1/payments/capture/", body, idempotency_key)

    def void(
        self,
        *,
        order_id: OrderId | None = None,
        transaction_id: str | None = None,
        amount: Decimal | int | str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Payment:
        """Hold no money: for an order, now or later, whatever state it is in; or release what a transaction set aside.

        Args:
            amount: Only all that is set aside can be released; another amount is refused.

        >>> client.payments.void(order_id=4713).status
        'VOIDED'
        """
        if (order_id is None) == (transaction_id is None):
            raise ValueError("Either order_id or transaction_id.")
        if order_id is not None:
            where, body = path("/api/payments/{order_id}/void/", order_id=order_id), _given(amount=amount)
        else:
            where, body = "/api/v1/payments/void/", {**_ids(transaction_id=transaction_id), **_given(amount=amount)}
        return self._transport.post(where, _payment, body, idempotency_key=idempotency_key)

    def refund(
        self,
        *,
        payment_id: int | None = None,
        transaction_id: str | None = None,
        amount: Decimal | int | str | None = None,
        reason: str | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Refund:
        """Give money back: all that is left, or `amount`. By number, or by transaction, which also keeps a reason.

        Returns: `succeeded`, or `pending` while the gateway has not answered; then it will be found out.

        Raises:
            Declined: the gateway said no; `refund` says why.
            Invalid: more than is left.
            Conflict: not refundable, or the same refund is pending.

        >>> back = client.payments.refund(payment_id=payment.payment_id, amount="2.50")
        >>> back.status, back.amount
        ('succeeded', Decimal('2.50'))
        """
        if (payment_id is None) == (transaction_id is None):
            raise ValueError("Either payment_id or transaction_id.")
        if payment_id is not None and reason is not None:
            raise TypeError("reason: a refund by payment_id keeps none; give the payment's transaction_id instead")
        body = {**_ids(transaction_id=transaction_id), **_given(amount=amount, reason=reason)}
        where = "/api/v1/payments/refund/"
        if payment_id is not None:
            where = path("/v1/payments/{payment_id}/refund/", payment_id=payment_id)
        read = partial(_refund, payment_id is None)
        return self._transport.post(where, read, body, idempotency_key=idempotency_key)

    def _charge(self, where: str, body: Mapping[str, Any], idempotency_key: IdempotencyKey) -> Payment:
        read = partial(_charged, body.get("order_id"))
        return self._transport.post(where, read, body, idempotency_key=idempotency_key)


@dataclass(frozen=True)
class Products:
    """`/api/products/`."""

    _transport: Transport

    def list(self, *, per_page: int = _ORDER_PAGE) -> Iterator[Product]:
        """The catalogue, with what can be reserved now.

        >>> next(client.products.list()).name
        'Mechanical Keyboard'
        """
        return self._transport.pages("/api/products/", partial(models.read, Product), {"per_page": per_page})

    def page(self, page: int = 1, *, per_page: int = _ORDER_PAGE) -> tuple[Sequence[Product], int]:
        """One page by its number, and how many products there are in all."""
        return self._transport.get(
            "/api/products/", partial(_numbered, partial(models.read, Product)), {"page": page, "per_page": per_page}
        )

    def get(self, product_id: int) -> Product:
        """One product.

        >>> client.products.get(1).price
        Decimal('30.00')
        """
        return self._transport.get(path("/api/products/{product_id}/", product_id=product_id), _read(Product))

    def create(
        self, *, name: str, price: Decimal | int | str, stock: int, idempotency_key: IdempotencyKey = None
    ) -> Product:
        """A new product; `price` in major units.

        >>> mug = client.products.create(name="Mug", price="7.50", stock=3)
        >>> mug.stock
        3
        """
        body = {"name": name, "price": price, "stock": stock}
        return self._transport.post("/api/products/", _read(Product), body, idempotency_key=idempotency_key)

    def restock(self, product_id: int, quantity: int, *, idempotency_key: IdempotencyKey = None) -> Product:
        """More units of it.

        >>> client.products.restock(mug.id, 2).stock
        5
        """
        where = path("/api/products/{product_id}/restock/", product_id=product_id)
        return self._transport.post(where, _read(Product), {"quantity": quantity}, idempotency_key=idempotency_key)


@dataclass(frozen=True)
class Reservations:
    """`/api/reservations/`: stock that is held under an id of the caller's own. Each call is safe to repeat."""

    _transport: Transport

    def get(self, reservation_id: str | UUID) -> Reservation:
        """One reservation.

        Raises:
            NotFound: there is none under this id.
        """
        return self._transport.get(
            path("/api/reservations/{reservation_id}/", reservation_id=reservation_id), _read(Reservation)
        )

    def hold(self, reservation_id: str | UUID, items: Mapping[int, int]) -> Reservation:
        """Hold all lines, or none. `items`: units by product id.

        Raises:
            NotFound: no such product.
            Conflict: too little stock, or it was released before.

        >>> client.reservations.hold("basket-1", {mug.id: 2}).status
        'HELD'
        """
        body = {"items": arguments.lines("items", items)}
        where = path("/api/reservations/{reservation_id}/", reservation_id=reservation_id)
        return self._transport.call("PUT", where, _read(Reservation), body=body)

    def confirm(self, reservation_id: str | UUID, *, idempotency_key: IdempotencyKey = None) -> Reservation:
        """Sell what is held.

        >>> client.reservations.confirm("basket-1").status
        'CONFIRMED'
        """
        where = path("/api/reservations/{reservation_id}/confirm/", reservation_id=reservation_id)
        return self._transport.post(where, _read(Reservation), idempotency_key=idempotency_key)

    def confirm_many(
        self, reservation_ids: Sequence[str | UUID], *, idempotency_key: IdempotencyKey = None
    ) -> tuple[Confirmed, ...]:
        """Sell what is held under each of 1 to 100 ids; each is answered by itself.

        >>> [each.code or each.status for each in client.reservations.confirm_many(["basket-1", "none"])]
        ['CONFIRMED', 'reservation_not_found']
        """
        body = {"ids": arguments.identifiers("reservation_ids", reservation_ids)}
        return self._transport.post(
            "/api/reservations/confirm/", _all(Confirmed), body, idempotency_key=idempotency_key
        )

    def release(self, reservation_id: str | UUID, *, return_sold: bool = False) -> None:
        """Give the stock back, exactly once. What is sold goes back only with `return_sold`.

        >>> client.reservations.release("basket-1", return_sold=True)
        >>> client.products.get(mug.id).stock
        5
        """
        asked = {"return": True} if return_sold else {}
        where = path("/api/reservations/{reservation_id}/", reservation_id=reservation_id)
        self._transport.call("DELETE", where, _nothing, params=asked)


@dataclass(frozen=True)
class Operations:
    """What waits for a person at one service, and what must always be true there."""

    _transport: Transport

    def invariants(self, *, quiet_for: int | None = None) -> Report:
        """Check every invariant now; `quiet_for` (seconds): what is unfinished for longer is a violation.

        >>> client.operations["orders"].invariants().outcome
        'holds'
        """
        return self._transport.get("/api/invariants/", _read(Report), _given(quiet_for=quiet_for))

    def events(
        self, *, aggregate_id: str | UUID | None = None, request_id: str | None = None
    ) -> tuple[RecordedEvent, ...]:
        """Events of one order or payment, or those that one request caused, and whether the broker has them.

        Oldest first; the newest 200. Of orders and payments. A request is looked for among the newest 100,000 events.

        >>> caused = client.operations["orders"].events(aggregate_id=order.id)
        >>> caused[0].type, caused[0].broker
        ('order.created', None)
        >>> client.operations["orders"].events(request_id=caused[0].request_id)[0].aggregate_id == order.id
        True
        """
        given = _ids(aggregate_id=aggregate_id, request_id=request_id)
        if len(given) != 1:
            raise ValueError("Either aggregate_id or request_id.")
        return self._transport.get("/api/events/", _all(RecordedEvent), given)

    def consumed(self, event_ids: Sequence[str | UUID]) -> tuple[ConsumedEvent, ...]:
        """Which of these events have had their effect at this service, and when; 100 are asked for at once. Of orders.

        >>> client.operations["orders"].consumed([caused[0].event_id])
        ()
        """
        asked = [*dict.fromkeys(arguments.identifiers("event_ids", event_ids))]
        if any("," in each for each in asked):
            raise errors.InvalidArgument("event_ids: an id has no comma")
        found: list[ConsumedEvent] = []
        for start in range(0, len(asked), _CONSUMED_AT_ONCE):
            ids = ",".join(asked[start : start + _CONSUMED_AT_ONCE])
            found += self._transport.get("/api/consumed-events/", _all(ConsumedEvent), {"event_ids": ids})
        return tuple(found)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Events that the broker refused for good, oldest first, 200 at most. Of orders and payments.

        >>> client.operations["payments"].dead_letters()
        ()
        """
        return self._transport.get("/api/dead-letters/", _all(DeadLetter))

    def replay_dead_letter(self, position: int, *, idempotency_key: IdempotencyKey = None) -> int:
        """Have it published after all, and those behind it; returns how many were taken up.

        Raises:
            NotFound: there is none.
        """
        return self._act(path("/api/dead-letters/{position}/replay/", position=position), idempotency_key)

    def give_up_dead_letter(self, position: int, *, idempotency_key: IdempotencyKey = None) -> int:
        """Never publish it; those behind it go on."""
        return self._act(path("/api/dead-letters/{position}/give-up/", position=position), idempotency_key)

    def parked_messages(self) -> tuple[ParkedMessage, ...]:
        """Messages that a consumer could not take, oldest first, 200 at most. Of orders.

        >>> client.operations["orders"].parked_messages()
        ()
        """
        return self._transport.get("/api/parked-messages/", _all(ParkedMessage))

    def replay_parked_message(self, number: int, *, idempotency_key: IdempotencyKey = None) -> int:
        """Have its consumer take it again; returns how many were taken up."""
        return self._act(path("/api/parked-messages/{number}/replay/", number=number), idempotency_key)

    def _act(self, where: str, idempotency_key: IdempotencyKey) -> int:
        return self._transport.post(where, partial(_count, "count"), idempotency_key=idempotency_key)


@dataclass(frozen=True)
class Webhooks:
    """`/api/webhooks/`: where one service sends its events to, and what became of them. Of orders and payments."""

    _transport: Transport

    def list(self) -> Sequence[Webhook]:
        """All of them, oldest first; there are 100 at most.

        >>> client.webhooks["orders"].list()
        []
        """
        return [*self._transport.get("/api/webhooks/", _all(Webhook))]

    def create(
        self,
        url: str,
        events: Sequence[str],
        *,
        description: str | None = None,
        contact: str | None = None,
        ordered: bool | None = None,
        enabled: bool | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Webhook:
        """Have events sent to a URL: types or patterns, such as `order.*`. The answer alone has the `secret`.

        Raises:
            Invalid: nobody may be asked there, or a pattern is none.

        >>> hook = client.webhooks["orders"].create("https://shop.example.org/hooks", ["order.*"])
        >>> hook.secret[:6]
        'whsec_'
        """
        more = _given(description=description, contact=contact, ordered=ordered, enabled=enabled)
        body = {"url": url, "events": arguments.texts("events", events), **more}
        return self._transport.post("/api/webhooks/", _read(Webhook), body, idempotency_key=idempotency_key)

    def get(self, webhook_id: str) -> Webhook:
        """One of them."""
        return self._transport.get(path("/api/webhooks/{webhook_id}/", webhook_id=webhook_id), _read(Webhook))

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        contact: str | None = None,
        ordered: bool | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change it; what is not given stays. `enabled=False`: nothing is sent to it any more.

        >>> client.webhooks["orders"].change(hook.id, enabled=False).disabled_reason
        'it was disabled by hand'
        """
        more = _given(description=description, contact=contact, ordered=ordered, enabled=enabled)
        body = _given(url=url, events=None if events is None else arguments.texts("events", events), **more)
        return self._transport.call(
            "PATCH", path("/api/webhooks/{webhook_id}/", webhook_id=webhook_id), _read(Webhook), body=body
        )

    def delete(self, webhook_id: str) -> None:
        """End it for good. That it is not there when a lost answer is asked for again means that it is done.

        Raises:
            NotFound: there was none.

        >>> client.webhooks["orders"].delete(hook.id)
        """
        where = path("/api/webhooks/{webhook_id}/", webhook_id=webhook_id)
        self._transport.call("DELETE", where, _nothing, ends_it=True)

    def rotate(
        self, webhook_id: str, *, overlap_s: int | None = None, idempotency_key: IdempotencyKey = None
    ) -> Webhook:
        """A new `secret`; for so long messages are signed with the one before, too."""
        where = path("/api/webhooks/{webhook_id}/rotate/", webhook_id=webhook_id)
        return self._transport.post(where, _read(Webhook), _given(overlap_s=overlap_s), idempotency_key=idempotency_key)

    def send_example(
        self, webhook_id: str, *, event_type: str | None = None, idempotency_key: IdempotencyKey = None
    ) -> Delivery:
        """Send a message that tells of nothing."""
        where = path("/api/webhooks/{webhook_id}/example/", webhook_id=webhook_id)
        return self._transport.post(where, _read(Delivery), _given(type=event_type), idempotency_key=idempotency_key)

    def recover(self, webhook_id: str, *, since: datetime, idempotency_key: IdempotencyKey = None) -> int:
        """Send all again that is dead and was recorded since then; returns how many."""
        where = path("/api/webhooks/{webhook_id}/recover/", webhook_id=webhook_id)
        read = partial(_count, "recovered")
        return self._transport.post(where, read, {"since": since}, idempotency_key=idempotency_key)

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: str | None = None,
        event_type: str | None = None,
        subject: str | None = None,
        per_page: int = _ORDER_PAGE,
    ) -> Iterator[Delivery]:
        """The log, newest first; `subject` is an order's id."""
        asked = {**_given(state=state, type=event_type, per_page=per_page), **_ids(subject=subject)}
        return self._transport.pages(
            path("/api/webhooks/{webhook_id}/deliveries/", webhook_id=webhook_id), partial(models.read, Delivery), asked
        )

    def page(self, webhook_id: str, page: int = 1, *, per_page: int = _ORDER_PAGE) -> tuple[Sequence[Delivery], int]:
        """One page of the log by its number, and how many deliveries there are in all."""
        where = path("/api/webhooks/{webhook_id}/deliveries/", webhook_id=webhook_id)
        return self._transport.get(
            where, partial(_numbered, partial(models.read, Delivery)), {"page": page, "per_page": per_page}
        )

    def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """One delivery with every attempt."""
        where = path(
            "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/", webhook_id=webhook_id, delivery_id=delivery_id
        )
        return self._transport.get(where, _read(Delivery))

    def resend(self, webhook_id: str, delivery_id: str, *, idempotency_key: IdempotencyKey = None) -> Delivery:
        """Send it again, whatever became of it."""
        where = path(
            "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/resend/",
            webhook_id=webhook_id,
            delivery_id=delivery_id,
        )
        return self._transport.post(where, _read(Delivery), idempotency_key=idempotency_key)


@dataclass(frozen=True)
class Mails:
    """`/api/mails/`: what was sent about orders' payments, what waits, and what was given up."""

    _transport: Transport

    def list(self, *, order_id: str | UUID | None = None, per_page: int = _ORDER_PAGE) -> Iterator[Mail]:
        """Newest first; of one order, or all."""
        asked = {**_ids(order_id=order_id), "per_page": per_page}
        return self._transport.pages("/api/mails/", partial(models.read, Mail), asked)

    def page(self, page: int = 1, *, per_page: int = _ORDER_PAGE) -> tuple[Sequence[Mail], int]:
        """One page by its number, and how many mails there are in all."""
        return self._transport.get(
            "/api/mails/", partial(_numbered, partial(models.read, Mail)), {"page": page, "per_page": per_page}
        )


def new_key() -> str:
    """A new idempotency key: keep it with what is to be done once, and give it to each call that does it."""
    return arguments.idempotency_key(None)


def _keys(key: Key | Mapping[str, Key]) -> Mapping[str, Key]:
    """What each service knows the caller by."""
    if not isinstance(key, Mapping):
        return dict.fromkeys(_SERVICES, key)
    if unknown := [name for name in key if name not in _SERVICES]:
        raise errors.InvalidArgument(f"key: there is no service {unknown[0]!r}, but {', '.join(_SERVICES)}")
    return key


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _ids(**values: object) -> dict[str, str | int]:
    return {name: arguments.identifier(name, value) for name, value in values.items() if value is not None}


def _order_filters(
    *,
    status: str | None = None,
    unfinished_for: int | None = None,
    customer_name: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    per_page: int | None = None,
) -> dict[str, Any]:
    return _given(
        status=status,
        unfinished_for=unfinished_for,
        customer_name=customer_name,
        created_after=created_after,
        created_before=created_before,
        per_page=per_page,
    )


def _payment_filters(
    *,
    order_id: OrderId | None = None,
    method: str | None = None,
    status: str | None = None,
    refunded: bool | None = None,
    amount_gt: Decimal | None = None,
    amount_lt: Decimal | None = None,
    start_date: date | datetime | None = None,
    end_date: date | datetime | None = None,
    sort_by_created: Literal["asc", "desc"] | None = None,
    per_page: int | None = None,
) -> dict[str, Any]:
    return _ids(order_id=order_id) | _given(
        method=method,
        status=status,
        refunded=refunded,
        amount_gt=amount_gt,
        amount_lt=amount_lt,
        start_date=start_date,
        end_date=end_date,
        sort_by_created=sort_by_created,
        per_page=per_page,
    )


def _charge(
    order_id: OrderId, amount: Decimal | int | str, *, token: str | None, currency: str | None
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_id": arguments.identifier("order_id", order_id),
        "amount": amount,
        **_given(currency=currency),
    }
    if token is not None:
        body["payment_method_details"] = {"token": token}
    return body


def _read(model: type[Model]) -> Callable[[Answer], Model]:
    return lambda answer: models.read(model, answer.body)


def _all(model: type[Model]) -> Callable[[Answer], tuple[Model, ...]]:
    """All that an answer has under `items`."""
    return lambda answer: tuple(models.read(model, each) for each in _items(answer))


def _numbered(read: Callable[[Any], Found], answer: Answer) -> tuple[Sequence[Found], int]:
    """A page by its number, and how many there are in all."""
    return [read(each) for each in _items(answer)], _count("total", answer)


def _items(answer: Answer) -> tuple[Any, ...]:
    found: tuple[Any, ...] = models.one(answer.body, "items", tuple[Any, ...])
    return found


def _count(name: str, answer: Answer) -> int:
    found: int = models.one(answer.body, name, int)
    return found


def _nothing(answer: Answer) -> None:
    """That it is done is all that is said; that it is not there any more says the same."""
    is_gone = answer.status == 404 and isinstance(answer.body, Mapping) and "error" in answer.body
    if answer.status != 204 and not is_gone:
        raise models.Unreadable("no word that it is done")


def _text(answer: Answer) -> str:
    kind = answer.headers.get("Content-Type", "")
    if answer.status != 200 or not kind.startswith(("text/plain", "application/openmetrics-text")):
        raise models.Unreadable("no metrics")
    return str(answer.body)


def _payment(answer: Answer) -> Payment:
    return models.payment(answer.body)


def _charged(order_id: str | int | None, answer: Answer) -> Payment:
    """What became of a charge; a door that does not name the order is told by what was asked.

    Raises:
        Declined: the gateway said no.
    """
    payment = models.payment({"order_id": order_id, **models.body_of(answer.body, Payment)})
    if payment.status == _FAILED or (answer.status == 200 and payment.success is False):
        why = payment.error or payment.failure_code or payment.message or "The gateway said no"
        declined = _declined(why, answer, "payment_failed")
        declined.payment = payment
        raise declined
    return payment


def _refund(has_status: bool, answer: Answer) -> Refund:
    """What became of a refund; by its payment's number it is answered without a status, by what HTTP says.

    Raises:
        Declined: the gateway said no.
    """
    body = models.body_of(answer.body, Refund)
    said = {} if has_status else {"status": "pending" if answer.status == 202 else "succeeded"}
    if has_status:
        models.one(body, "status", str)
    refund = models.read(Refund, {**said, **body})
    if refund.status == "failed":
        declined = _declined(refund.error or "The refund was refused", answer, "refund_failed")
        declined.refund = refund
        raise declined
    return refund


def _declined(why: str, answer: Answer, otherwise: str) -> errors.Declined:
    """The gateway's no; `otherwise`: its code where the door has no word for why."""
    return errors.Declined(
        why,
        code=str(answer.body.get("failure_code") or answer.body.get("code") or otherwise),
        status=answer.status,
        request_id=answer.request_id,
        body=answer.body,
        idempotency_key=answer.idempotency_key,
    )
