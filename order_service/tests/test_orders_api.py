"""The order API over Django's test client: shapes, statuses and sentences of the contract."""

import json
import re
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from order_service.orders import composition, saga
from order_service.orders.models import Order
from order_service.tests.conftest import Shop, the_order
from order_service.tests.fakes import HARD_DECLINE, Fault
from servicekit import exactjson

ALICE = {"customer_name": "Alice", "product_ids": [1, 2]}


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch, client: Client) -> Client:
    monkeypatch.setattr(composition, "a_run", shop.run)
    return client


def post(api: Client, body: Any, path: str = "/api/orders/", **headers: str) -> Any:
    data = body if isinstance(body, (str, bytes)) else exactjson.encode(body)
    return api.post(path, data, content_type="application/json", headers=headers)


def test_paid_order_has_the_whole_shape(api: Client) -> None:
    """Every key of the contract, money with two decimals, times ending in Z."""
    response = post(api, ALICE)
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {
        "id", "number", "customer_name", "items", "total_amount", "currency", "status", "cancellation_reason",
        "created_at", "updated_at", "paid_at", "expires_at", "payment_status", "refunded_amount",
    }  # fmt: skip
    assert UUID(body["id"]) == the_order().uid
    assert (body["status"], body["payment_status"], body["cancellation_reason"]) == ("PAID", "COMPLETED", None)
    assert b'"total_amount":20.00' in response.content
    assert b'"unit_price":10.00,"line_total":10.00' in response.content
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["created_at"])
    assert body["expires_at"] is None


def test_repeated_product_id_means_more_units(api: Client) -> None:
    """[1, 2, 1] is two of product 1 and one of product 2, in the order first named."""
    body = post(api, {"customer_name": "Alice", "product_ids": [1, 2, 1]}).json()
    assert [(item["product_id"], item["quantity"]) for item in body["items"]] == [(1, 2), (2, 1)]
    assert body["total_amount"] == 30


def test_items_with_quantities_are_an_order_too(api: Client) -> None:
    """`items` in the place of `product_ids`."""
    body = post(api, {"customer_name": "Alice", "items": [{"product_id": 3, "quantity": 4}]}).json()
    assert (body["status"], body["total_amount"]) == ("PAID", 40)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_name": "Alice"},
        {"product_ids": [1]},
        {"customer_name": "", "product_ids": [1]},
        {"customer_name": "   ", "product_ids": [1]},
        {"customer_name": None, "product_ids": [1]},
        {"customer_name": "\u200b", "product_ids": [1]},
        {"customer_name": " \ufeff\u00ad", "product_ids": [1]},
        {"customer_name": "Alice", "product_ids": []},
        {"customer_name": "Alice", "product_ids": None},
        {"customer_name": "Alice", "items": []},
    ],
)
def test_missing_fields_have_the_seed_s_sentence(api: Client, shop: Shop, body: Any) -> None:
    """400, and nothing is stored or called."""
    response = post(api, body)
    assert response.status_code == 400
    assert response.json() == {"error": "customer_name and product_ids required", "code": "missing_fields"}
    assert not Order.objects.exists()
    assert shop.products.calls == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer_name": 5}, "customer_name"),
        ({"customer_name": "x" * 256}, "customer_name"),
        ({"customer_name": "nul\u0000"}, "customer_name"),
        ({"product_ids": "1,2"}, "product_ids"),
        ({"product_ids": 1}, "product_ids"),
        ({"product_ids": [0]}, "product_ids.0"),
        ({"product_ids": [1, -1]}, "product_ids.1"),
        ({"product_ids": ["1"]}, "product_ids.0"),
        ({"product_ids": [True]}, "product_ids.0"),
        ({"product_ids": [1.5]}, "product_ids.0"),
        ({"product_ids": [None]}, "product_ids.0"),
        ({"product_ids": [2**63]}, "product_ids.0"),
        ({"product_ids": [1] * 101}, "product_ids"),
        ({"items": [{"product_id": 1, "quantity": 1}]}, "items"),
        ({"product_ids": None, "items": [{"product_id": 1, "quantity": 0}]}, "items.0.quantity"),
        ({"product_ids": None, "items": [{"product_id": 1, "quantity": 1001}]}, "items.0.quantity"),
        ({"product_ids": None, "items": [{"product_id": 1}]}, "items.0.quantity"),
        ({"product_ids": None, "items": [{"product_id": 1, "quantity": 600}] * 2}, "items"),
        ({"product_ids": None, "items": [7]}, "items.0"),
        ({"payment": "never"}, "payment"),
        ({"payment_method": 7}, "payment_method"),
        ({"payment_method": "BARTER"}, "payment_method"),
        ({"payment_method": "\u017ftripe"}, "payment_method"),
        ({"payment_method": "x" * 33}, "payment_method"),
        ({"method": "BARTER"}, "method"),
        ({"method": "CARD", "payment_method": "UPI"}, "method"),
        ({"payment_method_details": "tok"}, "payment_method_details"),
        ({"payment_method_details": {}}, "payment_method_details.token"),
        ({"currency": "ZZZ"}, "currency"),
        ({"currency": 840}, "currency"),
    ],
)
def test_bad_field_is_named_and_nothing_happens(api: Client, shop: Shop, change: Any, field: str) -> None:
    """A clear 400 that changes nothing."""
    body = {key: value for key, value in {**ALICE, **change}.items() if value is not None}
    response = post(api, body)
    assert response.status_code == 400, response.content
    assert field in response.json()["fields"]
    assert response.json()["error"].startswith(f"{field}: ")
    assert not Order.objects.exists()
    assert shop.products.calls == {}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "7",
        '"x"',
        "null",
        '{"customer_name": NaN}',
        b"\xff\xfe",
        '{"customer_name":"\\ud800"}',
        "[" * 5000,
    ],
)
def test_malformed_bodies_are_refused(api: Client, body: Any) -> None:
    """Whatever is not an object with an order in it."""
    response = post(api, body)
    assert response.status_code == 400, response.content
    assert set(response.json()) >= {"error", "code"}
    assert not Order.objects.exists()


