"""What a stranger, a page of another site or a careless client sends is refused before it costs or changes anything."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.client import JSON_HEADERS, Http
from tests.stack import SERVICES, Stack

CARD = "4242 4242-4242 4242"
DIGITS = "4242424242424242"
# Another card, in full-width digits.
WIDE = "".join(chr(0xFF10 + int(digit)) for digit in "378282246310005")
EVIL = {"Origin": "https://evil.example"}
POSTS = {"order_service": "/api/orders/", "payment_service": "/api/payments/", "product_stub": "/api/products/"}
# Each way in which an order or a payment can be given a token, a name or a reason.
NAMED: list[tuple[str, str, dict[str, Any], str]] = [
    ("order_service", "/api/orders/", {"customer_name": CARD, "product_ids": [1]}, "customer_name"),
    ("product_stub", "/api/products/", {"name": f"Lamp {CARD}", "price": 1, "stock": 1}, "name"),
    (
        "payment_service",
        "/api/v1/payments/refund",
        {"transaction_id": "t-1", "reason": f"To card {CARD}"},
        "reason",
    ),
]
CHARGES: list[tuple[str, str, dict[str, Any]]] = [
    ("order_service", "/api/orders/", {"customer_name": "Alice", "product_ids": [1]}),
    ("payment_service", "/api/payments/", {"order_id": 7_001, "amount": 5}),
    ("payment_service", "/pay", {"order_id": 7_002, "amount": 5}),
    ("payment_service", "/v1/payments/charge", {"order_id": 7_003, "amount": 5}),
    (
        "payment_service",
        "/api/v1/payments/process",
        {"order_id": 7_004, "amount": 5, "currency": "USD", "payment_method": "credit_card"},
    ),
]


def said_and_kept(stack: Stack) -> tuple[int, int, int, int]:
    """Orders, payments, products and keys that there are."""
    tables = [
        ("order_service", "orders_order"),
        ("payment_service", "payments_payment"),
        ("product_stub", "catalog_product"),
    ]
    counts = [stack.services[name].rows(f"SELECT count(*) FROM {table}")[0][0] for name, table in tables]
    keys = sum(stack.services[name].rows("SELECT count(*) FROM idempotency_idempotencykey")[0][0] for name in SERVICES)
    return counts[0], counts[1], counts[2], keys


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [("order_service", "POST", "/api/orders/"), ("product_stub", "PUT", "/api/reservations/attack/")],
)
def test_a_list_without_end_costs_nothing_and_is_answered_shortly(
    stack: Stack, name: str, method: str, path: str
) -> None:
    """As many empty lines as a body has room for, and 320,000 that it has not."""
    http = Http(stack.services[name].url)
    for elements, status in ((20_000, 400), (320_000, 413)):
        body = b'{"customer_name":"x","items":[' + b",".join([b"{}"] * elements) + b"]}"
        refused = http.request(method, path, data=body, headers=JSON_HEADERS)
        assert refused.status == status
        assert len(refused.text) < 300
    assert refused.json["code"] == "request_too_large"


@pytest.mark.parametrize("value", [b"1e5", b'{"a":[]}'])
@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("order_service", "POST", "/api/orders/"),
        ("product_stub", "POST", "/api/products/"),
        ("product_stub", "PUT", "/api/reservations/attack/"),
        ("payment_service", "POST", "/api/payments/"),
        ("payment_service", "POST", "/pay"),
        ("payment_service", "POST", "/v1/payments/charge"),
        ("payment_service", "POST", "/api/v1/payments/process"),
    ],
)
def test_a_field_that_nobody_reads_is_not_built_when_it_has_thousands_of_values(
    stack: Stack, name: str, method: str, path: str, value: bytes
) -> None:
    """Each would take many times the memory of its text: 400 that names the field, and nothing is kept."""
    before = said_and_kept(stack)
    body = b'{"order_id":1,"amount":1,"extra":{"deep":[' + b",".join([value] * 6_000) + b"]}}"
    refused = Http(stack.services[name].url).request(method, path, data=body, headers=JSON_HEADERS)
    assert (refused.status, refused.json["fields"]) == (400, {"extra": ["Must not have more than 2000 values."]})
    assert said_and_kept(stack) == before


def test_ids_of_thousands_of_digits_are_no_ids(stack: Stack) -> None:
    """404 in a path, 400 in a query and a body, each in a few words."""
    long = "9" * 5_000
    asked = [
        stack.orders.get(f"/api/orders/{long}/"),
        stack.payments.get(f"/api/payments/{long}/"),
        stack.payments.get(f"/api/v1/payments/payment/{long}"),
        stack.products.get(f"/api/products/{long}/"),
        stack.payments.get(f"/v1/payments?order_id={long}"),
        stack.orders.request(
            "POST", "/api/orders/", data=f'{{"customer_name":"x","product_ids":[{long}]}}', headers=JSON_HEADERS
        ),
        stack.payments.request(
            "POST", "/api/payments/", data=f'{{"order_id":{long},"amount":1}}', headers=JSON_HEADERS
        ),
    ]
    assert [answer.status for answer in asked] == [404, 404, 404, 404, 400, 400, 400]
    assert max(len(answer.text) for answer in asked) < 300


def test_another_sites_page_moves_no_money_and_no_stock(stack: Stack) -> None:
    """The POSTs without a body that a form can send, at each service; without that page they do what they say."""
    order = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1], "payment": "later"}).json
    held = f"/api/reservations/{order['id']}/"
    moves = [
        (stack.orders, "POST", f"/api/orders/{order['id']}/cancel/"),
        (stack.payments, "POST", f"/api/payments/{order['id']}/void/"),
        (stack.products, "DELETE", held),
        (stack.products, "POST", f"{held}confirm/"),
    ]
    for http, method, path in moves:
        for headers in (EVIL, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = http.request(method, path, headers=headers)
            assert (refused.status, refused.json["code"]) == (403, "cross_site")
    assert stack.orders.get(f"/api/orders/{order['id']}/").json["status"] == "PENDING"
    assert stack.products.get(held).json["status"] == "HELD"
    cancelled = stack.orders.request("POST", moves[0][2], headers={"Origin": stack.services["order_service"].url})
    assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLED")


@pytest.mark.parametrize("name", SERVICES)
def test_a_header_that_comes_twice_is_refused(stack: Stack, name: str) -> None:
    """Two lines on the wire, of which whoever stands in front may have read the other one."""
    http, before = Http(stack.services[name].url), said_and_kept(stack)
    for header, values in {
        "Idempotency-Key": ("a", "b"),
        "idempotency-key": ("", "b"),
        "X-Request-ID": ("a", "a"),
        "Content-Type": ("application/json", "text/plain"),
        "Origin": ("http://localhost", "https://evil.example"),
        "Sec-Fetch-Site": ("same-origin", "cross-site"),
        "traceparent": ("00-a", "00-b"),
    }.items():
        headers = {"Host": "localhost", "Content-Length": "2", **JSON_HEADERS}
        headers.pop(header, None)
        more = [(header, value) for value in values]
        status, body = http.raw("POST", POSTS[name], headers=headers, more=more, body=b"{}")
        assert (status, json.loads(body)["code"]) in {(400, "header_repeated"), (400, "idempotency_key_invalid")}
    assert http.raw("GET", "/docs", headers={}, more=[("Host", "localhost"), ("Host", "evil.example")])[0] == 400
    assert said_and_kept(stack) == before


@pytest.mark.parametrize(("name", "path", "body", "field"), NAMED)
def test_a_card_number_in_a_name_or_a_reason_is_refused(
    stack: Stack, name: str, path: str, body: dict[str, Any], field: str
) -> None:
    """Nothing is stored, repeated or logged."""
    _assert_refused(stack, name, path, body, field)


@pytest.mark.parametrize(("name", "path", "body"), CHARGES)
@pytest.mark.parametrize("card", [CARD, DIGITS, f"tok_{DIGITS}", WIDE])
def test_a_card_number_in_the_place_of_a_token_is_refused(
    stack: Stack, name: str, path: str, body: dict[str, Any], card: str
) -> None:
    """At the order service and at each door of the ledger."""
    _assert_refused(
        stack, name, path, {**body, "payment_method_details": {"token": card}}, "payment_method_details.token"
    )


@pytest.mark.parametrize(("name", "path", "body"), CHARGES)
def test_a_card_number_is_no_payment_method(stack: Stack, name: str, path: str, body: dict[str, Any]) -> None:
    """Which it was kept as, for good."""
    _assert_refused(stack, name, path, {**body, "payment_method": DIGITS}, "payment_method")


def _assert_refused(stack: Stack, name: str, path: str, body: dict[str, Any], field: str) -> None:
    before = said_and_kept(stack)
    refused = Http(stack.services[name].url).post(path, body, key=str(uuid4()))
    assert (refused.status, list(refused.json["fields"])) == (400, [field])
    assert said_and_kept(stack) == before
    for text in (refused.text, stack.services[name].log_text()):
        assert not [digits for digits in (CARD, DIGITS) if digits in text]


def test_a_key_that_comes_twice_charges_neither_amount(stack: Stack) -> None:
    """Who stands in front may read the first one, and the ledger would take the last."""
    body = b'{"order_id": 7005, "amount": 1, "\\u0061mount": 100}'
    refused = stack.payments.request("POST", "/api/payments/", data=body, headers=JSON_HEADERS)
    assert (refused.status, refused.json["code"]) == (400, "malformed_json")
    assert stack.payments.get("/api/payments/7005/").status == 404


def test_a_lying_header_charges_nothing(stack: Stack) -> None:
    """A body that only says that it is packed."""
    headers = {**JSON_HEADERS, "Content-Encoding": "gzip"}
    refused = stack.payments.request("POST", "/api/payments/", data=b'{"order_id": 7006, "amount": 1}', headers=headers)
    assert (refused.status, refused.json["code"]) == (415, "unsupported_media_type")
    assert stack.payments.get("/api/payments/7006/").status == 404


@pytest.mark.parametrize("name", SERVICES)
def test_a_probe_may_ask_a_process_by_its_address(stack: Stack, name: str) -> None:
    """200 whatever the host; nothing else is answered under it."""
    http = Http(stack.services[name].url)
    for path, status in {"/health": 200, "/health/live": 200, "/metrics": 200, "/docs": 400, POSTS[name]: 400}.items():
        assert http.get(path, Host="10.1.2.3:8000").status == status
