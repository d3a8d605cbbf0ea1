"""Looking costs the one who looks: lists, scrapes and wrong passwords take no slot from an order."""

import http.client
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlencode, urlsplit

import pytest

from tests import books
from tests.stack import SERVICES, Stack

ORDER = {"customer_name": "Alice", "product_ids": [1]}
ORDERS = 8
PREDICTABLE = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0"}
# Of the orders nobody waits for a slot, for they come one by one; whoever stands in line behind others is refused.
IMPATIENT = {"REQUEST_WAIT_S": "0.2"}
# A page of these is as long as one may be, and to find it takes a while.
PAYMENTS = 3000
LONGEST_PAGE = "/v1/payments?amount_gt=1&amount_lt=99999&sort_by_created=asc&per_page=200&page=8"


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A ledger with some history, and no chance in what becomes of a payment."""
    stack = make_module_stack(settings={name: {**IMPATIENT, **PREDICTABLE} for name in SERVICES})
    csv: Path = tmp_path_factory.mktemp("csv") / "payments.csv"
    lines = [
        f"{n},{900_000 + n},{n % 97 + 2}.50,CARD,SUCCESS,ECI20250101-{n:08X},2025-01-01 10:{n // 60:02}:{n % 60:02},0"
        for n in range(1, PAYMENTS + 1)
    ]
    csv.write_text("payment_id,order_id,amount,method,status,reference,created_at,refunded\n" + "\n".join(lines) + "\n")
    imported = stack.services["payment_service"].manage("import_payments", str(csv))
    assert imported.returncode == 0, imported.stdout + imported.stderr
    return stack


@contextmanager
def crowd(
    url: str, method: str, path: str, *, clients: int, body: str = "", headers: Mapping[str, str] | None = None
) -> Iterator[Counter[int]]:
    """So many clients that ask for this over and over, and how often each status was the answer."""
    address, done, answers = urlsplit(url), Event(), [Counter[int]() for _ in range(clients)]

    def ask(counted: Counter[int]) -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        while not done.is_set():
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
            counted[answer.status] += 1
        connection.close()

    threads = [Thread(target=ask, args=(counted,)) for counted in answers]
    seen: Counter[int] = Counter()
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for counted in answers:
            seen.update(counted)


def place_orders(stack: Stack) -> list[tuple[int, str]]:
    """One after another; what became of each."""
    replies = [stack.orders.post("/api/orders/", ORDER) for _ in range(ORDERS)]
    return [(reply.status, reply.json["status"]) for reply in replies]


def assert_all_in_the_books(stack: Stack, total_before: int) -> None:
    assert stack.orders.get("/api/orders/?per_page=1").json["total"] == total_before + ORDERS
    assert books.problems_at_rest(stack, but="payment without an order: 9") == []


LOOKS = {
    "payments": ("payment_service", LONGEST_PAGE, 60, {200, 503}),
    "orders": ("order_service", "/api/orders/?per_page=200", 60, {200, 503}),
    "products": ("product_stub", "/api/products/?per_page=200", 60, {200, 503}),
    # Never refused, however many there are.
    "metrics": ("order_service", "/metrics", 130, {200}),
}


@pytest.mark.parametrize("look", LOOKS)
def test_whoever_looks_costs_no_order_its_payment(stack: Stack, look: str) -> None:
    """Over and over, without a pause: every order is PAID all the same."""
    service, path, clients, statuses = LOOKS[look]
    before = stack.orders.get("/api/orders/?per_page=1").json["total"]
    with crowd(stack.services[service].url, "GET", path, clients=clients) as answered:
        outcomes = place_orders(stack)
    assert outcomes == [(201, "PAID")] * ORDERS
    assert set(answered) <= statuses
    assert answered[200] > 0
    assert_all_in_the_books(stack, before)


def test_trying_passwords_costs_no_order_anything(stack: Stack) -> None:
    """Fifteen clients without a pause: five tries at most are looked at, the others refused; every order is PAID."""
    before = stack.orders.get("/api/orders/?per_page=1").json["total"]
    token = "x" * 32
    form = urlencode({"csrfmiddlewaretoken": token, "username": "root", "password": "wrong"})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={token}"}
    url = stack.services["order_service"].url
    with crowd(url, "POST", "/admin/login/", clients=15, body=form, headers=headers) as answered:
        outcomes = place_orders(stack)
    assert outcomes == [(201, "PAID")] * ORDERS
    assert set(answered) <= {200, 429, 503}
    assert 0 < answered[200] <= 5
    assert_all_in_the_books(stack, before)