def test_cancelled_order_is_stored_and_told_with_its_reason(api: Client, shop: Shop) -> None:
    """400 with the order's JSON, the total of what was found, and `error` = the reason."""
    shop.products.refuse_with = "Product 2 not found"
    response = post(api, ALICE)
    body = response.json()
    assert response.status_code == 400
    assert (body["status"], body["error"], body["cancellation_reason"]) == ("CANCELLED", *["Product 2 not found"] * 2)
    assert (body["total_amount"], body["payment_status"]) == (10, None)
    assert body["items"][1] == {"product_id": 2, "name": None, "quantity": 1, "unit_price": None, "line_total": None}
    assert api.get(f"/api/orders/{body['id']}/").json()["status"] == "CANCELLED"


def test_declined_payment_is_told(api: Client, shop: Shop) -> None:
    """400 `Payment failed`."""
    shop.payments.answers = [HARD_DECLINE]
    response = post(api, ALICE)
    assert response.status_code == 400
    assert response.json()["error"] == "Payment failed"


def test_unreachable_product_service_is_a_503_with_the_order(api: Client, shop: Shop) -> None:
    """The same shape, and when to come back."""
    shop.products.fail("reserve", Fault.OUTAGE_BEFORE)
    response = post(api, ALICE)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response.json()["error"] == "Product service unavailable"
    assert response.json()["status"] == "CANCELLED"


