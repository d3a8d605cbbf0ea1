"""`/api/payments/` as its clients know it: the examples it was born with, and every edge of its input."""

import re
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from payment_service.payments.models import Payment
from payment_service.tests.conftest import ORDER, exact, trail
from payment_service.tests.fakes import FakeGateway
from servicekit.idempotency.models import IdempotencyKey
from servicekit.web.fields import MAX_ID

pytestmark = pytest.mark.django_db
URL = "/api/payments/"


def post(client: APIClient, body: Any, **headers: Any) -> Any:
    return client.post(URL, body, format="json", **headers)


def test_a_charge_answers_with_the_completed_payment(client: APIClient) -> None:
    """The seed's example, exact keys and all."""
    response = client.post(URL, f'{{"order_id": "{ORDER}", "amount": 50.00}}', content_type="application/json")
    assert response.status_code == 201
    body = exact(response)
    assert list(body) == ["id", "order_id", "amount", "status", "timestamp"]
    assert (body["order_id"], body["status"]) == (ORDER, "COMPLETED")
    assert b'"amount":50.00,' in response.content
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["timestamp"])
    assert trail() == ["payment.successful"]


@pytest.mark.parametrize("amount", [50, 50.0, "50.00", "50"])
def test_a_repeat_answers_with_the_same_body(client: APIClient, amount: Any) -> None:
    """201 first, then 200, and nothing is charged twice."""
    first = post(client, {"order_id": ORDER, "amount": Decimal("50.00")})
    again = post(client, {"order_id": ORDER.upper(), "amount": amount})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert (Payment.objects.count(), trail()) == (1, ["payment.successful"])


def test_an_order_number_is_answered_as_a_number(client: APIClient) -> None:
    """The id comes back in the type in which it was given."""
    assert exact(post(client, {"order_id": 342, "amount": 561}))["order_id"] == 342
    assert exact(client.get(f"{URL}342/"))["order_id"] == 342
    assert post(client, {"order_id": MAX_ID, "amount": 1}).status_code == 201


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_payment_is_read_by_its_order(client: APIClient, slash: str) -> None:
    """GET shows what POST answered, with and without the slash."""
    posted = post(client, {"order_id": ORDER, "amount": 50})
    read = client.get(f"{URL}{ORDER.upper()}{slash}")
    assert (read.status_code, read.content) == (200, posted.content)


@pytest.mark.parametrize(
    "order_id", ["00000000-0000-4000-8000-000000000000", "7", "0", "-1", "x", "%00", "1.0", "9" * 40, ORDER + "0", "é"]
)
def test_what_is_no_orders_id_or_has_no_payment_is_not_found(client: APIClient, order_id: str) -> None:
    """Unknown and malformed ids get the same sentence."""
    response = client.get(f"{URL}{order_id}/")
    assert response.status_code == 404
    assert exact(response) == {"error": "Payment not found", "code": "payment_not_found"}


@pytest.mark.parametrize("body", [{}, {"order_id": ORDER}, {"amount": 5}, {"order_id": None, "amount": 5}])
def test_both_fields_are_required(client: APIClient, body: dict[str, Any]) -> None:
    """The seed's sentence, and nothing is stored."""
    response = post(client, body)
    assert response.status_code == 400
    assert exact(response) == {"error": "order_id and amount required", "code": "order_and_amount_required"}
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("amount", [0, -1, "-0.01", Decimal("-9999999999.99")])
def test_an_amount_that_is_not_positive_leaves_a_failed_payment(client: APIClient, amount: Any) -> None:
    """Refused with the seed's sentence; kept as FAILED, and only once."""
    for _ in range(2):
        response = post(client, {"order_id": ORDER, "amount": amount})
        assert response.status_code == 400
        assert exact(response) == {"error": "Amount must be positive.", "code": "amount_not_positive"}
    body = exact(client.get(f"{URL}{ORDER}/"))
    assert (body["status"], body["failure_code"], body["retryable"]) == ("FAILED", "amount_not_positive", False)
    assert trail() == ["payment.failed"]


