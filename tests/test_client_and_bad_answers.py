"""The typed client before a peer that answers nonsense, or not at all, and before a caller who gives nonsense."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

import orderpay
from orderpay import transport

NOON: Final = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
UID: Final = UUID("c1a2b3d4-e5f6-7890-abcd-ef1234567890")
ORDER: Final[Mapping[str, Any]] = {
    "id": str(UID),
    "number": 1,
    "customer_name": "Alice",
    "items": [{"product_id": 1, "name": "Mug", "quantity": 1, "unit_price": 5, "line_total": 5}],
    "total_amount": 5,
    "currency": "USD",
    "status": "PAID",
    "cancellation_reason": None,
    "created_at": "2026-01-02T12:00:00Z",
    "updated_at": "2026-01-02T12:00:00Z",
    "paid_at": None,
    "expires_at": None,
    "payment_status": "COMPLETED",
    "refunded_amount": 0,
}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    key: str | None


@dataclass
class Peer:
    """A server that answers by a list, the last of it for good: a status with a body; None hangs up."""

    answers: list[tuple[int, Any] | None]
    asked: list[Request] = field(default_factory=list)
    url: str = ""


@contextmanager
def peer(*answers: tuple[int, Any] | None) -> Iterator[Peer]:
    there = Peer([*answers])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: in two the second waits for an acknowledgement

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there.asked.append(Request(self.command, self.path, self.headers["Idempotency-Key"]))
            said = there.answers.pop(0) if len(there.answers) > 1 else there.answers[0]
            if said is None:
                self.close_connection = True
                return
            status, body = said
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(raw)))
            self.send_header("X-Request-ID", "r1")
            self.end_headers()
            self.wfile.write(b"" if status == 204 else raw)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    there.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long is waited between two attempts is another test's."""
    monkeypatch.setattr(transport, "BACKOFF_S", (0.0,))


def client(there: Peer, **more: Any) -> orderpay.Client:
    return orderpay.Client(there.url, there.url, there.url, mails=there.url, **more)


def place(to: orderpay.Client, **more: Any) -> orderpay.Order:
    return to.orders.place(customer_name="Alice", items={1: 1}, **more)