@pytest.mark.parametrize("fault", [Fault.OUTAGE_BEFORE, Fault.OUTAGE_AFTER, Fault.NONSENSE])
def test_a_503_gives_its_key_back_and_the_same_request_places_a_new_order(
    api: Client, shop: Shop, fault: Fault
) -> None:
    """Else `Retry-After` could never lead anywhere. The first order stays for audit, and holds nothing."""
    shop.products.fail("reserve", fault, fault)
    first, second, third = (post(api, ALICE, **{"Idempotency-Key": "k-5"}) for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [503, 503, 201]
    assert not third.has_header("Idempotent-Replayed")
    assert [order.status for order in Order.objects.order_by("number")] == ["CANCELLED", "CANCELLED", "PAID"]
    assert len({reply.json()["id"] for reply in (first, second, third)}) == 3
    assert list(shop.payments.charged.values()) == [1]
    assert sorted(shop.products.reservations.values()) == ["released", "released", "sold"]
    again = post(api, ALICE, **{"Idempotency-Key": "k-5"})
    assert (again.content, again["Idempotent-Replayed"]) == (third.content, "true")


def test_an_answer_that_cannot_be_used_is_a_503_with_the_order(api: Client, shop: Shop) -> None:
    """It is not the client's fault; its reason is another than an outage's, and it takes longer to put right."""
    shop.products.fail("reserve", Fault.NONSENSE)
    response = post(api, ALICE)
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    body = response.json()
    assert (body["status"], body["code"]) == ("CANCELLED", "product_service_unusable")
    assert body["error"] == body["cancellation_reason"] == "Product service gave no usable answer"


def test_pay_later_is_pending_with_an_expiry(api: Client) -> None:
    """201, stock held, nothing paid."""
    response = post(api, {**ALICE, "payment": "later"})
    body = response.json()
    assert response.status_code == 201
    assert (body["status"], body["payment_status"], body["paid_at"]) == ("PENDING", None, None)
    assert body["expires_at"] > body["created_at"]


def test_same_key_and_body_replay_the_first_answer(api: Client, shop: Shop) -> None:
    """One order, one charge, identical bodies."""
    first = post(api, ALICE, **{"Idempotency-Key": "k-1"})
    again = post(api, {"product_ids": [1, 2], "customer_name": "Alice"}, **{"Idempotency-Key": '"k-1"'})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert not first.has_header("Idempotent-Replayed")
    assert Order.objects.count() == 1
    assert shop.payments.calls["charge"] == 1


def test_cancelled_orders_replay_too(api: Client, shop: Shop) -> None:
    """A refusal that was executed is an answer like any other."""
    shop.products.refuse_with = "Product 1 is out of stock"
    first = post(api, ALICE, **{"Idempotency-Key": "k-2"})
    shop.products.refuse_with = None
    again = post(api, ALICE, **{"Idempotency-Key": "k-2"})
    assert (again.status_code, again.content) == (400, first.content)
    assert Order.objects.count() == 1


def test_same_key_with_another_body_is_refused(api: Client) -> None:
    """422, and nothing happens."""
    post(api, ALICE, **{"Idempotency-Key": "k-3"})
    response = post(api, {**ALICE, "customer_name": "Bob"}, **{"Idempotency-Key": "k-3"})
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_key_of_a_refused_request_can_be_used_again(api: Client) -> None:
    """Validation ran nothing, so nothing is remembered."""
    assert post(api, {**ALICE, "currency": "ZZZ"}, **{"Idempotency-Key": "k-4"}).status_code == 400
    assert post(api, ALICE, **{"Idempotency-Key": "k-4"}).status_code == 201


@pytest.mark.parametrize(
    "path", ["/api/orders/{id}/", "/api/orders/{id}", "/api/orders/{number}/", "/api/orders/{number}"]
)
def test_order_is_found_by_id_and_number_with_and_without_slash(api: Client, path: str) -> None:
    """Four ways to name one order."""
    placed = post(api, ALICE).json()
    assert api.get(path.format(**placed)).json()["id"] == placed["id"]


@pytest.mark.parametrize(
    "reference", ["abc", "0", "01", "-1", "1.5", "9" * 30, "7d1f6a0e-0000-4000-8000-000000000000", "%00", "é"]
)
@pytest.mark.parametrize("tail", ["", "/", "/events/"])
def test_unknown_order_is_not_found(api: Client, reference: str, tail: str) -> None:
    """404 with the seed's sentence, malformed references included."""
    response = api.get(f"/api/orders/{reference}{tail}")
    assert response.status_code == 404
    assert response.json() == {"error": "Order not found", "code": "order_not_found"}


def test_list_is_paged_newest_first_and_filtered(api: Client) -> None:
    """Bounded pages in a stable order, with the total of what fits."""
    for name in ("Alice", "Bob", "Alice"):
        post(api, {**ALICE, "customer_name": name})
    page = api.get("/api/orders/?customer_name=Alice&status=PAID&per_page=1&page=2").json()
    assert (page["page"], page["per_page"], page["total"]) == (2, 1, 2)
    assert [order["number"] for order in page["items"]] == [Order.objects.order_by("number").first().number]  # type: ignore[union-attr]
    assert api.get("/api/orders/?created_after=2100-01-01T00:00:00Z").json()["total"] == 0
    assert api.get("/api/orders/?created_before=2100-01-01T00:00:00Z").json()["total"] == 3


def test_a_cursor_walks_on_while_orders_arrive(api: Client) -> None:
    """Each order once, in pages without a total; a new one in front shifts nothing, and the last page says so."""
    numbers = [post(api, ALICE).json()["number"] for _ in range(5)][::-1]
    page = api.get("/api/orders/?per_page=2&customer_name=Alice").json()
    seen = [order["number"] for order in page["items"]]
    assert page["total"] == 5
    while page["next_cursor"] is not None:
        post(api, ALICE)
        page = api.get(f"/api/orders/?per_page=2&customer_name=Alice&cursor={page['next_cursor']}").json()
        assert set(page) == {"items", "per_page", "next_cursor"}
        seen += [order["number"] for order in page["items"]]
    assert seen == numbers


def test_a_page_behind_a_cursor_counts_nothing(api: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The orders and their lines, not how many there are in all; an empty cursor begins the walk."""
    for _ in range(3):
        post(api, ALICE)
    cursor = api.get("/api/orders/?per_page=1").json()["next_cursor"]
    for asked in ("", cursor):
        with django_assert_num_queries(2) as captured:
            assert len(api.get(f"/api/orders/?per_page=1&cursor={asked}").json()["items"]) == 1
        assert [query["sql"] for query in captured.captured_queries if "COUNT" in query["sql"].upper()] == []


def test_a_span_of_time_begins_at_its_first_moment_and_ends_before_its_last(api: Client) -> None:
    """So that spans that follow each other have every order once."""
    moments = [post(api, ALICE).json()["created_at"] for _ in range(3)]
    stored = list(Order.objects.order_by("number").values_list("created_at", flat=True))
    after = api.get("/api/orders/", {"created_after": stored[1].isoformat()}).json()
    before = api.get("/api/orders/", {"created_before": stored[1].isoformat()}).json()
    assert [order["created_at"] for order in after["items"]] == [moments[2], moments[1]]
    assert [order["created_at"] for order in before["items"]] == [moments[0]]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("cursor=x", "Not a cursor of this service."),
        ("cursor=%C3%A9", "Not a cursor of this service."),
        ("cursor=W10", "Not a cursor of this service."),
        ("cursor=WyI4YTQ4ZWM0YTk0NGEiLC0xXQ", "Of another list: the filters must stay as they were."),
        ("page=1&cursor=", "Either a cursor or a page, not both."),
        ("cursor=" + "x" * 201, "Ensure this field has no more than 200 characters."),
        ("cursor=&cursor=", "Given more than once."),
    ],
)
def test_a_wrong_cursor_is_refused(api: Client, query: str, sentence: str) -> None:
    """With a sentence, and nothing is listed."""
    response = api.get(f"/api/orders/?{query}")
    assert (response.status_code, response.json()["fields"]) == (400, {"cursor": [sentence]})


def test_a_cursor_is_for_one_list(api: Client) -> None:
    """With other filters it would leave orders out in silence."""
    for _ in range(2):
        post(api, ALICE)
    cursor = api.get("/api/orders/?per_page=1&status=PAID").json()["next_cursor"]
    assert api.get(f"/api/orders/?per_page=1&cursor={cursor}").status_code == 400
    assert api.get(f"/api/orders/?per_page=9&status=PAID&cursor={cursor}").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=paid", "status"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=1_0", "page"),
        ("page=%D9%A1", "page"),
        ("page=1&page=2", "page"),
        ("status=PAID&status=PENDING", "status"),
        ("per_page=201", "per_page"),
        ("created_after=yesterday", "created_after"),
        ("colour=red", "colour"),
        ("customer_name=%00", "customer_name"),
        ("page=99999999999999999999", "page"),
    ],
)
def test_bad_filter_is_refused(api: Client, query: str, field: str) -> None:
    """Never ignored."""
    response = api.get(f"/api/orders/?{query}")
    assert response.status_code == 400
    assert field in response.json()["fields"]


@pytest.mark.parametrize("name", ["created_after", "created_before"])
@pytest.mark.parametrize("moment", ["2025-11-10T12:05:00+01:00", "2025-11-10 12:05+0530", "2025-11-10T12:05:00.5+02"])
def test_a_plus_that_became_a_blank_says_how_to_write_it(api: Client, name: str, moment: str) -> None:
    """400 that names the field; written as %2B it is taken."""
    answer = api.get(f"/api/orders/?{name}={moment}")
    sentence = "In a query string + is a blank; write it as %2B."
    assert (answer.status_code, answer.json()["fields"]) == (400, {name: [sentence]})
    assert api.get("/api/orders/", {name: moment}).status_code == 200


def test_trail_tells_what_happened(api: Client, shop: Shop) -> None:
    """Oldest first, with reason and attempt."""
    shop.payments.answers = [HARD_DECLINE]
    placed = post(api, ALICE).json()
    items = api.get(f"/api/orders/{placed['number']}/events").json()["items"]
    assert [item["type"] for item in items] == ["order.created", "order.reserved", "order.cancelled", "order.closed"]
    assert items[2]["data"] == {"reason": "Payment failed", "attempt": 1, "cause": "expired_card"}
    assert [item["sequence"] for item in items] == sorted(item["sequence"] for item in items)


def test_cancel_and_its_refusal(api: Client) -> None:
    """200 REFUNDED, then 409."""
    placed = post(api, ALICE).json()
    first = post(api, "", f"/api/orders/{placed['id']}/cancel/")
    assert (first.status_code, first.json()["status"]) == (200, "REFUNDED")
    again = post(api, "", f"/api/orders/{placed['id']}/cancel")
    assert (again.status_code, again.json()["code"], again.json()["status"]) == (
        409,
        "order_not_cancellable",
        "REFUNDED",
    )


@pytest.mark.parametrize(("paid", "ends"), [(True, "REFUNDED"), (False, "CANCELLED")])
def test_a_cancellation_that_died_before_its_answer_is_answered_when_repeated(
    api: Client, monkeypatch: pytest.MonkeyPatch, paid: bool, ends: str
) -> None:
    """200 for its own key, though the order is cancelled by then; 409 for anybody else's, however often."""
    placed = post(api, ALICE if paid else {**ALICE, "payment": "later"}).json()
    path = f"/api/orders/{placed['id']}/cancel/"
    api.raise_request_exception = False

    def die_after(*arguments: Any) -> Order:
        saga_advance(*arguments)
        raise RuntimeError("killed")

    saga_advance = saga.advance
    with monkeypatch.context() as dying:
        dying.setattr(saga, "advance", die_after)
        assert post(api, "", path, Idempotency_Key="mine").status_code == 500
    assert the_order().status == ends
    for _ in range(2):
        refused = post(api, "", path, Idempotency_Key="theirs")
        assert (refused.status_code, refused.json()["status"]) == (409, ends)
    repeated = post(api, "", path, Idempotency_Key="mine")
    assert (repeated.status_code, repeated.json()["status"]) == (200, ends)
    assert post(api, "", path, Idempotency_Key="mine")["Idempotent-Replayed"] == "true"


def test_refund_under_way_is_a_202(api: Client, shop: Shop) -> None:
    """Accepted, not done."""
    placed = post(api, ALICE).json()
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    response = post(api, "", f"/api/orders/{placed['id']}/cancel/")
    assert (response.status_code, response.json()["status"]) == (202, "PAID")


def test_looking_again_does_not_trust_its_body(api: Client) -> None:
    """Nobody can mark an order paid by saying so."""
    placed = post(api, {**ALICE, "payment": "later"}).json()
    response = post(api, {"status": "COMPLETED", "amount": 20}, f"/api/orders/{placed['id']}/payment/")
    assert (response.status_code, response.json()["status"]) == (200, "PENDING")


def test_looking_again_without_the_payment_service_is_a_503(api: Client, shop: Shop) -> None:
    """With Retry-After, and nothing moved."""
    placed = post(api, {**ALICE, "payment": "later"}).json()
    shop.payments.fail("find", Fault.OUTAGE_BEFORE)
    response = post(api, "", f"/api/orders/{placed['id']}/payment/")
    assert (response.status_code, response.json()["code"]) == (503, "payment_service_unavailable")
    assert response["Retry-After"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_wrong_method_is_a_405_in_json(api: Client, method: str) -> None:
    """With the methods that are allowed."""
    response = getattr(api, method)("/api/orders/")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_token_reaches_the_payment_service_and_is_forgotten(api: Client, shop: Shop) -> None:
    """Kept only as long as an attempt may need it, and shown nowhere."""
    response = post(api, {**ALICE, "payment_method": "CARD", "payment_method_details": {"token": "tok_secret"}})
    assert response.status_code == 201
    assert the_order().payment_token == ""
    assert b"tok_secret" not in response.content
    assert b"tok_secret" not in api.get(f"/api/orders/{response.json()['id']}/events/").content


def test_null_details_of_a_payment_method_are_none(api: Client, shop: Shop) -> None:
    """As at the payment service's doors: the order is paid without a token."""
    response = post(api, {**ALICE, "payment_method_details": None})
    assert (response.status_code, response.json()["status"]) == (201, "PAID")


@pytest.mark.parametrize(
    "named", [{"payment_method": "card"}, {"method": "Card"}, {"method": "CARD", "payment_method": "card"}]
)
def test_the_payment_method_has_two_names(api: Client, shop: Shop, named: dict[str, str]) -> None:
    """Whichever is used, in capitals or not, is what the payment service is asked for."""
    assert post(api, {**ALICE, **named}).status_code == 201
    assert shop.payments.methods == ["CARD"]


def test_order_can_be_read_without_asking_the_payment_service(api: Client, shop: Shop) -> None:
    """`live=false` shows the last status known, and calls nobody."""
    placed = post(api, ALICE).json()
    shop.payments.statuses[the_order().uid] = "REFUNDED"
    assert api.get(f"/api/orders/{placed['id']}/?live=false").json()["payment_status"] == "COMPLETED"
    assert shop.payments.calls["glance"] == 0
    assert api.get(f"/api/orders/{placed['id']}/?live=maybe").status_code == 400


@pytest.mark.parametrize("part", [{"amount": 3}, {"items": []}, {"product_ids": [1]}, {"amount": None}])
def test_a_part_of_an_order_is_not_cancelled(api: Client, shop: Shop, part: dict[str, Any]) -> None:
    """400 naming the field, instead of giving back all of it; other fields are ignored."""
    placed = post(api, ALICE).json()
    url = f"/api/orders/{placed['id']}/cancel/"
    refused = api.post(url, json.dumps(part), content_type="application/json")
    assert (refused.status_code, list(refused.json()["fields"])) == (400, list(part))
    assert the_order().status == "PAID"
    assert api.post(url, '{"reason": "changed my mind"}', content_type="application/json").status_code == 200


@pytest.mark.parametrize("path", ["cancel", "payment"])
@pytest.mark.parametrize(("body", "kind", "status"), [("{bad", "application/json", 400), ("a=b", "text/plain", 415)])
def test_malformed_body_is_refused_where_none_is_needed(
    api: Client, path: str, body: str, kind: str, status: int
) -> None:
    """And nothing is done."""
    placed = post(api, ALICE).json()
    response = api.post(f"/api/orders/{placed['id']}/{path}/", body, content_type=kind)
    assert response.status_code == status
    assert the_order().status == "PAID"


def test_stock_that_is_gone_after_the_payment_is_no_order(shop: Shop, api: Client) -> None:
    """400 with the order: REFUNDED, a reason, and a code as of any other that ended unsold; no invariant is broken."""
    shop.products.forget_at_confirmation = True
    response = post(api, ALICE)
    body = response.json()
    assert (response.status_code, body["status"], body["payment_status"]) == (400, "REFUNDED", "REFUNDED")
    assert (body["error"], body["code"]) == (body["cancellation_reason"], "order_cancelled")
    assert (body["error"], body["refunded_amount"]) == ("Stock could not be reserved", 20)
    assert shop.payments.statuses[the_order().uid] == "REFUNDED"


def test_money_on_its_way_back_is_not_told_as_a_sale(shop: Shop, api: Client) -> None:
    """The stock is gone and the payment service cannot be reached: 202; a worker gives the money back."""
    shop.products.forget_at_confirmation = True
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    response = post(api, ALICE)
    body = response.json()
    assert (response.status_code, body["status"]) == (202, "PAID")
    assert body["cancellation_reason"] == "Stock could not be reserved"
    shop.work()
    assert (the_order().status, the_order().cancellation_reason) == ("REFUNDED", "Stock could not be reserved")
