"""`/v1/payments`: charge, refund and list, as the clients of the service know them that these come from."""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from payment_service.payments import states
from payment_service.payments.api.listing import list_payments
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import notices
from payment_service.tests.conftest import ORDER, exact, trail
from payment_service.tests.fakes import FakeGateway, FakeOrders
from servicekit.web.paging import Place

pytestmark = pytest.mark.django_db
URL = "/v1/payments"


@pytest.fixture(autouse=True)
def card(gateway: FakeGateway) -> FakeGateway:
    """CARD never fails unless it is told to."""
    return gateway


def charge(client: APIClient, **body: Any) -> Any:
    return client.post(f"{URL}/charge", {"order_id": 342, "amount": 561, **body}, format="json")


def test_a_charge(client: APIClient, gateway: FakeGateway) -> None:
    """The seed's example: CARD by default, with a reference of its own."""
    response = client.post(f"{URL}/charge", '{"order_id": 342, "amount": 561.00}', content_type="application/json")
    body, payment = exact(response), Payment.objects.get()
    assert response.status_code == 201
    assert list(body) == ["payment_id", "reference", "status", "message"]
    assert re.fullmatch(rf"ECI{payment.created_at:%Y%m%d}-[0-9A-F]{{8}}", body["reference"])
    assert (body["payment_id"], body["status"], body["message"]) == (payment.number, "SUCCESS", "Payment succeeded")
    assert (payment.method, len(gateway.calls)) == ("CARD", 1)


def test_a_failed_charge(client: APIClient, gateway: FakeGateway) -> None:
    """201 as well, and it may be tried again."""
    gateway.script = ["decline"]
    response = charge(client)
    assert (response.status_code, exact(response)["status"]) == (201, "FAILED")
    assert exact(response)["message"] == "Payment failed"
    again = charge(client)
    assert (again.status_code, exact(again)["status"]) == (200, "SUCCESS")


def test_a_repeat_is_the_same_payment(client: APIClient) -> None:
    """One payment per order, whichever door it came through."""
    first = charge(client)
    again = charge(client)
    assert (again.status_code, again.content) == (200, first.content)
    assert exact(client.get("/api/payments/342/"))["status"] == "COMPLETED"
    assert exact(charge(client, amount=562))["code"] == "payment_amount_mismatch"


@pytest.mark.parametrize("method", ["UPI", "card", "Cod"])
def test_each_method(client: APIClient, settings: Any, method: str) -> None:
    """In capitals or not."""
    settings.PAYMENT_GATEWAYS = dict.fromkeys(settings.PAYMENT_GATEWAYS, "fake")
    assert charge(client, method=method).status_code == 201
    assert Payment.objects.get().method == method.upper()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"method": "PAYPAL"}, "method"),
        ({"method": None}, "method"),
        ({"amount": None}, "amount"),
        ({"amount": "x"}, "amount"),
        ({"order_id": 0}, "order_id"),
        ({"order_id": None}, "order_id"),
    ],
)
def test_wrong_input_is_named(client: APIClient, body: Any, field: str) -> None:
    """400, the field by name, nothing stored."""
    response = charge(client, **body)
    assert response.status_code == 400
    assert list(exact(response)["fields"]) == [field]
    assert Payment.objects.count() == 0


def test_an_amount_that_is_not_positive(client: APIClient) -> None:
    """The same sentence as at the first door."""
    response = charge(client, amount=0)
    assert (response.status_code, exact(response)["error"]) == (400, "Amount must be positive.")


def test_the_order_service_is_told(client: APIClient, orders: FakeOrders) -> None:
    """By the worker, after the charge and after the refund."""
    charge(client)
    assert notices.notices_once() == 1
    client.post(f"{URL}/{Payment.objects.get().number}/refund")
    assert notices.notices_once() == 1
    assert orders.told == ["342", "342"]


def test_a_refund_and_its_repeat(client: APIClient, gateway: FakeGateway) -> None:
    """The seed's sentence, and the same answer again; paid out once."""
    number = exact(charge(client))["payment_id"]
    first = client.post(f"{URL}/{number}/refund")
    again = client.post(f"{URL}/{number}/refund/")
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert exact(first) == {
        "payment_id": number,
        "amount": Decimal("561.00"),
        "method": "CARD",
        "message": "Amount 561.00 refunded to CARD",
    }
    assert (gateway.held, Refund.objects.count()) == (0, 1)
    assert trail() == ["payment.successful", "payment.refunded"]


