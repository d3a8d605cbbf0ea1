"""What must be true when everything is quiet again: of each client's order, and of all the books."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from tests import books
from tests.faults.scenario_clients import ScenarioClient
from tests.stack import Stack, wait_until

# Nothing waits longer than a lease, a worker's longest wait after a failure, and a machine with other things to do.
QUIET_WITHIN_S: Final = 180.0

_UNDER_WAY: Final = {
    "order_service": (
        "select count(*) from orders_order where due_at is not null and not (pay_later and step = 'reserved')",
        "select count(*) from events_event where published_at is null",
    ),
    "payment_service": (
        "select count(*) from payments_payment where notice_due_at is not null "
        "or due_at is not null and (status <> 'REQUIRES_ACTION' or void_requested)",
        "select count(*) from payments_refund where due_at is not null",
        "select count(*) from events_event where published_at is null",
    ),
}


def is_quiet(stack: Stack) -> bool:
    """Whether nobody has anything left to do, but for customers who may still pay."""
    return all(stack.services[name].rows(sql) == [(0,)] for name, found in _UNDER_WAY.items() for sql in found)


def wait_until_quiet(stack: Stack) -> None:
    wait_until(lambda: is_quiet(stack), within_s=QUIET_WITHIN_S, what="everything is quiet")


def notices_in_vain(stack: Stack) -> int:
    """How often the payment service has told the order service of a payment, and nobody was there."""
    ((times,),) = stack.services["payment_service"].rows("select coalesce(sum(notice_tries), 0) from payments_payment")
    return int(times)


def problems_in(stack: Stack, clients: Iterable[ScenarioClient]) -> list[str]:
    """Whatever is not as promised: each order's end, its money at the bank, the answers given, and how they fit."""
    return [*_ends(stack, clients), *books.problems_in(stack)]


def _ends(stack: Stack, clients: Iterable[ScenarioClient]) -> Iterator[str]:
    charges, held, refused = _charges(stack), _held(stack), books.refused_for_good(stack)
    for client in clients:
        shown = stack.orders.get(f"/api/orders/{client.order_id}/").json
        status = shown["status"]
        if status not in client.may_end:
            yield f"{client} ended {status} ({shown['cancellation_reason']})"
        if len(client.answers) == 1 and client.answers[0].json["status"] not in (status, "PENDING"):
            yield f"{client} was told {client.answers[0].json['status']}, but it is {status}"
        if charges[client.order_id] > 1:
            yield f"{client} was charged {charges[client.order_id]} times"
        kept = held.get(str(client.order_id))
        owed = shown["total_amount"] if status == "PAID" or client.order_id in refused else Decimal(0)
        if kept is not None and kept != owed:
            yield f"{client} is {status}: the bank holds {kept}, not {owed}"
        yield from client.ask_all_again()


def _charges(stack: Stack) -> Counter[str | None]:
    """How many charges of each order the bank has approved."""
    rows = _bank(stack, "select e.key from bank_entry e where e.kind = 'charge' and e.hold_id is not null")
    return Counter(order_id for order_id, _ in rows)


def _held(stack: Stack) -> dict[str, Decimal]:
    """What the bank has of each order's money, taken or set aside."""
    held: dict[str, Decimal] = {}
    sql = (
        "select e.key, h.authorized, h.captured, h.refunded, h.is_released from bank_entry e "
        "join bank_hold h on h.number = e.hold_id where e.kind = 'charge'"
    )
    for order_id, (authorized, captured, refunded, is_released) in _bank(stack, sql):
        taken = _money(captured) - _money(refunded)
        aside = Decimal(0) if is_released or _money(captured) else _money(authorized)
        held[order_id] = held.get(order_id, Decimal(0)) + taken + aside
    return held


def _bank(stack: Stack, sql: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Rows of the simulated bank's own books, whose first column is a charge's key, with the order's id instead."""
    rows = stack.services["payment_service"].rows(sql)
    return [(key.removeprefix("order-").rpartition("-pay-")[0], tuple(rest)) for key, *rest in rows]


def _money(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))
