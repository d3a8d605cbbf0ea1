"""Bugs that a real team could have written: each takes one rule away from one function of a service.

A bug has the arguments of the function whose place it takes, with that function in front. It runs inside the service. A
file with its name wakes it up, so that one running stack can be had with it and without.
"""

import functools
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

FOLDER: Final = "PLANTED_BUGS"


@dataclass(frozen=True)
class Bug:
    """What is wrong, and where: `attribute` of a module, dotted where it is a method."""

    module: str
    attribute: str
    wrong: Callable[..., Any]

    def plant(self, module: ModuleType) -> None:
        *way, name = self.attribute.split(".")
        owner = functools.reduce(getattr, way, module)
        right = getattr(owner, name)

        @functools.wraps(right)
        def either(*args: Any, **kwargs: Any) -> Any:
            if is_awake(self.wrong.__name__):
                return self.wrong(right, *args, **kwargs)
            return right(*args, **kwargs)

        setattr(owner, name, either)


def is_awake(name: str) -> bool:
    return Path(os.environ[FOLDER], name).exists()


BUGS: Final[dict[str, Bug]] = {}


def bug(module: str, attribute: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(wrong: Callable[..., Any]) -> Callable[..., Any]:
        BUGS[wrong.__name__] = Bug(module, attribute, wrong)
        return wrong

    return register


def of(module: str) -> Any:
    """A module of the service, which is loaded by now."""
    return importlib.import_module(module)


# ---- money


@bug("payment_service.payments.use_cases.charging", "charge_key")
def random_gateway_key(right: Any, order_id: str, *, attempt: int) -> str:
    """A new key each time that the gateway is asked, so that a repeat is another charge."""
    return str(right(order_id, attempt=int.from_bytes(os.urandom(4), "big")))


@bug("payment_service.payments.writes.disputes", "_tell")
def dispute_only_kept(right: Any, *_: Any) -> None:
    """A dispute is written down, and its payment knows nothing of it: the same money can be refunded."""


@bug("payment_service.payments.writes.refunds", "book_refund")
def refund_checked_then_written(
    right: Any, payment_number: int, *, uid: Any, amount: Any, reason: str, **_: Any
) -> Any:
    """Whether it fits is looked up first and written afterwards, by whatever was seen."""
    refunds, models, clock = (
        of("payment_service.payments.writes.refunds"),
        of("payment_service.payments.models"),
        of("servicekit.db.clock"),
    )
    payment = models.Payment.objects.get(pk=payment_number)
    wanted = payment.refundable if amount is None else amount
    if not 0 < wanted <= payment.refundable:
        raise refunds.RefundExceedsCaptured(requested=wanted, refundable=payment.refundable)
    time.sleep(0.5)
    models.Payment.objects.filter(pk=payment.pk).update(booked=payment.booked + wanted)
    refund = models.Refund(uid=uid, payment=payment, amount=wanted, reason=reason, status="PENDING")
    refund.due_at = clock.seconds_from_now(30)
    refund.save(force_insert=True)
    return refunds.Booking(models.Refund.objects.select_related("payment").get(pk=refund.pk), is_new=True)


@bug("payment_service.payments.writes.refunds", "block")
def refusal_for_good_forgotten(right: Any, payment: Any, *_: Any, **__: Any) -> Any:
    """It is not asked for again, and nobody is told."""
    type(payment).objects.filter(pk=payment.pk).update(due_at=None)


@bug("payment_service.payments.writes.moves", "move")
def move_without_fence(right: Any, payment: Any, *, to: Any, extra: Any = None, **changes: Any) -> Any:
    """The UPDATE asks neither for the version that was read, nor where the payment may come from."""
    moves, states = of("payment_service.payments.writes.moves"), of("payment_service.payments.states")
    changes.setdefault("due_at", None)
    changes |= {"status": to.value, "taken": states.TAKEN[to], "version": payment.version + 1, "retry_count": 0}
    type(payment).objects.filter(pk=payment.pk).update(**changes)
    moved = type(payment).objects.get(pk=payment.pk)
    moves.append_status_event(moved, extra)
    return moved


@bug("payment_service.payments.writes.attempts", "open_voided")
def no_tombstone(right: Any, order_id: str) -> Any:
    """Where there is no payment yet, a void has nothing to do."""
    models = of("payment_service.payments.models")
    if models.Payment.objects.filter(order_id=order_id).exists():
        return None
    now = of("django.utils.timezone").now()
    return models.Payment(
        order_id=order_id, amount=models.NOTHING, currency="USD", status="VOIDED", created_at=now, updated_at=now
    )


@bug("payment_service.payments.writes.closing", "request_void")
def failed_payment_left_open(right: Any, payment: Any) -> Any:
    """A payment that failed holds nothing, so its void has nothing to do either."""
    return payment if payment.status == "FAILED" else right(payment)


@bug("payment_service.payments.use_cases.charging", "settle_action")
def given_up_unasked(right: Any, payment: Any) -> Any:
    """No money is wanted any more, so the payment is over: its payer can still confirm it at the gateway."""
    if not payment.void_requested:
        return right(payment)
    attempts, base = of("payment_service.payments.writes.attempts"), of("payment_service.payments.gateways.base")
    return attempts.finish_action(payment, base.NOT_CONFIRMED)


@bug("order_service.orders.saga", "void_payment")
def money_kept(right: Any, order: Any, run: Any) -> None:
    """A cancelled order gives its stock back, and that is all."""


@bug("order_service.orders.ports", "PaymentSeen.holds")
def amount_not_looked_at(right: Any, seen: Any, amount: Any, currency: str) -> bool:
    """Paid is paid."""
    return bool(seen.status == "COMPLETED")


# ---- stock


@bug("product_stub.catalog.writes", "release")
def released_twice(right: Any, reservation_id: str, *, return_sold: bool, check: Any) -> None:
    """Each release puts the units back."""
    services, selectors = of("product_stub.catalog.writes"), of("product_stub.catalog.reads")
    reservation = selectors.find_reservation(reservation_id)
    if reservation is not None and reservation.status == "RELEASED":
        with of("django.db.transaction").atomic():
            services._shift(reservation.lines, source="reserved", target="stock")
        return
    right(reservation_id, return_sold=return_sold, check=check)


@bug("order_service.orders.saga", "release_stock")
def stock_kept(right: Any, order: Any, run: Any) -> None:
    """A cancelled order gives its money back, and that is all."""


@bug("order_service.orders.clients.products", "ReservingProducts.confirm_all")
def sold_unasked(right: Any, products: Any, order_ids: Any) -> Any:
    """Held is as good as sold: orders are closed, and nobody tells the product service."""
    return order_ids


# ---- events


@bug("servicekit.events.store", "append_all")
def change_without_event(right: Any, event_type: str, **event: Any) -> None:
    """One of the changes tells nobody."""
    if event_type != "order.closed":
        right(event_type, **event)


@bug("payment_service.payments.writes.moves", "append_status_event")
def event_of_the_row_before(right: Any, payment: Any, extra: Any = None) -> None:
    """The event says what the amounts were when the payment was read."""
    before = copy(payment)
    before.captured = before.captured * 0
    right(before, extra)


@bug("servicekit.events.store", "append")
def event_after_the_commit(right: Any, *args: Any, **kwargs: Any) -> None:
    """The event is written when the change is safe, in a transaction of its own."""

    def later() -> None:
        time.sleep(0.5)
        right(*args, **kwargs)
        of("django.db").connection.close()

    of("django.db.transaction").on_commit(lambda: threading.Thread(target=later, daemon=True).start())


@bug("servicekit.events.outbox", "read")
def marked_before_acknowledged(right: Any, **what: Any) -> Any:
    """Events count as published as soon as they are read for it."""
    waiting = right(**what)
    of("servicekit.events.outbox").mark([event.position for event in waiting])
    return waiting


@bug("servicekit.events.publishers.base", "LogPublisher.publish_in_order")
def dies_while_publishing(right: Any, *args: Any, **kwargs: Any) -> Any:
    """No bug, but what must be survived: the order service's worker is killed, once."""
    if os.environ["DJANGO_SETTINGS_MODULE"] != "order_service.settings":
        return right(*args, **kwargs)
    Path(os.environ[FOLDER], "dies_while_publishing").unlink()
    return os.kill(os.getpid(), signal.SIGKILL)


# ---- work that is left


@bug("payment_service.payments.writes.moves", "leave_unknown")
def nobody_takes_it_up(right: Any, payment: Any) -> Any:
    """An answer is lost, and the row says to nobody that it waits for one."""
    type(payment).objects.filter(pk=payment.pk, version=payment.version).update(due_at=None)
    return type(payment).objects.get(pk=payment.pk)


@bug("servicekit.webhooks.fan_out", "FanOut.record")
def webhook_forgotten(_right: Any, *_: Any) -> int:
    """What has left the outbox is recorded for nobody."""
    return 0


# ---- answers


@bug("payment_service.payments.writes.attempts", "_insert_with_event")
def answered_before_written(right: Any, payment: Any) -> None:
    """The client hears of a payment that is yet to be written."""
    payment.pk = 1


@bug("servicekit.idempotency.keys", "_row")
def key_not_unique(right: Any, scope: str, key: str, fingerprint: str) -> Any:
    """The same key can be taken twice."""
    row = right(scope, key, fingerprint)
    row.digest = os.urandom(32).hex()
    return row