@pytest.mark.parametrize("path", [URL, "/v1/payments/charge"])
def test_a_failed_payment_that_was_stored_keeps_its_key(client: APIClient, path: str) -> None:
    """The 400 is replayed; where the first run died before its answer, the second one gives it."""

    def ask(amount: int, key: str) -> Any:
        return client.post(path, {"order_id": 7, "amount": amount}, format="json", HTTP_IDEMPOTENCY_KEY=key)

    first = ask(0, "k")
    IdempotencyKey.objects.update(status_code=None, body=None, locked_until=None)  # as it was before the answer
    after_a_crash, again = ask(0, "k"), ask(0, "k")
    assert [response.status_code for response in (first, after_a_crash, again)] == [400] * 3
    assert (again["Idempotent-Replayed"], again.content) == ("true", first.content)
    assert ("Idempotent-Replayed" in first, "Idempotent-Replayed" in after_a_crash) == (False, False)
    assert exact(ask(5, "k"))["code"] == "idempotency_key_reused"
    assert (Payment.objects.count(), trail()) == (1, ["payment.failed"])


def test_a_bad_amount_that_stored_nothing_gives_its_key_back(client: APIClient) -> None:
    """The order has a payment already: nothing came of the request."""
    post(client, {"order_id": ORDER, "amount": 50})
    assert post(client, {"order_id": ORDER, "amount": -50}, HTTP_IDEMPOTENCY_KEY="k").status_code == 400
    assert post(client, {"order_id": ORDER, "amount": 50}, HTTP_IDEMPOTENCY_KEY="k").status_code == 200


def test_a_bad_amount_does_not_touch_a_payment_that_was_taken(client: APIClient) -> None:
    """The money that is there stays as it is."""
    taken = post(client, {"order_id": ORDER, "amount": 50})
    assert post(client, {"order_id": ORDER, "amount": -50}).status_code == 400
    assert client.get(f"{URL}{ORDER}/").content == taken.content


@pytest.mark.parametrize("body", [{"amount": 51}, {"amount": 50, "currency": "EUR"}])
def test_another_amount_is_refused(client: APIClient, body: dict[str, Any]) -> None:
    """One payment per order: what is asked for later has to be the same."""
    post(client, {"order_id": ORDER, "amount": 50})
    response = post(client, {"order_id": ORDER, **body})
    assert response.status_code == 409
    assert exact(response) == {
        "error": "The payment of this order is over 50.00 USD",
        "code": "payment_amount_mismatch",
        "amount": Decimal("50.00"),
        "currency": "USD",
    }
    assert Payment.objects.get().amount == Decimal("50.00")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", True),
        ("order_id", 0),
        ("order_id", -1),
        ("order_id", 2**63),
        ("order_id", 10**400),
        ("order_id", 1.5),
        ("order_id", "342"),
        ("order_id", "x\0"),
        ("order_id", "a1b2c3d4e5f67890abcdef1234567890"),
        ("order_id", [ORDER]),
        ("amount", True),
        ("amount", "x"),
        ("amount", ""),
        ("amount", "NaN"),
        ("amount", "Infinity"),
        ("amount", "1e3"),
        ("amount", [5]),
        ("amount", Decimal("1.001")),
        ("amount", Decimal("10000000000")),
        ("amount", 10**400),
        ("currency", "USX"),
        ("currency", "US"),
        ("currency", 5),
        ("currency", "XAU"),
        ("method", "CHEQUE"),
        ("method", 5),
        ("method", "DIRECT\0"),
        ("payment_method_details", "tok_ok"),
        ("payment_method_details", {"token": 5}),
        ("payment_method_details", {"token": "x" * 256}),
        ("payment_method_details", {"token": "a\0b"}),
    ],
)
def test_a_wrong_field_is_named(client: APIClient, field: str, value: Any) -> None:
    """400, the field by name, nothing stored, never a 500."""
    response = post(client, {"order_id": ORDER, "amount": 50, field: value})
    assert response.status_code == 400
    assert next(iter(exact(response)["fields"])).startswith(field)
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    "body", ["[]", "5", '"x"', "null", '{"order_id": NaN}', "{", '{"order_id": "\\ud800", "amount": 5}']
)
def test_a_body_that_is_no_object_is_refused(client: APIClient, body: str) -> None:
    """A clear 400 in JSON."""
    response = client.post(URL, body, content_type="application/json")
    assert response.status_code == 400
    assert set(exact(response)) >= {"error", "code"}