Call = Callable[[orderpay.Client], object]
# Every operation that is answered with something.
CALLS: Final[Mapping[str, Call]] = {
    "place": place,
    "order": lambda c: c.orders.get(1),
    "orders": lambda c: [*c.orders.list()],
    "order_page": lambda c: c.orders.page(),
    "order_events": lambda c: c.orders.events(1),
    "order_progress": lambda c: c.orders.progress(1),
    "cancel": lambda c: c.orders.cancel(1),
    "look_again": lambda c: c.orders.look_again(1),
    "charge": lambda c: c.payments.charge(1, "5.00"),
    "charge_charges": lambda c: c.payments.charge(1, "5.00", door="charges"),
    "charge_process": lambda c: c.payments.charge(1, "5.00", door="process", currency="USD", method="stripe"),
    "authorize": lambda c: c.payments.authorize(1, "5.00", currency="USD"),
    "pay": lambda c: c.payments.pay(1, "5.00"),
    "payment": lambda c: c.payments.get(order_id=1),
    "state": lambda c: c.payments.state(1),
    "payments": lambda c: [*c.payments.list()],
    "payment_page": lambda c: c.payments.page(),
    "payment_events": lambda c: c.payments.events(1),
    "payment_progress": lambda c: c.payments.progress(1),
    "blocked": lambda c: c.payments.blocked(),
    "take_up": lambda c: c.payments.take_up(1),
    "capture": lambda c: c.payments.capture("t"),
    "void_order": lambda c: c.payments.void(order_id=1),
    "void": lambda c: c.payments.void(transaction_id="t"),
    "refund_number": lambda c: c.payments.refund(payment_id=1),
    "refund": lambda c: c.payments.refund(transaction_id="t"),
    "products": lambda c: [*c.products.list()],
    "product_page": lambda c: c.products.page(),
    "product": lambda c: c.products.get(1),
    "create_product": lambda c: c.products.create(name="Mug", price=5, stock=1),
    "restock": lambda c: c.products.restock(1, 1),
    "reservation": lambda c: c.reservations.get("r"),
    "hold": lambda c: c.reservations.hold("r", {1: 1}),
    "confirm": lambda c: c.reservations.confirm("r"),
    "confirm_many": lambda c: c.reservations.confirm_many(["r"]),
    "release": lambda c: c.reservations.release("r"),
    "invariants": lambda c: c.operations["orders"].invariants(),
    "recorded": lambda c: c.operations["orders"].events(request_id="r"),
    "consumed": lambda c: c.operations["orders"].consumed(["e"]),
    "dead_letters": lambda c: c.operations["orders"].dead_letters(),
    "replay": lambda c: c.operations["orders"].replay_dead_letter(1),
    "give_up": lambda c: c.operations["orders"].give_up_dead_letter(1),
    "parked": lambda c: c.operations["orders"].parked_messages(),
    "replay_parked": lambda c: c.operations["orders"].replay_parked_message(1),
    "webhooks": lambda c: c.webhooks["orders"].list(),
    "create_webhook": lambda c: c.webhooks["orders"].create("u", ["*"]),
    "webhook": lambda c: c.webhooks["orders"].get("w"),
    "change_webhook": lambda c: c.webhooks["orders"].change("w", url="u"),
    "delete_webhook": lambda c: c.webhooks["orders"].delete("w"),
    "rotate": lambda c: c.webhooks["orders"].rotate("w"),
    "example": lambda c: c.webhooks["orders"].send_example("w"),
    "recover": lambda c: c.webhooks["orders"].recover("w", since=NOON),
    "deliveries": lambda c: [*c.webhooks["orders"].deliveries("w")],
    "delivery_page": lambda c: c.webhooks["orders"].page("w"),
    "delivery": lambda c: c.webhooks["orders"].delivery("w", "d"),
    "resend": lambda c: c.webhooks["orders"].resend("w", "d"),
    "mails": lambda c: [*c.mails.list()],
    "mail_page": lambda c: c.mails.page(),
    "health": lambda c: c.health("orders"),
    "metrics": lambda c: c.metrics("orders"),
}
NONSENSE: Final[Mapping[str, tuple[int, Any]]] = {
    "empty": (201, b""),
    "no content": (204, b""),
    "a page": (200, b"<html>OK</html>"),
    "a page in place of a no": (404, b"<html>No such page</html>"),
    "a fault on the way": (500, b"<html>Oops</html>"),
    "elsewhere": (302, b""),
    "a time-out on the way": (524, b"<html>A timeout occurred</html>"),
    "a list": (200, []),
    "nothing in it": (201, {}),
    "null": (200, None),
    "a word": (200, "OK"),
    "cut short": (201, json.dumps(ORDER).encode()[:-9]),
    "a no cut short": (400, b'{"error": "Payment failed", "custo'),
    "too deep": (200, b"[" * 100_000),
    "too large a number": (200, b'{"amount": 1e9999999999999999999}'),
    "lists of nothing": (200, {"items": [None], "total": 1, "next_cursor": None}),
    "wrong types": (
        200,
        {"items": {}, "total": "1", "status": [], "amount": [], "count": None, "recovered": True, "id": {}},
    ),
}


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_an_answer_that_makes_no_sense_is_a_lost_one(nonsense: str) -> None:
    """Whatever was asked: it is asked again, with the same key, and in the end the error has that key."""
    with peer(NONSENSE[nonsense]) as there:
        to = client(there, retries=1)
        for name, call in CALLS.items():
            if NONSENSE[nonsense][0] == 204 and name in ("release", "delete_webhook"):
                continue  # which is how those are answered
            there.asked.clear()
            with pytest.raises(orderpay.Unavailable) as lost:
                call(to)
            first, second = there.asked
            assert first == second, name
            assert (first.method == "POST") is bool(first.key), name
            assert lost.value.idempotency_key == (first.key or ""), name


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_an_order_is_not_placed_a_second_time_after_a_nonsensical_answer(nonsense: str) -> None:
    """The second answer to the same key is the order."""
    with peer(NONSENSE[nonsense], (201, ORDER)) as there:
        assert place(client(there)).id == str(UID)
        assert there.asked[0].key == there.asked[1].key