def refund(client: APIClient, number: int, amount: Any = None, **headers: Any) -> Any:
    body = {} if amount is None else {"amount": amount}
    return client.post(f"{URL}/{number}/refund", body, format="json", **headers)


@pytest.mark.parametrize("amount", [3, "3.00", Decimal("3.0")])
def test_a_part_is_refunded(client: APIClient, gateway: FakeGateway, amount: Any) -> None:
    """No more than was asked for goes back."""
    number = exact(charge(client))["payment_id"]
    response = refund(client, number, amount)
    assert response.status_code == 200
    assert exact(response) == {
        "payment_id": number,
        "amount": Decimal("3.00"),
        "method": "CARD",
        "message": "Amount 3.00 refunded to CARD",
    }
    assert (gateway.held, Payment.objects.get().refunded) == (558, 3)


def test_a_part_asked_for_again_is_the_same_refund(client: APIClient, gateway: FakeGateway) -> None:
    """However it is written; another part is another refund, and all that is left is what is left."""
    number = exact(charge(client))["payment_id"]
    first, again = refund(client, number, 3), refund(client, number, "3.00")
    assert (again.status_code, again.content, gateway.held) == (200, first.content, 558)
    assert exact(refund(client, number, 5))["amount"] == 5
    rest = [refund(client, number), refund(client, number)]
    assert [exact(response)["message"] for response in rest] == ["Amount 553.00 refunded to CARD"] * 2
    assert (gateway.held, Refund.objects.count()) == (0, 3)
    assert refund(client, number, 3).content == first.content


def test_the_same_part_under_another_key_is_another_refund(client: APIClient, gateway: FakeGateway) -> None:
    """And under the same key it is the same."""
    number = exact(charge(client))["payment_id"]
    for key in ("a", "b", "a"):
        assert refund(client, number, 3, HTTP_IDEMPOTENCY_KEY=key).status_code == 200
    assert (gateway.held, Refund.objects.count()) == (555, 2)


def test_a_part_that_was_refused_may_be_tried_again(client: APIClient, gateway: FakeGateway) -> None:
    """A repeat of what moved nothing is no repeat of a refund."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["decline"]
    assert refund(client, number, 3).status_code == 402
    assert [refund(client, number, 3).status_code for _ in range(2)] == [200, 200]
    assert gateway.held == 558


def test_a_part_that_is_not_known_yet(client: APIClient, gateway: FakeGateway, work: Callable[[], int]) -> None:
    """202 until the worker has found out, and only once."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["lost"]
    pending = [refund(client, number, 3) for _ in range(2)]
    assert [response.status_code for response in pending] == [202, 202]
    assert exact(pending[1])["message"] == "Amount 3.00 is being refunded to CARD"
    work()
    assert refund(client, number, 3).status_code == 200
    assert (gateway.held, Refund.objects.count()) == (558, 1)


PROCESS = "/api/v1/payments"


@pytest.mark.parametrize("declined_before", [False, True])
def test_a_part_that_is_pending_from_another_door_is_not_refunded_a_second_time(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int], declined_before: bool
) -> None:
    """409 that names it, also where this door's own was refused before; another part, or a key, is another refund."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["decline"] * declined_before
    assert not declined_before or refund(client, number, 20).status_code == 402
    gateway.script = ["lost"]
    body = {"transaction_id": Payment.objects.get().transaction_id, "amount": 20}
    pending = client.post(f"{PROCESS}/refund", body, format="json")
    again = [refund(client, number, "20.00"), client.post(f"{PROCESS}/refund", body, format="json")]
    assert [(each.status_code, exact(each)["code"]) for each in again] == [(409, "refund_pending")] * 2
    assert [exact(each)["refund_id"] for each in again] == [exact(pending)["refund_id"]] * 2
    assert list(Refund.objects.filter(status="PENDING").values_list("amount", flat=True)) == [20]
    work()
    assert (gateway.held, Payment.objects.get().refunded) == (541, 20)
    assert refund(client, number, 5).status_code == 200
    assert refund(client, number, 20, HTTP_IDEMPOTENCY_KEY="k").status_code == 200
    assert gateway.held == 516


def test_a_part_that_is_pending_here_is_not_refunded_at_another_door(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """409 there, and the same 202 here; the money goes back once."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["lost"]
    assert refund(client, number, 20).status_code == 202
    body = {"transaction_id": Payment.objects.get().transaction_id, "amount": 20}
    there = client.post(f"{PROCESS}/refund", body, format="json")
    assert (there.status_code, exact(there)["code"]) == (409, "refund_pending")
    assert refund(client, number, 20).status_code == 202
    work()
    assert (gateway.held, Refund.objects.count()) == (541, 1)


