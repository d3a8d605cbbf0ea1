"""A form does what it says, once: nothing in it is guessed, cut off or put right, and sent again it says so."""

import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import responses
from django.test import Client

from console.pages import services
from console.tests.peers import ORDERS, PAYMENTS, PRODUCTS

KEY: Final = "5b0f9c1e-3a55-4a4f-9d3f-6d1b1f6c2a10"
ID: Final = "c1a2b3d4-e5f6-7890-abcd-ef1234567890"
AT: Final = "2026-01-02T12:00:00Z"
ORDER: Final[dict[str, Any]] = {
    "id": ID, "number": 12, "customer_name": "Alice", "items": [], "total_amount": 20, "currency": "USD",
    "status": "PAID", "cancellation_reason": None, "created_at": AT, "paid_at": AT, "updated_at": AT,
    "expires_at": None, "payment_status": "SUCCESS", "refunded_amount": 0,
}  # fmt: skip
PAYMENT: Final[dict[str, Any]] = {
    "id": "11111111-2222-3333-4444-555555555555", "order_id": 7, "amount": 104.85, "currency": "INR",
    "payment_method": "card", "status": "completed", "transaction_id": "txn_1", "payment_intent_id": None,
    "provider_response": None, "error_message": None, "created_at": AT, "updated_at": AT, "authorized_at": None,
    "captured_at": AT, "refunded_at": None, "refunds": [],
}  # fmt: skip
FORM: Final = {"key": KEY, "customer_name": "Alice", "payment": "now", "token": "tok_ok", "q-1": "2"}
REUSED: Final = {"error": "This Idempotency-Key was used with another request body", "code": services.KEY_REUSED}


@pytest.fixture(autouse=True)
def _three_products(wire: responses.RequestsMock) -> None:
    catalogue(wire, 3)


def catalogue(mock: responses.RequestsMock, count: int) -> None:
    """So many products, in pages as the service has them."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        asked = parse_qs(urlsplit(request.url).query)
        page, per_page = int(asked["page"][0]), int(asked["per_page"][0])
        shown = range((page - 1) * per_page + 1, min(page * per_page, count) + 1)
        items = [product(number) for number in shown]
        return 200, {}, json.dumps({"items": items, "page": page, "per_page": per_page, "total": count})

    mock.add_callback(responses.GET, f"{PRODUCTS}/api/products/", callback=answer, content_type="application/json")


def product(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Thing {number}", "price": 2.5, "stock": 9}


def sent(mock: responses.RequestsMock) -> list[Any]:
    """What was asked to be done: the bodies of all POST requests."""
    return [json.loads(call.request.body or b"{}") for call in mock.calls if call.request.method == "POST"]


def text_of(answer: Any) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def test_an_order_is_placed_as_it_was_filled_in(client: Client, wire: responses.RequestsMock) -> None:
    """Blank and 0 are none of it; the order has the form's own key."""
    wire.post(f"{ORDERS}/api/orders/", json=ORDER, status=201)
    answer = client.post("/shop/order/", {**FORM, "q-2": "", "q-3": "0"})
    assert (answer.status_code, answer["Location"]) == (302, "/shop/orders/12/")
    (body,) = sent(wire)
    assert body["items"] == [{"product_id": 1, "quantity": 2}]
    assert wire.calls[-1].request.headers["Idempotency-Key"] == KEY