@pytest.mark.parametrize(
    "wrong",
    [
        {"total_amount": None},
        {"total_amount": []},
        {"total_amount": "much"},
        {"total_amount": "NaN"},
        {"total_amount": True},
        {"refunded_amount": "1e99"},
        {"created_at": "yesterday"},
        {"created_at": 5},
        {"created_at": "2026-01-02T12:00:00"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"items": None},
        {"items": [1]},
        {"items": [{"product_id": 1}]},
        {"items": [{"product_id": "1", "quantity": 1}]},
        {"number": "1"},
        {"number": 1.5},
        {"id": None},
        {"status": 7},
        {"next_action": []},
        {"next_action": {"type": "redirect"}},
    ],
)
def test_an_order_with_a_field_of_a_wrong_type_is_none(wrong: Mapping[str, Any]) -> None:
    """In what is placed as in what is refused, and the error says which field."""
    for status, more in ((201, {}), (400, {"error": "Payment failed"})):
        with peer((status, {**ORDER, **more, **wrong})) as there, pytest.raises(orderpay.Unavailable) as lost:
            place(client(there, retries=0), idempotency_key="mine")
        assert lost.value.idempotency_key == "mine"
        (name,) = wrong
        where = {"items": "Item|Order.items", "next_action": "NextAction"}.get(name, f"Order.{name}")
        assert re.search(rf"({where})\b.* (should be|has no)", lost.value.message), lost.value.message


def test_a_payment_without_a_status_is_none() -> None:
    """It is not taken for one that has taken money, nor a refund for one that has arrived."""
    body: Any
    for body in ({}, {"message": "Hello", "payment_id": 1}, {"message": []}, {"status": None, "amount": 5}):
        with peer((200, body)) as there:
            for name in ("charge", "pay", "capture", "void", "state", "refund"):
                with pytest.raises(orderpay.Unavailable):
                    CALLS[name](client(there, retries=0))
    with peer((200, {"message": "Payment successful", "payment_id": 1, "order_id": 1})) as there:
        assert client(there).payments.pay(1, 5).status == "CAPTURED"


def test_a_list_that_leads_nowhere_ends() -> None:
    """A cursor that is the one before would ask for the same page for ever."""
    with peer((200, {"items": [], "next_cursor": "c"})) as there, pytest.raises(orderpay.Unavailable):
        [*client(there, retries=1).orders.list()]
    assert len(there.asked) == 3


def test_every_error_of_a_post_has_its_key() -> None:
    """Those that say no, too."""
    for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503):
        with peer((status, {"error": "No", "code": "no"})) as there:
            for call in (place, CALLS["charge"], CALLS["refund"], CALLS["confirm"]):
                with pytest.raises(orderpay.OrderPayError) as refused:
                    call(client(there, retries=0))
                assert refused.value.idempotency_key == there.asked[-1].key


def test_a_delete_whose_answer_was_lost_is_done() -> None:
    """404 on a repeat says that it is gone; at once it says that there was none."""
    missing = (404, {"error": "Webhook not found", "code": "webhook_not_found"})
    for lost in (None, (200, b"<html>"), (502, b"")):
        with peer(lost, missing) as there:
            client(there).webhooks["orders"].delete("w")
        assert len(there.asked) == 2
    with peer(None, (404, b"<html>No such page</html>")) as there, pytest.raises(orderpay.Unavailable):
        client(there).webhooks["orders"].delete("w")
    for before in ((429, {"error": "Later", "code": "too_many_requests"}), missing):
        with peer(before, missing) as there, pytest.raises(orderpay.NotFound):
            client(there).webhooks["orders"].delete("w")