def test_all_that_is_pending_asked_for_as_a_part_is_the_same(client: APIClient, gateway: FakeGateway) -> None:
    """409: it is the same amount, however it was named."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["lost"]
    assert refund(client, number).status_code == 202
    again = refund(client, number, "561.00")
    assert (again.status_code, exact(again)["code"], Refund.objects.count()) == (409, "refund_pending", 1)


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("561.01", "refund_exceeds_captured"),
        (0, "invalid"),
        (-3, "invalid"),
        ("3.001", "invalid"),
        ("x", "invalid"),
        (None, "invalid"),
    ],
)
def test_a_part_that_cannot_be(client: APIClient, gateway: FakeGateway, amount: Any, code: str) -> None:
    """400, and nothing goes back: null is no amount, and not all that is left."""
    number = exact(charge(client))["payment_id"]
    response = client.post(f"{URL}/{number}/refund", {"amount": amount}, format="json")
    assert (response.status_code, exact(response)["code"]) == (400, code)
    assert (gateway.held, Refund.objects.count()) == (561, 0)


@pytest.mark.parametrize("body", ["[]", "3", '"3"', "false"])
def test_a_refund_whose_body_is_no_object(client: APIClient, gateway: FakeGateway, body: str) -> None:
    """400: what was meant to limit it is not dropped. No body, or null, is all."""
    number = exact(charge(client))["payment_id"]
    url = f"{URL}/{number}/refund"
    assert client.post(url, body, content_type="application/json").status_code == 400
    assert gateway.held == 561
    assert client.post(url, "null", content_type="application/json").status_code == 200


@pytest.mark.parametrize("number", ["999", "0", "x", "-1", "9" * 30])
def test_a_refund_of_no_payment(client: APIClient, number: str) -> None:
    """404 in the seed's words, for anything unknown or malformed."""
    response = client.post(f"{URL}/{number}/refund")
    assert (response.status_code, exact(response)["error"]) == (404, "Payment not found")


def test_a_refund_of_a_failed_payment(client: APIClient, gateway: FakeGateway) -> None:
    """400 in the seed's words."""
    gateway.script = ["decline"]
    number = exact(charge(client))["payment_id"]
    response = client.post(f"{URL}/{number}/refund")
    assert (response.status_code, exact(response)["error"]) == (400, "Payment had failed; cannot issue refund")
    assert Refund.objects.count() == 0