@pytest.mark.parametrize("key", ["", "ключ", "a b", "a\nb", "\0", "x" * 256, "<b>", ["a", "b"], None])
@pytest.mark.parametrize(
    "path",
    [
        "/shop/order/",
        "/shop/orders/12/pay/",
        f"/do/cancel/{ID}/",
        f"/do/pay/{ID}/",
        "/do/refund/1/",
        "/do/take-up/1/",
        f"/do/resend-order-webhook/{ID}.{ID}/",
        "/do/replay-message/1/",
    ],
)
def test_an_odd_hidden_field_is_refused_before_anything_is_asked(
    client: Client, wire: responses.RequestsMock, path: str, key: Any
) -> None:
    """With a page that says so; no service hears of it."""
    wire.get(f"{ORDERS}/api/orders/{ID}/", json=ORDER)
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/", json=PAYMENT)
    given = {**FORM, "amount": "5", "key": key}
    answer = client.post(path, {name: value for name, value in given.items() if value is not None})
    assert answer.status_code == 400
    assert "This form is not as the page made it" in text_of(answer)
    assert sent(wire) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("q-1", "1001"),
        ("q-1", "-1"),
        ("q-1", "1.5"),
        ("q-1", "1e2"),
        ("q-1", "two"),
        ("q-1", "\uff12"),
        ("q-1", "9" * 30),
        ("q-1", "9" * 5000),
        ("q-1", ["2", "3"]),
        ("q-" + "9" * 30, "1"),
        ("q-01", "1"),
        ("q-0", "1"),
        ("q--1", "1"),
        ("q-", "1"),
        ("q-x", "1"),
        ("payment", "yesterday"),
        ("payment", ""),
        ("payment", None),
        ("payment", ["now", "later"]),
        ("token", ""),
        ("token", None),
        ("token", ["tok_ok", "tok_expired_card"]),
        ("payment_method", "gold"),
        ("customer_name", ""),
        ("customer_name", " "),
        ("customer_name", ["Alice", "Bob"]),
    ],
)
def test_what_cannot_be_taken_is_refused_by_its_name_and_the_basket_is_kept(
    client: Client, wire: responses.RequestsMock, field: str, value: Any
) -> None:
    """Nothing is ordered, and the form is the same one with what was filled in."""
    given = {**FORM, "q-3": "7", field: value}
    answer = client.post("/shop/order/", {name: each for name, each in given.items() if each is not None})
    page = answer.content.decode()
    called = {
        "payment": "Payment (now or later)",
        "token": "What the bank does",
        "payment_method": "The payment method",
        "customer_name": "Your name",
    }
    assert answer.status_code == 422
    assert called.get(field, field[:12]) in text_of(answer)
    assert f'value="{KEY}"' in page
    assert re.search(r'name="q-3"[^>]*value="7"', page)
    assert len(page) < 60_000
    assert sent(wire) == []


def test_every_wrong_field_is_named_at_once(client: Client, wire: responses.RequestsMock) -> None:
    """Each as it was filled in, and marked; not one of them becomes an order."""
    answer = client.post("/shop/order/", {**FORM, "q-1": "2", "q-2": "-1", "q-3": "1.5", "q-4": "5000"})
    page, text = answer.content.decode(), text_of(answer)
    assert answer.status_code == 422
    assert all(f"(q-{number})" in text for number in (2, 3, 4))
    assert "(q-1)" not in text
    for number, filled in ((2, "-1"), (3, "1.5"), (4, "5000")):
        assert re.search(rf'name="q-{number}"[^>]*value="{re.escape(filled)}"[^>]*aria-invalid="true"', page)
    assert sent(wire) == []


def test_what_the_service_refuses_is_named_by_its_field(client: Client, wire: responses.RequestsMock) -> None:
    """In the form with what was filled in."""
    body = {"error": "Invalid", "code": "invalid", "fields": {"customer_name": ["Has a control character."]}}
    wire.post(f"{ORDERS}/api/orders/", json=body, status=400)
    answer = client.post("/shop/order/", FORM)
    assert answer.status_code == 422
    assert "Customer name: Has a control character." in text_of(answer)


