"""`/api/v1/payments`: authorise, capture, void, refund and read, as the clients of the service know them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from payment_service.payments.models import Payment, Refund
from payment_service.tests.conftest import ORDER, exact, trail
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db
URL = "/api/v1/payments"


@pytest.fixture(autouse=True)
def bank(gateway: FakeGateway) -> FakeGateway:
    return gateway


def post(client: APIClient, step: str, body: Any, **headers: Any) -> Any:
    return client.post(f"{URL}/{step}", body, format="json", **headers)


def process(client: APIClient, **more: Any) -> Any:
    body = {"order_id": ORDER, "amount": 50, "currency": "usd", "payment_method": "credit_card", **more}
    return post(client, "process", body)


def transaction(client: APIClient, **more: Any) -> str:
    found: str = exact(process(client, **more))["transaction_id"]
    return found


def test_a_payment_is_captured(client: APIClient) -> None:
    """The ids come from the gateway."""
    response = process(client)
    payment = Payment.objects.get()
    assert response.status_code == 200
    assert exact(response) == {
        "success": True,
        "transaction_id": payment.transaction_id,
        "payment_intent_id": payment.payment_intent_id,
        "status": "captured",
        "error": None,
    }
    assert process(client).content == response.content
    assert trail() == ["payment.successful"]


def test_a_decline(client: APIClient, gateway: FakeGateway) -> None:
    """200 with what went wrong."""
    gateway.script = ["decline"]
    response = process(client)
    assert response.status_code == 200
    assert exact(response) == {
        "success": False,
        "transaction_id": None,
        "payment_intent_id": None,
        "status": "failed",
        "error": "Insufficient funds",
    }


def test_an_answer_that_is_not_known_yet(client: APIClient, gateway: FakeGateway) -> None:
    """Neither a success nor a failure: processing."""
    gateway.script = ["timeout"]
    body = exact(process(client))
    assert (body["success"], body["status"], body["error"]) == (False, "processing", "The gateway has not answered yet")


def test_authorise_then_capture(client: APIClient, gateway: FakeGateway) -> None:
    """Nothing is taken until the capture; each stage has its time."""
    transaction_id = transaction(client, capture=False)
    assert exact(client.get(f"{URL}/transaction/{transaction_id}"))["status"] == "authorized"
    body = exact(post(client, "capture", {"transaction_id": transaction_id}))
    assert (body["success"], body["status"], body["transaction_id"]) == (True, "captured", transaction_id)
    record = exact(client.get(f"{URL}/order/{ORDER}"))
    assert record["authorized_at"] is not None
    assert record["captured_at"] is not None
    assert trail() == ["payment.authorized", "payment.successful"]


def test_a_part_is_captured(client: APIClient) -> None:
    """No more than that can be refunded."""
    transaction_id = transaction(client, capture=False)
    assert exact(post(client, "capture", {"transaction_id": transaction_id, "amount": 20}))["success"] is True
    refusal = post(client, "refund", {"transaction_id": transaction_id, "amount": "20.01"})
    assert (refusal.status_code, exact(refusal)["code"]) == (400, "refund_exceeds_captured")


def test_more_than_is_set_aside(client: APIClient) -> None:
    """400, and it can still be captured."""
    transaction_id = transaction(client, capture=False)
    refusal = post(client, "capture", {"transaction_id": transaction_id, "amount": "50.01"})
    assert (refusal.status_code, exact(refusal)["code"]) == (400, "capture_exceeds_authorized")
    assert exact(post(client, "capture", {"transaction_id": transaction_id}))["success"] is True


def test_what_is_set_aside_is_voided(client: APIClient) -> None:
    """Safe to repeat; then nothing can be captured."""
    transaction_id = transaction(client, capture=False)
    for _ in range(2):
        body = exact(post(client, "void", {"transaction_id": transaction_id}))
        assert (body["success"], body["status"]) == (True, "voided")
    refusal = post(client, "capture", {"transaction_id": transaction_id})
    assert (refusal.status_code, exact(refusal)["code"]) == (409, "payment_not_capturable")


@pytest.mark.parametrize("amount", ["49.99", 0, "50.01"])
def test_a_part_of_what_is_set_aside_is_not_voided(client: APIClient, gateway: FakeGateway, amount: Any) -> None:
    """400, and all of it stays set aside; all of it may be said."""
    transaction_id = transaction(client, capture=False)
    refusal = post(client, "void", {"transaction_id": transaction_id, "amount": amount})
    assert (refusal.status_code, exact(refusal)["code"], exact(refusal)["held"]) == (400, "void_in_part", 50)
    assert gateway.held == 50
    assert exact(post(client, "void", {"transaction_id": transaction_id, "amount": "50.00"}))["status"] == "voided"


def test_what_was_taken_is_not_voided_here(client: APIClient) -> None:
    """409: it has to be refunded."""
    refusal = post(client, "void", {"transaction_id": transaction(client)})
    assert (refusal.status_code, exact(refusal)["code"]) == (409, "payment_not_voidable")


def test_a_refusal_of_the_gateway_is_no_success(client: APIClient, gateway: FakeGateway) -> None:
    """Capture and void say what went wrong, and leave the money set aside."""
    transaction_id = transaction(client, capture=False)
    for step in ("capture", "void"):
        gateway.script = ["decline"]
        body = exact(post(client, step, {"transaction_id": transaction_id}))
        assert (body["success"], body["status"], body["error"]) == (False, "authorized", "Insufficient funds")


def test_refunds_in_parts(client: APIClient, gateway: FakeGateway) -> None:
    """Each with its own id; the last takes all that is left; then there is nothing to refund."""
    transaction_id = transaction(client)
    first = exact(post(client, "refund", {"transaction_id": transaction_id, "amount": 20, "reason": "damaged"}))
    assert (first["success"], first["amount"], first["error"]) == (True, Decimal("20.00"), None)
    record = exact(client.get(f"{URL}/transaction/{transaction_id}"))
    assert record["status"] == "partially_refunded"
    last = exact(post(client, "refund", {"transaction_id": transaction_id}))
    assert (last["amount"], gateway.held) == (Decimal("30.00"), 0)
    record = exact(client.get(f"{URL}/payment/{Payment.objects.get().uid}"))
    assert record["status"] == "refunded"
    assert [(each["id"], each["reason"], each["status"]) for each in record["refunds"]] == [
        (first["refund_id"], "damaged", "succeeded"),
        (last["refund_id"], None, "succeeded"),
    ]
    refusal = post(client, "refund", {"transaction_id": transaction_id})
    assert (refusal.status_code, exact(refusal)["code"]) == (409, "payment_not_refundable")


def test_a_refund_under_one_key_is_one_refund(client: APIClient, gateway: FakeGateway) -> None:
    """A client that lost the answer asks again under the same key."""
    body = {"transaction_id": transaction(client), "amount": 20}
    first = post(client, "refund", body, HTTP_IDEMPOTENCY_KEY="k")
    again = post(client, "refund", body, HTTP_IDEMPOTENCY_KEY="k")
    assert again.content == first.content
    assert (Refund.objects.count(), gateway.held) == (1, 30)


def test_a_refund_that_fails_or_is_not_known_yet(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int]
) -> None:
    """200 and 202 tell them apart; what failed can be refunded again, what is pending cannot."""
    transaction_id = transaction(client)
    gateway.script = ["decline", "lost"]
    failed = post(client, "refund", {"transaction_id": transaction_id})
    pending = post(client, "refund", {"transaction_id": transaction_id})
    amounts = {"amount": Decimal("50.00")}
    assert (failed.status_code, pending.status_code) == (200, 202)
    refused = {"success": False, "status": "failed", "error": "Insufficient funds"}
    accepted = {"success": True, "status": "pending", "error": None}
    assert exact(failed) == {**amounts, **refused, "refund_id": exact(failed)["refund_id"]}
    assert exact(pending) == {**amounts, **accepted, "refund_id": exact(pending)["refund_id"]}
    assert exact(failed)["refund_id"] != exact(pending)["refund_id"]
    work()
    assert exact(client.get(f"{URL}/order/{ORDER}"))["status"] == "refunded"


@pytest.mark.parametrize("currency", ["JPY", "KRW", "CLP"])
@pytest.mark.parametrize(("step", "is_taken"), [("capture", False), ("refund", True)])
def test_a_fraction_of_a_currency_that_has_none(
    client: APIClient, gateway: FakeGateway, currency: str, step: str, is_taken: bool
) -> None:
    """400 that says so; nothing moves, and a whole amount does."""
    transaction_id = transaction(client, amount=50, currency=currency, capture=is_taken)
    moved = len(gateway.calls)
    refusal = post(client, step, {"transaction_id": transaction_id, "amount": "10.50"})
    assert (refusal.status_code, exact(refusal)["fields"]) == (400, {"amount": [f"{currency} has no decimals."]})
    assert len(gateway.calls) == moved
    assert exact(post(client, step, {"transaction_id": transaction_id, "amount": "10.00"}))["success"] is True


@pytest.mark.parametrize("amount", ["30.00", None])
def test_a_pending_refund_asked_for_again_without_a_key_is_refused(
    client: APIClient, gateway: FakeGateway, work: Callable[[], int], amount: str | None
) -> None:
    """409 names the refund that is on its way; one row, and the money goes back once."""
    body = {"transaction_id": transaction(client), **({} if amount is None else {"amount": amount})}
    gateway.script = ["lost"]
    refund_id = exact(post(client, "refund", body))["refund_id"]
    again = post(client, "refund", body)
    assert (again.status_code, exact(again)["code"]) == (409, "refund_pending")
    assert (exact(again)["refund_id"], exact(again)["amount"]) == (refund_id, Decimal(amount or "50.00"))
    work()
    assert (Refund.objects.count(), gateway.held) == (1, 50 - Decimal(amount or "50.00"))


def test_a_pending_refund_asked_for_again_under_its_key_is_replayed(client: APIClient, gateway: FakeGateway) -> None:
    """The same 202; and another key, or another amount, is another refund."""
    transaction_id = transaction(client)
    body = {"transaction_id": transaction_id, "amount": "20.00"}
    gateway.script = ["lost", "lost", "lost"]
    first = post(client, "refund", body, HTTP_IDEMPOTENCY_KEY="k")
    again = post(client, "refund", body, HTTP_IDEMPOTENCY_KEY="k")
    assert (again.status_code, again["Idempotent-Replayed"], again.content) == (202, "true", first.content)
    assert post(client, "refund", body, HTTP_IDEMPOTENCY_KEY="k2").status_code == 202
    assert post(client, "refund", {**body, "amount": "5.00"}).status_code == 202
    assert [refund.amount for refund in Refund.objects.order_by("number")] == [20, 20, 5]


def test_a_step_without_an_answer_is_no_refusal(client: APIClient, gateway: FakeGateway) -> None:
    """202 from process, capture and void; 200 is an answer."""
    said = {"success": False, "error": "The gateway has not answered yet"}
    gateway.script = ["timeout"]
    processing = process(client, order_id=7)
    assert (processing.status_code, exact(processing)) == (
        202,
        {**said, "transaction_id": None, "payment_intent_id": None, "status": "processing"},
    )
    for step in ("capture", "void"):
        transaction_id = transaction(client, order_id={"capture": 8, "void": 9}[step], capture=False)
        gateway.script = ["timeout"]
        answer = post(client, step, {"transaction_id": transaction_id})
        assert (answer.status_code, exact(answer)["status"], exact(answer)["error"]) == (
            202,
            "authorized",
            said["error"],
        )


@pytest.mark.parametrize(("step", "is_taken"), [("capture", False), ("void", False), ("refund", True)])
def test_null_is_no_amount(client: APIClient, gateway: FakeGateway, step: str, is_taken: bool) -> None:
    """400 that names the field, and nothing moves: whoever means all of it leaves the field out."""
    transaction_id = transaction(client, capture=is_taken)
    asked_before = len(gateway.calls)
    refusal = post(client, step, {"transaction_id": transaction_id, "amount": None})
    assert (refusal.status_code, exact(refusal)["fields"]) == (400, {"amount": ["This field may not be null."]})
    assert (len(gateway.calls), gateway.held) == (asked_before, 50)
    assert exact(post(client, step, {"transaction_id": transaction_id}))["success"] is True


@pytest.mark.parametrize("step", ["capture", "void", "refund"])
def test_an_unknown_transaction(client: APIClient, step: str) -> None:
    """404 at each step."""
    response = post(client, step, {"transaction_id": "txn_0"})
    assert (response.status_code, exact(response)["error"]) == (404, "Payment not found")


def test_a_payment_is_read_in_four_ways(client: APIClient) -> None:
    """By id, number, order and transaction: the same record, with every field."""
    transaction_id = transaction(client)
    payment = Payment.objects.get()
    paths = [f"payment/{payment.uid}", f"payment/{payment.number}", f"order/{ORDER}", f"transaction/{transaction_id}"]
    records = [exact(client.get(f"{URL}/{path}{slash}")) for path in paths for slash in ("", "/")]
    assert all(record == records[0] for record in records)
    record = records[0]
    assert list(record) == [
        *("id", "order_id", "amount", "authorized_amount", "refunded_amount", "currency", "payment_method", "status"),
        *("transaction_id", "payment_intent_id"),
        *("provider_response", "error_message", "created_at", "updated_at", "authorized_at", "captured_at"),
        *("refunded_at", "blocked", "refunds"),
    ]
    assert UUID(record["id"]) == payment.uid
    assert (record["amount"], record["currency"], record["payment_method"]) == (Decimal("50.00"), "USD", "credit_card")


@pytest.mark.parametrize(
    "path",
    [
        "payment/x",
        "payment/0",
        f"payment/{ORDER}",
        "order/x",
        "order/7",
        "transaction/x",
        "transaction/%00",
        "order/%00",
    ],
)
def test_what_is_not_there_is_not_found(client: APIClient, path: str) -> None:
    """One sentence for unknown and malformed."""
    response = client.get(f"{URL}/{path}")
    assert (response.status_code, exact(response)["error"]) == (404, "Payment not found")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": None}, "amount"),
        ({"currency": None}, "currency"),
        ({"currency": "USX"}, "currency"),
        ({"currency": "JPY", "amount": Decimal("5.50")}, "amount"),
        ({"payment_method": "cod"}, "payment_method"),
        ({"payment_method": None}, "payment_method"),
        ({"capture": "yes"}, "capture"),
        ({"capture": 1}, "capture"),
        ({"capture": None}, "capture"),
        ({"order_id": "x"}, "order_id"),
        ({"payment_method_details": []}, "payment_method_details.non_field_errors"),
    ],
)
def test_wrong_input_is_named(client: APIClient, more: dict[str, Any], field: str) -> None:
    """400, the field by name, nothing stored."""
    response = process(client, **more)
    assert response.status_code == 400
    assert next(iter(exact(response)["fields"])) in (field, field.removesuffix(".non_field_errors"))
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    ("step", "body", "field"),
    [
        ("capture", {}, "transaction_id"),
        ("capture", {"transaction_id": 5}, "transaction_id"),
        ("capture", {"transaction_id": "x", "amount": 0}, "amount"),
        ("void", {"transaction_id": "x" * 65}, "transaction_id"),
        ("refund", {"transaction_id": "x\0"}, "transaction_id"),
        ("refund", {"transaction_id": "x", "amount": -1}, "amount"),
        ("refund", {"transaction_id": "x", "reason": "y" * 256}, "reason"),
    ],
)
def test_a_wrong_step_is_named(client: APIClient, step: str, body: dict[str, Any], field: str) -> None:
    """400 before anybody is looked for."""
    response = post(client, step, body)
    assert (response.status_code, list(exact(response)["fields"])) == (400, [field])


def test_nothing_sensitive_is_kept(client: APIClient) -> None:
    """The token is forgotten with the answer, and card data is not even read."""
    process(client, payment_method_details={"token": "tok_secret", "card_number": "4242424242424242"})
    payment = Payment.objects.get()
    assert payment.token == ""
    assert "4242424242424242" not in str(vars(payment))
    assert b"tok_secret" not in client.get(f"{URL}/order/{ORDER}").content


def test_a_record_has_the_newest_refunds_of_very_many(client: APIClient) -> None:
    """Oldest first; it has no pages, and a cent at a time can be given back without end."""
    process(client)
    payment = Payment.objects.get()
    Refund.objects.bulk_create(
        Refund(payment=payment, amount=Decimal("0.01"), status="FAILED", reason=str(n)) for n in range(105)
    )
    shown = exact(client.get(f"{URL}/order/{ORDER}"))["refunds"]
    assert [refund["reason"] for refund in shown] == [str(n) for n in range(5, 105)]