def test_a_refund_that_the_gateway_refuses(client: APIClient, gateway: FakeGateway) -> None:
    """402 with the reason; it can be asked for again."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["decline"]
    response = client.post(f"{URL}/{number}/refund")
    assert (response.status_code, exact(response)["code"]) == (402, "insufficient_funds")
    assert client.post(f"{URL}/{number}/refund").status_code == 200


def test_a_refund_that_is_not_known_yet(client: APIClient, gateway: FakeGateway, work: Callable[[], int]) -> None:
    """202 until the worker has found out."""
    number = exact(charge(client))["payment_id"]
    gateway.script = ["lost"]
    assert [client.post(f"{URL}/{number}/refund").status_code for _ in range(2)] == [202, 202]
    work()
    assert client.post(f"{URL}/{number}/refund").status_code == 200
    assert Refund.objects.count() == 1


# ---- the list

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def many(db: None) -> list[Payment]:
    """Sixty payments, one an hour, of three methods, mostly taken, some in part, some of them at the same moment."""
    rows = []
    for n in range(60):
        status = Status.FAILED if n % 7 == 3 else Status.REFUNDED if n % 7 == 5 else Status.CAPTURED
        wanted = Decimal(1) if n % 10 == 4 else Decimal(n + 1)
        captured = Decimal(0) if status == Status.FAILED else wanted
        back = captured if status == Status.REFUNDED else Decimal(0)
        rows.append(
            Payment(
                order_id=str(1000 + n),
                amount=Decimal(n + 1),
                currency="USD",
                method=("UPI", "CARD", "COD")[n % 3],
                status=status.value,
                taken=states.TAKEN[status],
                captured=captured,
                booked=back,
                refunded=back,
                reference=f"R{n}",
                created_at=START + timedelta(hours=n - n % 2),
            )
        )
    return Payment.objects.bulk_create(rows)


def listed(client: APIClient, **query: Any) -> Any:
    response = client.get(URL, query)
    assert response.status_code == 200, response.content
    return exact(response)


def test_the_newest_come_first(client: APIClient, many: list[Payment]) -> None:
    """Ten a page, and every field of an item."""
    page = listed(client)
    assert (page["page"], page["per_page"], page["total"]) == (1, 10, 60)
    assert [item["order_id"] for item in page["items"]] == list(range(1059, 1049, -1))
    assert page["items"][-1] == {
        "payment_id": many[50].number,
        "order_id": 1050,
        "amount": Decimal("51.00"),
        "authorized_amount": Decimal("51.00"),
        "refunded_amount": Decimal("0.00"),
        "currency": "USD",
        "method": "COD",
        "status": "SUCCESS",
        "reference": "R50",
        "created_at": "2025-01-03T02:00:00Z",
        "refunded": False,
    }


def test_filters_combine_in_every_way(client: APIClient, many: list[Payment]) -> None:
    """Each combination lists what a plain loop finds, in both orders, page by page, with the exact total."""
    checks: dict[str, list[tuple[dict[str, str], Callable[[Payment], bool]]]] = {
        "method": [({}, lambda _: True), ({"method": "upi"}, lambda p: p.method == "UPI")],
        "status": [
            ({}, lambda _: True),
            ({"status": "SUCCESS"}, lambda p: p.taken is True),
            ({"status": "false"}, lambda p: p.taken is False),
        ],
        "amount": [
            ({}, lambda _: True),
            ({"amount_gt": "5", "amount_lt": "50.5"}, lambda p: 5 < (p.captured or p.amount) < 50.5),
        ],
        "date": [
            ({}, lambda _: True),
            (
                {"start_date": "2025-01-01T02:00:00Z", "end_date": "2025-01-02"},
                lambda p: START + timedelta(hours=2) <= p.created_at < START + timedelta(days=2),
            ),
        ],
        "refunded": [
            ({}, lambda _: True),
            ({"refunded": "true"}, lambda p: p.status == "REFUNDED"),
            ({"refunded": "false"}, lambda p: p.status != "REFUNDED"),
        ],
    }
    for parts, order in product(product(*checks.values()), ["asc", "desc"]):
        query = {name: value for part, _ in parts for name, value in part.items()}
        expected = [p.reference for p in many if all(test(p) for _, test in parts)]
        expected.sort(key=lambda reference: int(reference[1:]), reverse=order == "desc")
        seen: list[str] = []
        for page in range(1, 20):
            found = listed(client, **query, sort_by_created=order, page=page, per_page=7)
            assert found["total"] == len(expected)
            assert ("next_cursor" in found) is (page * 7 < len(expected))
            seen += [item["reference"] for item in found["items"]]
            if not found["items"]:
                break
        assert seen == expected, query
        assert walked(client, **query, sort_by_created=order, per_page=7) == expected, query


def walked(client: APIClient, **query: Any) -> list[str]:
    """The references of a whole list, a cursor after another."""
    seen, cursor = [], ""
    while cursor is not None:
        page = listed(client, **query, cursor=cursor)
        assert set(page) == {"items", "per_page", "next_cursor"}
        seen += [item["reference"] for item in page["items"]]
        cursor = page["next_cursor"]
    return seen


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_cursor_walks_on_while_payments_arrive(client: APIClient, many: list[Payment], order: str) -> None:
    """In front, behind and in between, at the same moment too: each of those that were there is listed once."""
    page = listed(client, sort_by_created=order, per_page=9)
    seen = [item["reference"] for item in page["items"]]
    for n in range(60, 90):
        if page["next_cursor"] is None:
            break
        Payment.objects.create(
            order_id=str(n),
            amount=Decimal(1),
            currency="USD",
            status="FAILED",
            taken=False,
            reference=f"N{n}",
            created_at=START,
        )
        page = listed(client, sort_by_created=order, per_page=9, cursor=page["next_cursor"])
        seen += [item["reference"] for item in page["items"]]
    old = [reference for reference in seen if reference.startswith("R")]
    assert old == [f"R{n}" for n in sorted(range(60), reverse=order == "desc")]
    assert len(set(seen)) == len(seen)


def test_a_page_behind_a_cursor_is_one_query(
    client: APIClient, many: list[Payment], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """It counts nothing."""
    cursor = listed(client, status="SUCCESS", per_page=9)["next_cursor"]
    with django_assert_num_queries(1) as captured:
        listed(client, status="SUCCESS", per_page=9, cursor=cursor)
    assert "COUNT" not in captured.captured_queries[0]["sql"].upper()


@pytest.mark.parametrize(
    "position",
    ['["x",1]', '["2025-01-01T00:00:00",1]', '["2025-01-01T00:00:00Z","1"]', '["2025-99-01T00:00:00Z",1]', "[1,1]"],
)
def test_a_forged_cursor_is_refused(client: APIClient, many: list[Payment], position: str) -> None:
    """A position that no payment can have is a 400, whatever list it claims."""
    good = listed(client, per_page=9)["next_cursor"]
    list_id = b64decode(good + "==").decode().split('"')[1]
    forged = urlsafe_b64encode(f'["{list_id}",{position[1:]}'.encode()).decode().rstrip("=")
    assert client.get(URL, {"per_page": 9, "cursor": good}).status_code == 200
    response = client.get(URL, {"per_page": "9", "cursor": forged})
    assert (response.status_code, exact(response)["fields"]) == (400, {"cursor": ["Not a cursor of this service."]})


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"order_id": "1005"}, 1),
        ({"order_id": ORDER}, 0),
        ({"end_date": "2025-01-01"}, 24),
        ({"end_date": "2025-01-01T00:00:00"}, 2),
        ({"start_date": "2025-01-03", "end_date": "2025-01-03"}, 12),
        ({"start_date": "2025-01-01T02:00:00+02:00"}, 60),
        ({"start_date": "2025-01-01T02:00:01"}, 56),
        ({"amount_gt": "60"}, 0),
        ({"amount_gt": "0.99", "amount_lt": "1.01"}, 6),
        ({"amount_gt": "-1"}, 60),
        ({"amount_gt": "-1", "amount_lt": "0"}, 0),
        ({"status": "success", "method": "COD"}, 17),
        ({"status": "TRUE", "method": "COD"}, 17),
        ({"page": "1000000000", "per_page": "200"}, 60),
    ],
)
def test_single_filters(client: APIClient, many: list[Payment], query: dict[str, str], count: int) -> None:
    """A date without a time takes in the whole day; without a zone it is UTC."""
    assert listed(client, **query)["total"] == count


def test_each_status_that_is_listed_can_be_asked_for(client: APIClient, db: None) -> None:
    """Whatever the ledger calls it, in capitals or not; each payment is found under the status that it shows."""
    Payment.objects.bulk_create(
        Payment(
            order_id=str(n + 1),
            amount=Decimal(9),
            currency="USD",
            method="CARD",
            status=status.value,
            taken=states.TAKEN[status],
            captured=(taken := Decimal(9 if states.TAKEN[status] else 0)),
            booked=(back := taken if status == Status.REFUNDED else Decimal(0)),
            refunded=back,
            reference=f"R{n}",
        )
        for n, status in enumerate(Status)
    )
    shown = {item["order_id"]: item for item in listed(client, per_page="200")["items"]}
    assert {item["status"] for item in shown.values()} == {"PENDING", "SUCCESS", "FAILED", "VOIDED"}
    for name in ("PENDING", "success", "FAILED", "Voided"):
        expected = {number for number, item in shown.items() if item["status"] == name.upper()}
        for refunded, wanted in (({}, None), ({"refunded": "true"}, True), ({"refunded": "false"}, False)):
            found = listed(client, status=name, per_page="200", **refunded)
            hits = {number for number in expected if wanted is None or shown[number]["refunded"] is wanted}
            assert ({item["order_id"] for item in found["items"]}, found["total"]) == (hits, len(hits))


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "x"},
        {"page": "1_0"},
        {"page": ["1", "2"]},
        {"page": ""},
        {"page": "9" * 30},
        {"per_page": "201"},
        {"per_page": "0"},
        {"order_id": "x"},
        {"order_id": "0"},
        {"method": "CHEQUE"},
        {"status": "MAYBE"},
        {"status": ""},
        {"status": "CAPTURED"},
        {"status": "\u017fuccess"},
        {"amount_gt": "x"},
        {"amount_lt": "NaN"},
        {"amount_gt": "1.001"},
        {"start_date": "yesterday"},
        {"start_date": "2025-02-30"},
        {"end_date": "2025-13-01T00:00:00"},
        {"end_date": "9999-12-31T23:59:59-14:00"},
        {"sort_by_created": "up"},
        {"refunded": "perhaps"},
        {"colour": "red"},
    ],
)
def test_a_wrong_filter_is_refused(client: APIClient, query: dict[str, str]) -> None:
    """400 naming it; never ignored, never a 500."""
    response = client.get(URL, query)
    assert response.status_code == 400
    assert list(exact(response)["fields"]) == list(query)


# How an engine says which way it goes; those that scan a table as small as this one are told not to, as they would not
# scan a large one. Where rows are sorted SQLite's plan has a "TEMP B-TREE", PostgreSQL's a "Sort", MySQL's "filesort".
EXPLAIN = {
    "sqlite": ("EXPLAIN QUERY PLAN {}",),
    "postgresql": (
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off",
        "EXPLAIN {}",
    ),
    "mysql": ("EXPLAIN {}",),
}


def plan_of(statement: str, index: str) -> str:
    """As one line; wherever it sorts, there is a "SORT" in it."""
    if connection.vendor == "mysql":
        table = "FROM `payments_payment`"
        statement = statement.replace(table, f"{table} FORCE INDEX ({index})", 1)
    with connection.cursor() as cursor:
        for explain in EXPLAIN[connection.vendor]:
            cursor.execute(explain.format(statement))
        plan = " ".join(str(cell) for row in cursor.fetchall() for cell in row)
    return re.sub("TEMP B-TREE|Sort|filesort", "SORT", plan)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "payment_by_time"),
        ({"method": "UPI"}, "payment_by_method"),
        ({"taken__in": [False]}, "payment_by_taken"),
        ({"status__in": ["REFUNDED"]}, "payment_by_time"),
        ({"created_at__gte": START, "created_at__lte": START + timedelta(hours=30)}, "payment_by_time"),
        ({"above": Decimal(5)}, "payment_by_time"),
        ({"below": Decimal(50), "taken__in": [True]}, "payment_by_taken"),
        ({"above": Decimal(5), "below": Decimal(50), "method": "UPI"}, "payment_by_method"),
    ],
)
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        Place(1, 1, None, ""),
        Place(1, 6, None, ""),
        Place(1, 1, (), ""),
        Place(1, 1, (START + timedelta(hours=24), 0), ""),
    ],
)
def test_a_page_is_read_from_an_index_in_its_order(
    many: list[Payment], filters: dict[str, Any], index: str, ascending: bool, place: Place
) -> None:
    """No scan of the table and no sorting, at the first page as at the last, and behind a cursor."""
    with CaptureQueriesContext(connection) as queries:
        listed = list_payments(filters, ascending=ascending, place=place)
    assert len(listed.rows) == 1
    plan = plan_of(queries.captured_queries[-1]["sql"], index)
    assert index in plan
    assert "SORT" not in plan


# How an engine says that it counts within an index, without reading a payment.
ALONE = {"sqlite": "COVERING INDEX", "postgresql": "Index Only Scan", "mysql": "Using index"}


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"above": Decimal(5)}, "payment_by_time"),
        ({"above": Decimal(5), "below": Decimal(50), "taken__in": [True]}, "payment_by_taken"),
        ({"below": Decimal(50), "method": "UPI", "status__in": ["REFUNDED"]}, "payment_by_method"),
        ({"taken": None, "status__in": ["PENDING", "PROCESSING"]}, "payment_by_taken"),
    ],
)
def test_the_total_is_counted_within_an_index(many: list[Payment], filters: dict[str, Any], index: str) -> None:
    """By what is shown as the amount, too."""
    with CaptureQueriesContext(connection) as queries:
        list_payments(filters, ascending=True, place=Place(1, 1, None, ""))
    plan = plan_of(queries.captured_queries[0]["sql"], index)
    assert ALONE[connection.vendor] in plan


@pytest.mark.parametrize("name", ["start_date", "end_date"])
@pytest.mark.parametrize("moment", ["2025-11-10T12:05:00+01:00", "2025-11-10 12:05+0530", "2025-11-10T12:05:00.5+02"])
def test_a_plus_that_became_a_blank_says_how_to_write_it(client: APIClient, name: str, moment: str) -> None:
    """400 that names the field; written as %2B it is taken."""
    answer = client.get(f"/v1/payments?{name}={moment}")
    sentence = "In a query string + is a blank; write it as %2B."
    assert (answer.status_code, exact(answer)["fields"]) == (400, {name: [sentence]})
    assert client.get("/v1/payments", {name: moment}).status_code == 200