def test_a_decline_has_its_code_and_the_status_that_came() -> None:
    """At every door; where the door has no word for why, one that says so."""
    charged = {"payment_id": 1, "reference": "E", "status": "FAILED", "message": "Payment failed"}
    step = {"success": False, "transaction_id": "t", "payment_intent_id": "p", "status": "failed", "error": "Expired"}
    door_a = {"id": "x", "order_id": 1, "amount": 5, "status": "FAILED", "failure_code": "expired_card"}
    refund = {"success": False, "refund_id": "r", "amount": 5, "status": "failed", "error": "No"}
    for name, status, body, code in (
        ("charge", 201, door_a, "expired_card"),
        ("charge_charges", 201, charged, "payment_failed"),
        ("charge_process", 200, step, "payment_failed"),
        ("refund", 200, refund, "refund_failed"),
    ):
        with peer((status, body)) as there, pytest.raises(orderpay.Declined) as declined:
            CALLS[name](client(there))
        assert (declined.value.status, declined.value.code, declined.value.request_id) == (status, code, "r1")


def test_a_service_that_is_dead_is_not_live() -> None:
    """Nor is anything else that answers there."""
    dead: Any
    for dead in (None, (200, b"<html>"), (200, []), (503, {"status": "stuck"}), (500, {"error": "x"})):
        with peer(dead) as there:
            assert client(there, retries=0).is_live("orders") is False
    with peer((200, {"status": "ok"})) as there:
        assert client(there).is_live("orders") is True


ODD_KEYS: Final = ("", "ключ", "a\nb", " a ", "\x00", "k" * 256, "caf\u00e9")


def test_what_cannot_be_sent_is_refused_at_once_by_its_name() -> None:
    """Nothing is sent and nothing is waited for; a UUID is a key as its text."""
    odd: Any
    with peer((201, ORDER)) as there:
        to = client(there)
        for odd in ODD_KEYS:
            for call in (place, lambda c, **more: c.payments.refund(transaction_id="t", **more)):
                with pytest.raises(ValueError, match="idempotency_key"):
                    call(to, idempotency_key=odd)
        for odd in (5, b"k", True, []):
            with pytest.raises(TypeError, match="idempotency_key"):
                place(to, idempotency_key=odd)
        assert there.asked == []
        key = uuid4()
        place(to, idempotency_key=key)
        assert [each.key for each in there.asked] == [str(key)]