def test_a_form_that_was_changed_and_sent_again_leads_to_what_it_made(
    client: Client, wire: responses.RequestsMock
) -> None:
    """Not with the same button: ordering once more is a link, with the basket and another key."""
    wire.post(f"{ORDERS}/api/orders/", json=REUSED, status=422)
    event = {
        "position": 1, "event_id": "e", "aggregate": "order", "aggregate_id": ID, "sequence": 1,
        "type": "order.created", "created_at": AT, "actor": "console", "request_id": "r", "relay_state": "published",
        "published_at": None, "error": None, "broker": None,
    }  # fmt: skip
    wire.get(f"{ORDERS}/api/events/", json={"items": [event]})
    wire.get(f"{ORDERS}/api/orders/{ID}/", json=ORDER)
    answer = client.post("/shop/order/", {**FORM, "q-1": "3"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This form was sent already" in text_of(answer)
    assert 'href="/shop/orders/12/"' in page
    assert "<form" not in page.partition("<main")[2]
    (again,) = re.findall(r'href="(/shop/\?[^"]*)"', page)
    assert parse_qs(urlsplit(again.replace("&amp;", "&")).query) == {
        "customer_name": ["Alice"], "payment": ["now"], "token": ["tok_ok"], "q-1": ["3"],
    }  # fmt: skip
    once_more = client.get(again.replace("&amp;", "&")).content.decode()
    assert KEY not in once_more
    assert re.search(r'name="q-1"[^>]*value="3"', once_more)


def test_what_a_form_made_is_found_by_the_id_of_its_requests(client: Client, wire: responses.RequestsMock) -> None:
    """The one that it had when it was placed, however often it was sent."""
    wire.post(f"{ORDERS}/api/orders/", json=ORDER, status=201)
    client.post("/shop/order/", FORM)
    placed = wire.calls[-1].request.headers["X-Request-ID"]
    wire.replace(responses.POST, f"{ORDERS}/api/orders/", json=REUSED, status=422)
    wire.get(f"{ORDERS}/api/events/", json={"items": []})
    answer = client.post("/shop/order/", {**FORM, "q-1": "3"})
    assert "This form was sent already" in text_of(answer)
    assert parse_qs(urlsplit(str(wire.calls[-1].request.url)).query) == {"request_id": [placed]}


@pytest.mark.parametrize("status", [500, 503])
def test_a_form_without_an_answer_stays_the_same_form(
    client: Client, wire: responses.RequestsMock, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again it cannot become a second order."""
    monkeypatch.setattr("orderpay.transport.BACKOFF_S", (0.0,))
    wire.post(f"{ORDERS}/api/orders/", json={"error": "Broken", "code": "broken"}, status=status)
    answer = client.post("/shop/order/", FORM)
    assert answer.status_code == 422
    assert f'name="key" value="{KEY}"' in answer.content.decode()


def test_a_refund_that_was_changed_and_sent_again_says_so(client: Client, wire: responses.RequestsMock) -> None:
    """And doing it once more is a link to another form."""
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/", json=PAYMENT)
    wire.post(f"{PAYMENTS}/api/v1/payments/refund/", json=REUSED, status=422)
    answer = client.post("/do/refund/1/", {"key": KEY, "amount": "6", "reason": ""})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This form was sent already" in text_of(answer)
    assert f'href="/payments/{PAYMENT["id"]}/"' in page
    assert 'href="/do/refund/1/"' in page
    assert "<form" not in page.partition("<main")[2]


def test_an_imported_payment_is_refunded_by_its_number(client: Client, wire: responses.RequestsMock) -> None:
    """It has no transaction, so no reason is asked for, since none would be kept."""
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/", json={**PAYMENT, "transaction_id": None})
    progress = {
        "payment_id": 1, "reference": "ECI20260102-00000000", "gateway": "imported", "attempt": 1, "retry_count": 0,
        "failure_code": None, "void_requested": False, "settled_reason": None, "due_at": None, "order_told_at": None,
        "calls": [], "invariants": [],
    }  # fmt: skip
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/progress/", json=progress)
    back = {"payment_id": 1, "amount": 4.85, "method": "CARD", "message": "Amount 4.85 refunded to CARD"}
    wire.post(f"{PAYMENTS}/v1/payments/1/refund/", json=back)
    form = client.get("/do/refund/1/")
    assert 'name="amount"' in form.content.decode()
    assert 'name="reason"' not in form.content.decode()
    refused = client.post("/do/refund/1/", {"key": KEY, "amount": "4.85", "reason": "broken"})
    assert (refused.status_code, sent(wire)) == (422, [])
    answer = client.post("/do/refund/1/", {"key": KEY, "amount": "4.85"})
    assert answer.status_code == 302
    assert sent(wire) == [{"amount": "4.85"}]


@pytest.mark.parametrize("action", ["capture", "void"])
def test_what_an_imported_payment_cannot_do_has_no_form(
    client: Client, wire: responses.RequestsMock, action: str
) -> None:
    """But a sentence, whether it is looked at or sent."""
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/", json={**PAYMENT, "transaction_id": None})
    shown = client.get(f"/do/{action}/1/")
    assert shown.status_code == 200
    assert "<button" not in shown.content.decode().partition("<main")[2]
    sent_anyway = client.post(f"/do/{action}/1/", {"key": KEY, "amount": ""})
    assert sent_anyway.status_code == 422
    for answer in (shown, sent_anyway):
        assert "This payment was imported" in text_of(answer)
    assert sent(wire) == []


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/do/refund/1/", {}),
        ("/do/refund/1/", {"amount": " "}),
        ("/do/refund/1/", {"amount": ["1", "2"]}),
        ("/do/refund/1/", {"amount": "1", "reason": ["a", "b"]}),
        ("/do/capture/1/", {}),
        (f"/do/pay/{ID}/", {}),
        (f"/do/pay/{ID}/", {"token": ["tok_ok", "tok_slow"]}),
    ],
)
def test_what_a_form_leaves_out_is_not_guessed(
    client: Client, wire: responses.RequestsMock, path: str, given: dict[str, Any]
) -> None:
    """No amount is not all of it, and no token is not any token."""
    wire.get(f"{ORDERS}/api/orders/{ID}/", json=ORDER)
    wire.get(f"{PAYMENTS}/api/v1/payments/payment/1/", json=PAYMENT)
    answer = client.post(path, {"key": KEY, **given})
    assert answer.status_code == 422
    assert sent(wire) == []


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("/shop/order/", "/shop/"), ("/shop/orders/12/pay/", "/shop/orders/12/"), ("/logout/", "/shop/")],
)
def test_the_address_of_a_form_leads_to_its_page(client: Client, path: str, leads_to: str) -> None:
    """After a form that was refused it stands in the browser, and is loaded again or kept as a bookmark."""
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, leads_to)


def test_a_page_that_takes_no_such_request_says_so(client: Client) -> None:
    """With what it takes."""
    answer = client.post("/orders/")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert "This page takes no such request" in text_of(answer)


def test_a_form_with_too_many_fields_is_told_why(client: Client, wire: responses.RequestsMock) -> None:
    """And nothing is ordered."""
    body = urlencode({**FORM, **{f"q-{number}": "" for number in range(2, 1502)}})
    answer = client.post("/shop/order/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "more than 1,000 fields" in text_of(answer)
    assert sent(wire) == []


def test_every_product_is_on_some_page_and_the_basket_goes_with_one(
    client: Client, wire: responses.RequestsMock
) -> None:
    """What was chosen on the first page stands beside the second one, and is ordered from there."""
    catalogue_of_129(wire)
    wire.get(f"{PRODUCTS}/api/products/1/", json=product(1))
    first = client.get("/shop/").content.decode()
    assert "Page 1 of 2, 129 products" in first
    assert (first.count('name="q-'), 'name="q-101"' in first) == (100, False)
    went = client.get("/shop/", {"csrfmiddlewaretoken": "secret", "key": KEY, "q-1": "2", "q-2": "", "page": "2"})
    assert went.status_code == 302
    assert parse_qs(urlsplit(went["Location"]).query) == {"q-1": ["2"], "page": ["2"]}
    second = client.get(went["Location"]).content.decode()
    assert "Page 2 of 2, 129 products" in second
    assert re.search(r'name="q-1"[^>]*value="2"', second)
    assert {f'name="q-{number}"' in second for number in range(101, 130)} == {True}
    assert "2 \u00d7 <bdi>Thing 1</bdi>" in second
    beyond = client.get("/shop/?page=3")
    assert "There is no page 3 of the catalogue: it has 2." in text_of(beyond)


def catalogue_of_129(mock: responses.RequestsMock) -> None:
    mock.remove(responses.GET, f"{PRODUCTS}/api/products/")
    catalogue(mock, 129)


def test_a_basket_is_kept_while_the_catalogue_cannot_be_shown(client: Client, wire: responses.RequestsMock) -> None:
    """What was chosen stands there without its price."""
    wire.replace(responses.GET, f"{PRODUCTS}/api/products/", json={"error": "Away", "code": "x"}, status=503)
    page = client.get("/shop/?q-7=3").content.decode()
    assert re.search(r'name="q-7"[^>]*value="3"', page)
    assert "does not answer" in page
