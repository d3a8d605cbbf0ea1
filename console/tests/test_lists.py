"""Lists, their export and what people wrote: nothing false is said, and nobody's text touches another's."""

import json
import re
from typing import Any, Final

import pytest
import responses
from django.test import Client

from console.pages import forms, sampling, words
from console.tests.peers import ORDERS, PAYMENTS, PRODUCTS

AT: Final = "2026-01-02T12:00:00Z"
TURNS: Final = "abc\u202edef"
ORDER: Final[dict[str, Any]] = {
    "id": "c1a2b3d4-e5f6-7890-abcd-ef1234567890", "number": 12, "customer_name": TURNS,
    "items": [{"product_id": 1, "name": TURNS, "quantity": 1, "unit_price": 20, "line_total": 20}],
    "total_amount": 20, "currency": "USD", "status": "PAID", "cancellation_reason": None, "created_at": AT,
    "paid_at": AT, "updated_at": AT, "expires_at": None, "payment_status": "SUCCESS", "refunded_amount": 0,
}  # fmt: skip
PAYMENT: Final[dict[str, Any]] = {
    "payment_id": 5, "order_id": 7, "amount": 5000.00, "authorized_amount": 5000.00, "refunded_amount": 0.00,
    "currency": "JPY", "method": "CARD", "status": "SUCCESS", "reference": "ECI20260102-00000000",
    "created_at": "2026-01-02T12:00:00.123456Z", "refunded": False,
}  # fmt: skip
REFUSED: Final = {"error": "Must be SUCCESS, FAILED, PENDING or VOIDED.", "code": "invalid"}
AWAY: Final = {"error": "Database away", "code": "unavailable"}
LISTS: Final = {"/orders/": f"{ORDERS}/api/orders/", "/payments/": f"{PAYMENTS}/v1/payments/"}


@pytest.fixture(autouse=True)
def _nothing_was_sampled(wire: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_sampler", None)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def listed(items: list[Any], total: int) -> dict[str, Any]:
    return {"items": items, "page": 1, "per_page": 25, "total": total}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("body", "status"), [(AWAY, 503), (REFUSED, 400), ({"error": "x", "code": "broken"}, 500)])
def test_how_many_there_are_is_not_known_where_nobody_says(
    client: Client, wire: responses.RequestsMock, path: str, body: Any, status: int
) -> None:
    """Neither 0, nor that there is none."""
    wire.get(LISTS[path], json=body, status=status)
    text = text_of(client.get(f"{path}?status=GREEN"))
    assert "How many is not known" in text
    assert "0 in all" not in text
    assert not re.search(r"No (order|payment)", text)


@pytest.mark.parametrize("path", LISTS)
def test_a_page_that_there_is_not_says_so(client: Client, wire: responses.RequestsMock, path: str) -> None:
    """With how many there are, and a way to one that there is; the filters go along."""
    wire.get(LISTS[path], json=listed([], 33))
    answer = client.get(f"{path}?page=7&status=PAID")
    text = text_of(answer)
    assert answer.status_code == 404
    assert "There is no such page: 7." in text
    assert "33 in all, on 2 pages." in text
    assert f'href="{path}?status=PAID&amp;page=2"' in answer.content.decode()
    assert not re.search(r"No (order|payment)", text)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("page", ["0", "-1", "x", "", "9" * 30, "1.5"])
def test_a_page_that_there_cannot_be_is_not_taken_for_the_first(
    client: Client, wire: responses.RequestsMock, path: str, page: str
) -> None:
    """Whatever stands there."""
    wire.get(LISTS[path], json=listed([ORDER if path == "/orders/" else PAYMENT], 1))
    answer = client.get(f"{path}?page={page}")
    assert answer.status_code == 404
    assert "There is no such page" in text_of(answer)


@pytest.mark.parametrize(("path", "says"), [("/orders/", "No order yet."), ("/payments/", "No payment yet.")])
def test_where_there_is_none_that_is_said(client: Client, wire: responses.RequestsMock, path: str, says: str) -> None:
    """Of the first page of an empty list alone."""
    wire.get(LISTS[path], json=listed([], 0))
    answer = client.get(path)
    assert answer.status_code == 200
    assert "0 in all" in text_of(answer)
    assert says in text_of(answer)