def test_an_odd_address_or_key_is_refused_when_the_client_is_made() -> None:
    """Each by the name of its service."""
    here: dict[str, Any] = {"orders": "http://x"}
    odd: Any
    name: str
    for url in (
        "localhost:8000",
        "",
        "ftp://x",
        "http://",
        "//x",
        "http://x:port",
        "http://x y",
        "http://x?a=b",
        "http://x#",
        "http://x?",
        "http://x\\y",
        "http://[x",
    ):
        for name in ("orders", "payments", "products"):
            with pytest.raises(ValueError, match=name):
                orderpay.Client(**{**here, name: url})
    for odd, name in ((0, "timeout_s"), (-1.0, "timeout_s"), (float("nan"), "timeout_s"), (-1, "retries")):
        with pytest.raises(ValueError, match=name):
            orderpay.Client(**{name: odd})
    for odd, name in ((None, "timeout_s"), ("1", "timeout_s"), (1.5, "retries"), (None, "retries")):
        with pytest.raises(TypeError, match=name):
            orderpay.Client(**{name: odd})
    with pytest.raises(TypeError, match="payments"):
        orderpay.Client(payments=None)  # type: ignore[arg-type]
    for key in ("a\n", "a\r\nX: y", "a b", "ключ", "\x7f"):
        with pytest.raises(ValueError, match="key of orders") as refused:
            orderpay.Client(key=key)
        assert key not in str(refused.value)
        with peer((201, ORDER)) as there, pytest.raises(ValueError, match="key of orders"):
            place(client(there, key=lambda odd=key: odd))
    with pytest.raises(TypeError, match="key of products"):
        orderpay.Client(key={"products": b"k"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="order"):
        orderpay.Client(key={"order": "k"})
    with peer((201, ORDER)) as there, pytest.raises(ValueError, match="request_id"):
        place(client(there, request_id=lambda: "a\nb"))


WITH_AN_ID: Final[Mapping[str, Callable[[orderpay.Client, Any], object]]] = {
    "order": lambda c, odd: c.orders.get(odd),
    "events": lambda c, odd: c.orders.events(odd),
    "progress": lambda c, odd: c.orders.progress(odd),
    "cancel": lambda c, odd: c.orders.cancel(odd),
    "look_again": lambda c, odd: c.orders.look_again(odd),
    "charge": lambda c, odd: c.payments.charge(odd, 5),
    "authorize": lambda c, odd: c.payments.authorize(odd, 5, currency="USD"),
    "pay": lambda c, odd: c.payments.pay(odd, 5),
    "payment by order": lambda c, odd: c.payments.get(order_id=odd),
    "payment": lambda c, odd: c.payments.get(payment_id=odd),
    "payment by transaction": lambda c, odd: c.payments.get(transaction_id=odd),
    "state": lambda c, odd: c.payments.state(odd),
    "payments": lambda c, odd: c.payments.list(order_id=odd),
    "payment_page": lambda c, odd: c.payments.page(order_id=odd),
    "payment_events": lambda c, odd: c.payments.events(odd),
    "payment_progress": lambda c, odd: c.payments.progress(odd),
    "take_up": lambda c, odd: c.payments.take_up(odd),
    "capture": lambda c, odd: c.payments.capture(odd),
    "void order": lambda c, odd: c.payments.void(order_id=odd),
    "void": lambda c, odd: c.payments.void(transaction_id=odd),
    "refund by number": lambda c, odd: c.payments.refund(payment_id=odd),
    "refund": lambda c, odd: c.payments.refund(transaction_id=odd),
    "product": lambda c, odd: c.products.get(odd),
    "restock": lambda c, odd: c.products.restock(odd, 1),
    "reservation": lambda c, odd: c.reservations.get(odd),
    "hold": lambda c, odd: c.reservations.hold(odd, {1: 1}),
    "confirm": lambda c, odd: c.reservations.confirm(odd),
    "confirm_many": lambda c, odd: c.reservations.confirm_many(["r", odd]),
    "release": lambda c, odd: c.reservations.release(odd),
    "recorded": lambda c, odd: c.operations["orders"].events(aggregate_id=odd),
    "recorded by request": lambda c, odd: c.operations["orders"].events(request_id=odd),
    "consumed": lambda c, odd: c.operations["orders"].consumed(["e", odd]),
    "replay": lambda c, odd: c.operations["orders"].replay_dead_letter(odd),
    "give_up": lambda c, odd: c.operations["orders"].give_up_dead_letter(odd),
    "replay_parked": lambda c, odd: c.operations["orders"].replay_parked_message(odd),
    "webhook": lambda c, odd: c.webhooks["orders"].get(odd),
    "change": lambda c, odd: c.webhooks["orders"].change(odd, url="u"),
    "delete": lambda c, odd: c.webhooks["orders"].delete(odd),
    "rotate": lambda c, odd: c.webhooks["orders"].rotate(odd),
    "example": lambda c, odd: c.webhooks["orders"].send_example(odd),
    "recover": lambda c, odd: c.webhooks["orders"].recover(odd, since=NOON),
    "deliveries": lambda c, odd: c.webhooks["orders"].deliveries(odd),
    "deliveries of": lambda c, odd: c.webhooks["orders"].deliveries("w", subject=odd),
    "delivery_page": lambda c, odd: c.webhooks["orders"].page(odd),
    "delivery": lambda c, odd: c.webhooks["orders"].delivery("w", odd),
    "resend": lambda c, odd: c.webhooks["orders"].resend(odd, "d"),
    "mails": lambda c, odd: c.mails.list(order_id=odd),
}
IN_A_BODY_OR_QUERY: Final = frozenset(
    ("charge", "authorize", "pay", "payments", "payment_page", "capture", "void", "refund", "confirm_many",
     "recorded", "recorded by request", "consumed", "deliveries of", "mails")
)  # fmt: skip


@pytest.mark.parametrize("name", WITH_AN_ID)
def test_an_id_that_is_none_is_refused_at_every_operation(name: str) -> None:
    """An empty one would be another address, and so would dots; nothing is sent."""
    with peer((200, {})) as there:
        for odd in ("", " ", "\ud800", *(() if name in IN_A_BODY_OR_QUERY else (".", ".."))):
            with pytest.raises(ValueError, match=r"id|reference|position|number|subject"):
                WITH_AN_ID[name](client(there), odd)
        for odd in (True, b"x", 1.5, []):
            with pytest.raises(TypeError):
                WITH_AN_ID[name](client(there), odd)
    assert there.asked == []


def test_nothing_that_is_given_is_left_out_silently() -> None:
    """What an operation cannot take it says, by the argument's name."""
    odd: Any
    door: Any
    with peer((200, {"items": [], "total": 0})) as there:
        to = client(there)
        with pytest.raises(TypeError, match="reason"):
            to.payments.refund(payment_id=2, reason="broken")
        with pytest.raises(TypeError, match="statuss"):
            to.orders.page(statuss="PAID")
        with pytest.raises(TypeError, match="order"):
            to.payments.page(order=1)
        for odd in ("order.paid", b"x", 5, {"a": 1}):
            with pytest.raises(TypeError, match="events"):
                to.webhooks["orders"].create("u", odd)
            with pytest.raises(TypeError, match="events"):
                to.webhooks["orders"].change("w", events=odd)
            with pytest.raises(TypeError, match="reservation_ids"):
                to.reservations.confirm_many(odd)
            with pytest.raises(TypeError, match="event_ids"):
                to.operations["orders"].consumed(odd)
        for door in ("x", "", None):
            with pytest.raises(ValueError, match="payments, charges, process"):
                to.payments.charge(1, 5, door=door)
        for call in (to.health, to.is_live, to.metrics):
            with pytest.raises(ValueError, match="orders, payments, products, mails"):
                call("x")
    assert there.asked == []


def test_what_json_does_not_have_is_refused_by_its_name() -> None:
    """In a body and in a query."""
    odd: Any
    number: Any
    with peer((200, {})) as there:
        to = client(there)
        for odd in (b"Alice", {1, 2}, object(), 1j):
            with pytest.raises(TypeError, match="customer_name"):
                to.orders.place(customer_name=odd, items={1: 1})
            with pytest.raises(TypeError, match="customer_name"):
                to.orders.list(customer_name=odd)
            with pytest.raises(TypeError, match="amount"):
                to.payments.charge(1, odd)
            with pytest.raises(TypeError, match="token"):
                place(to, token=odd)
            with pytest.raises(TypeError, match="items"):
                to.orders.place(customer_name="A", items={1: odd})
            with pytest.raises(TypeError, match="since"):
                to.webhooks["orders"].recover("w", since=odd)
        for odd in ([1, 2], "12", None):
            with pytest.raises(TypeError, match="items"):
                to.orders.place(customer_name="A", items=odd)
        with pytest.raises(TypeError, match="status"):
            to.orders.page(status=["PAID"])
        for number in (Decimal("NaN"), Decimal("Infinity"), float("nan")):
            with pytest.raises(ValueError, match="amount"):
                to.payments.charge(1, number)
        with pytest.raises(ValueError, match="customer_name"):
            to.orders.list(customer_name="\ud800")
    assert there.asked == []


def test_events_are_looked_for_in_batches() -> None:
    """Each once, whatever its type, and none of them left out."""
    found = {"consumer": "c", "source": "s", "consumed_at": "2026-01-02T12:00:00Z"}
    ids = [uuid4() for _ in range(150)]
    with peer((200, {"items": [{**found, "event_id": "a"}]}), (200, {"items": [{**found, "event_id": "b"}]})) as there:
        assert [each.event_id for each in client(there).operations["orders"].consumed([*ids, ids[0]])] == ["a", "b"]
    asked = [each.path.partition("event_ids=")[2].split("%2C") for each in there.asked]
    assert ([len(each) for each in asked], asked[0] + asked[1]) == ([100, 50], [str(each) for each in ids])
    with peer((200, {})) as there:
        assert client(there).operations["orders"].consumed([]) == ()
    assert there.asked == []