def test_a_currency_without_decimals_refuses_fractions(client: APIClient) -> None:
    """There is no half yen."""
    assert post(client, {"order_id": ORDER, "amount": Decimal("50.50"), "currency": "jpy"}).status_code == 400
    assert post(client, {"order_id": ORDER, "amount": 50, "currency": "jpy"}).status_code == 201


def test_unknown_fields_are_ignored_and_the_method_may_be_written_in_small_letters(client: APIClient) -> None:
    """Old and new clients can talk to it alike."""
    body = {"order_id": ORDER, "amount": 5, "method": "direct", "colour": "red", "payment_method_details": None}
    assert post(client, body).status_code == 201


def test_a_decline_is_an_answer(client: APIClient, gateway: FakeGateway) -> None:
    """201 with what the client needs to decide whether to try again."""
    gateway.script = ["decline"]
    response = post(client, {"order_id": ORDER, "amount": 50, "method": "card"})
    body = exact(response)
    assert response.status_code == 201
    assert (body["status"], body["failure_code"], body["retryable"]) == ("FAILED", "insufficient_funds", True)
    assert trail() == ["payment.failed"]


def test_a_failed_payment_may_be_tried_again_over_another_amount(client: APIClient, gateway: FakeGateway) -> None:
    """No money was taken, so nothing is settled yet; it stays one payment with one id."""
    gateway.script = ["decline"]
    failed = exact(post(client, {"order_id": ORDER, "amount": 50, "method": "CARD"}))
    response = post(client, {"order_id": ORDER, "amount": 60, "method": "CARD"})
    body = exact(response)
    assert (response.status_code, body["status"], body["amount"]) == (200, "COMPLETED", Decimal("60.00"))
    assert "failure_code" not in body
    assert body["id"] == failed["id"]
    assert [call.key for call in gateway.calls] == [f"order-{ORDER}-pay-1", f"order-{ORDER}-pay-2"]
    assert trail() == ["payment.failed", "payment.successful"]


def test_an_answer_that_is_not_known_yet_is_pending(client: APIClient, gateway: FakeGateway) -> None:
    """A lost answer is never called a failure."""
    gateway.script = ["lost"]
    body = exact(post(client, {"order_id": ORDER, "amount": 50, "method": "CARD"}))
    assert body["status"] == "PENDING"
    assert trail() == []


def test_a_key_replays_its_first_answer(client: APIClient) -> None:
    """Same key and body: the stored status and body; another body: 422."""
    first = post(client, {"order_id": ORDER, "amount": 50}, HTTP_IDEMPOTENCY_KEY=f"order-{ORDER}-pay-1")
    again = post(client, {"order_id": ORDER, "amount": 50}, HTTP_IDEMPOTENCY_KEY=f'"order-{ORDER}-pay-1"')
    other = post(client, {"order_id": ORDER, "amount": 51}, HTTP_IDEMPOTENCY_KEY=f"order-{ORDER}-pay-1")
    assert (first.status_code, first.has_header("Idempotent-Replayed")) == (201, False)
    assert (again.status_code, again["Idempotent-Replayed"], again.content) == (201, "true", first.content)
    assert (other.status_code, exact(other)["code"]) == (422, "idempotency_key_reused")


def test_a_key_is_given_back_by_a_request_that_ran_nothing(client: APIClient) -> None:
    """A client may mend its request and send it under the same key."""
    assert post(client, {"order_id": ORDER, "amount": "x"}, HTTP_IDEMPOTENCY_KEY="k").status_code == 400
    assert post(client, {"order_id": ORDER, "amount": 5}, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


@pytest.mark.parametrize(
    ("method", "path"), [("get", URL), ("put", URL), ("delete", f"{URL}{ORDER}/"), ("post", f"{URL}{ORDER}/")]
)
def test_other_methods_are_refused_in_json(client: APIClient, method: str, path: str) -> None:
    """405 in the one shape of errors."""
    response = getattr(client, method)(path)
    assert (response.status_code, exact(response)["code"]) == (405, "method_not_allowed")
