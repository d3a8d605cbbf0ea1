"""`make audit` beside the running services: what is well passes, what is planted is found by name, and nothing else."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from audit.__main__ import Again
from audit.rules import Order, Scope, Seen
from tests.auditing import audit
from tests.client import Http
from tests.stack import SERVICES, Stack, wait_until

MakeStack = Callable[..., Stack]
GATEWAY: Final = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "1"}


def place(stack: Stack, **more: Any) -> str:
    order = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1, 2], **more}).json
    assert isinstance(order["id"], str)
    return order["id"]


def is_quiet(stack: Stack) -> bool:
    queries = {
        "order_service": "select count(*) from orders_order where due_at is not null and not pay_later",
        "payment_service": "select count(*) from payments_payment where coalesce(due_at, notice_due_at) is not null",
    }
    unsent = "select count(*) from events_event where published_at is null"
    return all(stack.services[name].rows(each) == [(0,)] for name, query in queries.items() for each in (query, unsent))


def test_what_is_well_passes_and_each_planted_violation_is_found(make_stack: MakeStack, tmp_path: Path) -> None:
    """Nothing proven on empty databases; all well while a client shops; then every planted break, and only those."""
    stack = make_stack(settings={"payment_service": GATEWAY})
    stack.start_workers()
    folder = tmp_path / "audit"
    folder.mkdir()
    empty = audit(stack, folder)
    assert (empty.status, empty.broken) == (2, set())
    assert set(empty.results.values()) == {"unproven"}

    enough = threading.Event()
    client = threading.Thread(target=_shop, args=[stack.orders.base_url, enough])
    client.start()
    try:
        wait_until(lambda: stack.orders.get("/api/orders/").json["total"] > 3, what="some orders")
        meanwhile = audit(stack, folder)
    finally:
        enough.set()
        client.join()
    assert (meanwhile.status, meanwhile.broken, meanwhile.err) == (0, set(), "")
    assert meanwhile.results == dict.fromkeys([*SERVICES, "across"], "holds")

    planted = _plant(stack)
    wait_until(lambda: is_quiet(stack), what="nothing is under way")
    found = audit(stack, folder, "--no-strangers")
    assert (found.status, found.results["across"]) == (1, "violated")
    assert found.across == planted


def _shop(url: str, enough: threading.Event) -> None:
    while not enough.wait(0.1):  # often enough to be in the middle of something, and no load
        Http(url).post("/api/orders/", {"customer_name": "Alice", "product_ids": [1], "payment_method": "CARD"})


def _plant(stack: Stack) -> set[tuple[str, str]]:
    """Break one thing across the services for each rule, past them all; returns what must be found."""
    unpaid, another, kept, late, unsold, lost = (place(stack) for _ in range(6))
    stranger = str(uuid4())
    stack.payments.post("/api/payments/", {"order_id": stranger, "amount": 5})
    for order_id in (kept, late):
        stack.orders.post(f"/api/orders/{order_id}/cancel/", {})
    cancelled = place(stack, payment="later")
    stack.orders.post(f"/api/orders/{cancelled}/cancel/", {})
    ledger, catalogue, orders = (
        stack.services[name].db for name in ("payment_service", "product_stub", "order_service")
    )
    ledger.run("delete from payments_payment where order_id = ?", unpaid)
    ledger.run("update payments_payment set currency = 'EUR' where order_id = ?", another)
    ledger.run("update payments_payment set status = 'CAPTURED', refunded = 0, booked = 0 where order_id = ?", kept)
    ledger.run("delete from payments_payment where order_id = ?", cancelled)
    catalogue.run("update catalog_reservation set status = 'HELD' where id in (?, ?)", late, unsold)
    ((number,),) = orders.rows("select number from orders_order where id = ?", UUID(lost).hex)
    orders.run("delete from orders_orderline where order_id = ?", number)
    orders.run("delete from orders_order where number = ?", number)
    return {
        ("paid_is_captured_in_full", f"order {unpaid}"),
        ("paid_is_captured_in_full", f"order {another}"),
        ("cancelled_holds_no_money", f"order {kept}"),
        ("cancelled_refuses_a_late_charge", f"order {cancelled}"),
        ("stock_follows_the_order", f"order {late}"),
        ("stock_follows_the_order", f"order {unsold}"),
        ("nothing_without_its_order", f"order {lost}"),
        ("nothing_without_its_order", f"order {stranger}"),
    }


def test_a_service_whose_books_cannot_be_read_proves_nothing(make_stack: MakeStack, tmp_path: Path) -> None:
    """Exit status 2, and every part that can be checked is."""
    stack = make_stack()
    place(stack)
    stack.services["product_stub"].db.run("alter table catalog_reservation rename to elsewhere")
    audited = audit(stack, tmp_path)
    assert (audited.status, audited.broken) == (2, set())
    assert (audited.results["order_service"], audited.results["payment_service"]) == ("holds", "holds")
    assert re.search("The database cannot be read: .*catalog_reservation", audited.err)
    assert "The books of product_stub cannot be read" in audited.err


class Scripted:
    """Commands that answer each look with the next of some lines."""

    def __init__(self, *looks: list[str]) -> None:
        self.looks = list(looks)

    def export(self, service: str, only: Any = None) -> list[str]:
        return self.looks.pop(0) if service == "order_service" else []


def paid(version: int) -> Order:
    """Paid, closed, and without a payment: wrong, if it stays so."""
    return Order("o", version, "PAID", "closed", False, 5, "USD", True, False, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("versions", "waits", "found"),
    [((3,), 1, 1), ((4, 4), 2, 1), ((4, None), 2, 0), ((None,), 1, 0), ((4, 5, 6, 7, 8, 9), 6, 0)],
    ids=["as before", "moved, then stays", "moved, then gone", "gone", "always moving"],
)
def test_a_doubt_is_reported_once_two_looks_saw_the_same(
    versions: tuple[int | None, ...], waits: int, found: int
) -> None:
    """An order that moved between two looks is looked at again, not reported."""
    lines = [[] if each is None else [json.dumps(vars(paid(each)), separators=(",", ":"))] for each in versions]
    slept: list[float] = []
    again = Again(Scripted(*lines), ["order_service"], Scope(), pause_s=7.0, sleep=slept.append)  # type: ignore[arg-type]
    findings = list(again.confirmed({"o": Seen(order=paid(3))}))
    assert [finding.subject for finding in findings] == ["order o"] * found
    assert slept == [7.0] * waits