def test_no_order_is_left_half_done_only_where_that_is_known(client: Client) -> None:
    """The order service is away: nothing is said of what it has left."""
    text = text_of(client.get("/control/"))
    assert "No order is left half done" not in text
    assert "Not known: the order service does not say." in text


def test_payments_have_their_currency_and_its_decimals(client: Client, wire: responses.RequestsMock) -> None:
    """5,000 yen are no 5,000.00 of anything."""
    wire.get(LISTS["/payments/"], json=listed([PAYMENT, {**PAYMENT, "payment_id": 6, "currency": "USD"}], 2))
    page = client.get("/payments/").content.decode()
    assert '<td class="num">5,000</td><td>JPY</td>' in page
    assert '<td class="num">5,000.00</td><td>USD</td>' in page


def test_an_export_says_what_the_api_says(client: Client, wire: responses.RequestsMock) -> None:
    """The status by the filter that finds it, moments with Z, each amount with its currency and its decimals."""
    wire.get(LISTS["/payments/"], body=json.dumps({"items": [PAYMENT], "per_page": 200, "next_cursor": None}))
    answer = client.get("/payments.csv")
    header, line = b"".join(answer).decode().splitlines()
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert dict(zip(header.split(","), line.split(","), strict=True)) == {
        "payment_id": "5",
        "order_id": "7",
        "amount": "5000",
        "authorized_amount": "5000",
        "refunded_amount": "0",
        "currency": "JPY",
        "method": "CARD",
        "status": "SUCCESS",
        "reference": "ECI20260102-00000000",
        "created_at": "2026-01-02T12:00:00.123456Z",
    }


@pytest.mark.parametrize(("body", "said", "status"), [(REFUSED, 400, 422), (AWAY, 503, 503), (AWAY, 429, 429)])
def test_what_is_no_export_is_no_success(
    client: Client, wire: responses.RequestsMock, body: Any, said: int, status: int
) -> None:
    """A program that stores what it gets sees that it is none."""
    wire.get(LISTS["/payments/"], json=body, status=said)
    answer = client.get("/payments.csv?status=GREEN")
    assert answer.status_code == status
    assert "Content-Disposition" not in answer
    assert str(body["error"]).rstrip(".") in text_of(answer)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [(5000, "JPY", "5,000 JPY"), (1234.5, "USD", "1,234.50 USD"), (5, None, "5.00"), (0.5, "JPY", "0.50 JPY"),
     (5, "???", "5.00 ???")],
)  # fmt: skip
def test_money_has_the_decimals_of_its_currency(amount: Any, currency: str | None, said: str) -> None:
    """A fraction that there should not be is not hidden."""
    assert words.money(amount, currency) == said


@pytest.mark.parametrize("path", ["/orders/", "/orders/12/", "/shop/orders/12/", "/shop/?q-1=1", "/search/?q=zyx"])
def test_what_turns_the_direction_of_writing_turns_its_own_text_alone(
    client: Client, wire: responses.RequestsMock, path: str
) -> None:
    """Wherever a name stands it is isolated: in a `bdi`, or in marks where no element can be."""
    wire.get(LISTS["/orders/"], json=listed([ORDER], 1))
    wire.get(f"{ORDERS}/api/orders/12/", json=ORDER)
    product = {"id": 1, "name": TURNS, "price": 2.5, "stock": 9}
    wire.get(f"{PRODUCTS}/api/products/", json=listed([product], 1))
    page = client.get(path).content.decode()
    assert page.count(TURNS) >= 1
    inside = re.sub(r"<bdi>[^<]*</bdi>|\u2068[^\u2069]*\u2069|(?:data-name|value)=\"[^\"]*\"", "", page)
    assert "\u202e" not in inside


def test_a_text_that_is_repeated_is_short() -> None:
    """However much was sent."""
    assert forms.shortened("x" * 5000) == "x" * 40 + "…"
