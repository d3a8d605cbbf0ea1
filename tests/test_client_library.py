"""The typed client: its docstrings' examples run, it knows all that the OpenAPI documents know, and it is a package."""

import base64
import doctest
import hashlib
import hmac
import json
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from email import message_from_string
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
import requests
import yaml

import orderpay
from orderpay import client as client_module
from orderpay import models, transport, webhooks
from tests.stack import ROOT, Stack, wait_until

SERVICES: Final = {"orders": "order_service", "payments": "payment_service", "products": "product_stub"}
DOCUMENTED: Final = {**SERVICES, "mails": "notify_service"}
DOCUMENTS: Final[Mapping[str, Any]] = {
    service: yaml.safe_load((ROOT / "docs" / "openapi" / f"{service}.yaml").read_text())
    for service in DOCUMENTED.values()
}
NOON: Final = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)

# How each operation of the documents is asked for by the client, with everything that it takes.
Calls = Mapping[str, Callable[[orderpay.Client], object]]


def _calls_of_webhooks(name: str) -> Calls:
    """Of one of the two services that have them."""
    more: Any = {"url": "u", "events": ["*"], "description": "d", "contact": "c", "ordered": True, "enabled": False}
    return {
        "list_webhooks": lambda c: c.webhooks[name].list(),
        "create_webhook": lambda c: c.webhooks[name].create(**more),
        "show_webhook": lambda c: c.webhooks[name].get("w"),
        "change_webhook": lambda c: c.webhooks[name].change("w", **more),
        "delete_webhook": lambda c: c.webhooks[name].delete("w"),
        "rotate_webhook": lambda c: c.webhooks[name].rotate("w", overlap_s=60),
        "send_webhook_example": lambda c: c.webhooks[name].send_example("w", event_type="order.paid"),
        "recover_webhook": lambda c: c.webhooks[name].recover("w", since=NOON),
        "list_webhook_deliveries": lambda c: [
            *c.webhooks[name].deliveries("w", state="dead", event_type="order.paid", subject="o", per_page=7),
            c.webhooks[name].page("w", 2),
        ],
        "show_webhook_delivery": lambda c: c.webhooks[name].delivery("w", "d"),
        "resend_webhook_delivery": lambda c: c.webhooks[name].resend("w", "d"),
    }


CALLS: Final[Mapping[str, Calls]] = {
    "order_service": {
        "list_orders": lambda c: [
            *c.orders.list(
                status="PAID", unfinished_for=60, customer_name="A", created_after=NOON, created_before=NOON, per_page=7
            ),
            c.orders.page(3),
        ],
        "place_order": lambda c: c.orders.place(
            customer_name="A", items={1: 2}, payment="later", payment_method="CARD", token="tok_ok", currency="USD"
        ),
        "show_order": lambda c: c.orders.get("x", live=False),
        "cancel_order": lambda c: c.orders.cancel(7),
        "order_events": lambda c: c.orders.events(7),
        "look_again": lambda c: c.orders.look_again(7),
        "order_progress": lambda c: c.orders.progress(7),
        "list_recorded_events": lambda c: [
            c.operations["orders"].events(aggregate_id="x"),
            c.operations["orders"].events(request_id="r"),
        ],
        "list_consumed_events": lambda c: c.operations["orders"].consumed(["x", "y"]),
        "list_dead_letters": lambda c: c.operations["orders"].dead_letters(),
        "replay_dead_letter": lambda c: c.operations["orders"].replay_dead_letter(7),
        "give_up_dead_letter": lambda c: c.operations["orders"].give_up_dead_letter(7),
        "list_parked_messages": lambda c: c.operations["orders"].parked_messages(),
        "replay_parked_message": lambda c: c.operations["orders"].replay_parked_message(7),
        "check_invariants": lambda c: c.operations["orders"].invariants(quiet_for=60),
        **_calls_of_webhooks("orders"),
        "health_retrieve": lambda c: c.health("orders"),
        "health_live_retrieve": lambda c: c.is_live("orders"),
    },
    "product_stub": {
        "list_products": lambda c: [*c.products.list(per_page=7), c.products.page(2)],
        "create_product": lambda c: c.products.create(name="Mug", price="7.50", stock=3),
        "get_product": lambda c: c.products.get(1),
        "restock_product": lambda c: c.products.restock(1, 5),
        "get_reservation": lambda c: c.reservations.get("x"),
        "put_reservation": lambda c: c.reservations.hold("x", {1: 2}),
        "delete_reservation": lambda c: c.reservations.release("x", return_sold=True),
        "confirm_reservation": lambda c: c.reservations.confirm("x"),
        "confirm_reservations": lambda c: c.reservations.confirm_many(["x", "y"]),
        "check_invariants": lambda c: c.operations["products"].invariants(quiet_for=60),
        "health_retrieve": lambda c: c.health("products"),
        "health_live_retrieve": lambda c: c.is_live("products"),
    },
    "payment_service": {
        "create_payment": lambda c: c.payments.charge(7, "5.00", method="CARD", token="tok_ok", currency="USD"),
        "read_payment": lambda c: c.payments.state(7),
        "void_payment": lambda c: c.payments.void(order_id=7, amount="5.00"),
        "capture_transaction": lambda c: c.payments.capture("t", "5.00"),
        "read_by_order": lambda c: c.payments.get(order_id=7),
        "read_by_payment": lambda c: c.payments.get(payment_id=7),
        "read_by_transaction": lambda c: c.payments.get(transaction_id="t"),
        "process_payment": lambda c: c.payments.authorize(7, "5.00", currency="USD", token="tok_ok"),
        "refund_transaction": lambda c: c.payments.refund(transaction_id="t", amount="5.00", reason="broken"),
        "void_transaction": lambda c: c.payments.void(transaction_id="t", amount="5.00"),
        "pay": lambda c: c.payments.pay(7, "5.00", method="CARD", token="tok_ok", currency="USD"),
        "list_payments": lambda c: [
            *c.payments.list(
                order_id=7,
                method="CARD",
                status="SUCCESS",
                refunded=False,
                amount_gt=Decimal("1.00"),
                amount_lt=Decimal("9.00"),
                start_date=date(2026, 1, 2),
                end_date=NOON,
                sort_by_created="asc",
                per_page=7,
            ),
            c.payments.page(3),
        ],
        "refund_charge": lambda c: c.payments.refund(payment_id=7, amount="5.00"),
        "charge": lambda c: c.payments.charge(7, "5.00", method="CARD", token="tok_ok", currency="USD", door="charges"),
        "payment_events": lambda c: c.payments.events(7),
        "payment_progress": lambda c: c.payments.progress(7),
        "list_blocked_payments": lambda c: c.payments.blocked(),
        "take_up_payment": lambda c: c.payments.take_up(7),
        "list_recorded_events": lambda c: [
            c.operations["payments"].events(aggregate_id="x"),
            c.operations["payments"].events(request_id="r"),
        ],
        "list_dead_letters": lambda c: c.operations["payments"].dead_letters(),
        "replay_dead_letter": lambda c: c.operations["payments"].replay_dead_letter(7),
        "give_up_dead_letter": lambda c: c.operations["payments"].give_up_dead_letter(7),
        "check_invariants": lambda c: c.operations["payments"].invariants(quiet_for=60),
        **_calls_of_webhooks("payments"),
        "health_retrieve": lambda c: c.health("payments"),
        "health_live_retrieve": lambda c: c.is_live("payments"),
    },
    "notify_service": {
        "list_mails": lambda c: [*c.mails.list(order_id="o", per_page=7), c.mails.page(2)],
        "health_retrieve": lambda c: c.health("mails"),
        "health_live_retrieve": lambda c: c.is_live("mails"),
    },
}
# A second spelling of another field or parameter, which the client uses instead.
SYNONYMS: Final = {"product_ids", "method", "payment_method"}
# Schema of an answer → the dataclass that holds each of its fields.
MODELS: Final[Mapping[str, type[Any]]] = {
    "OrderOut": orderpay.Order,
    "OrderItemOut": orderpay.Item,
    "NextActionOut": orderpay.NextAction,
    "NextAction": orderpay.NextAction,
    "OrderEvent": orderpay.Event,
    "ProductOut": orderpay.Product,
    "ReservationOut": orderpay.Reservation,
    "LineOut": orderpay.Line,
    "ConfirmedOut": orderpay.Confirmed,
    "PaymentOut": orderpay.Payment,
    "PayOut": orderpay.Payment,
    "ChargeOut": orderpay.Payment,
    "ListedPayment": orderpay.Payment,
    "PaymentRecord": orderpay.Payment,
    "StepOut": orderpay.Payment,
    "Blocked": orderpay.Blocked,
    "BlockedPayment": orderpay.BlockedPayment,
    "PaymentEvent": orderpay.Event,
    "PaymentProgress": orderpay.PaymentProgress,
    "GatewayCall": orderpay.GatewayCall,
    "OrderProgress": orderpay.OrderProgress,
    "InvariantReport": orderpay.Report,
    "InvariantVerdict": orderpay.Verdict,
    "WaitingForAPerson": orderpay.Waits,
    "RecordedEvent": orderpay.RecordedEvent,
    "ConsumedEvent": orderpay.ConsumedEvent,
    "DeadLetter": orderpay.DeadLetter,
    "ParkedMessage": orderpay.ParkedMessage,
    "WebhookOut": orderpay.Webhook,
    "WebhookWithSecretOut": orderpay.Webhook,
    "DeliveryOut": orderpay.Delivery,
    "DeliveryWithAttemptsOut": orderpay.Delivery,
    "AttemptOut": orderpay.DeliveryAttempt,
    "MailOut": orderpay.Mail,
    "RefundRecord": orderpay.Refund,
    "RefundOut": orderpay.Refund,
    "ChargeRefundOut": orderpay.Refund,
    "Health": orderpay.Health,
}
# Answers that are walked through, or of which one word is all.
NO_MODELS: Final = {
    "OrderListOut",
    "OrderTrail",
    "ProductPageOut",
    "ConfirmedManyOut",
    "PaymentPage",
    "PaymentTrail",
    "BlockedPaymentList",
    "DeadLetterList",
    "RecordedEventList",
    "ConsumedEventList",
    "ParkedMessageList",
    "TakenUp",
    "WebhooksOut",
    "DeliveriesOut",
    "RecoveredOut",
    "MailPageOut",
    "Live",
}


class Recorder(requests.Session):
    """Answers every request with an example of what the document says, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        base, _, rest = url.removeprefix("http://").partition("/")
        service, path = base, f"/{rest}"
        template, operation = _operation(service, method, path)
        self.asked.append({"id": operation["operationId"], "method": method, "template": template, **options})
        status, example = _example(service, operation)
        answer = requests.Response()
        answer.status_code = int(status)
        answer._content = b"" if example is None else json.dumps(example).encode()
        answer.headers["X-Request-ID"] = "r1"
        return answer


def _operation(service: str, method: str, path: str) -> tuple[str, Any]:
    segments = path.split("/")
    fitting = [
        (template, operations[method.lower()])
        for template, operations in DOCUMENTS[service]["paths"].items()
        if method.lower() in operations
        and len(template.split("/")) == len(segments)
        and all(a == b or a.startswith("{") for a, b in zip(template.split("/"), segments, strict=True))
    ]
    assert fitting, f"no {method} {path} in the document of {service}"
    return min(fitting, key=lambda each: each[0].count("{"))


def _example(service: str, operation: Any) -> tuple[str, Any]:
    status, answer = next((code, each) for code, each in operation["responses"].items() if code.startswith("2"))
    content = answer.get("content", {}).get("application/json")
    if content is None:
        return status, None
    return status, _made(service, content["schema"])


def _made(service: str, schema: Any, name: str = "") -> Any:
    """A value with every field there is."""
    if "$ref" in schema:
        return _made(service, DOCUMENTS[service]["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
    several = next((schema[kind] for kind in ("allOf", "anyOf", "oneOf") if kind in schema), None)
    if several is not None:
        return _made(service, several[0], name)
    if name == "next_cursor":
        return None
    if "enum" in schema:
        return next(value for value in reversed(schema["enum"]) if str(value).upper() != "FAILED")
    kind = schema.get("type")
    if kind == "object":
        return {key: _made(service, each, key) for key, each in schema.get("properties", {}).items()}
    return [_made(service, schema["items"])] if kind == "array" else _scalar(kind, schema, name)


def _scalar(kind: str, schema: Any, name: str) -> Any:
    said = {"date-time": "2026-01-02T12:00:00Z"}.get(schema.get("format", ""), f"a {name}")
    return {"integer": 7, "number": 5.25, "boolean": True, "string": said}[kind]


def _client(recorder: Recorder) -> orderpay.Client:
    orders, payments, products, mails = (f"http://{service}" for service in DOCUMENTED.values())
    return orderpay.Client(orders, payments, products, "secret", mails=mails, session=recorder, retries=0)


def _schemas() -> Iterator[tuple[str, str, Any]]:
    for service, document in DOCUMENTS.items():
        for name, schema in document["components"]["schemas"].items():
            yield service, name, schema


@pytest.mark.parametrize("service", DOCUMENTED.values())
def test_every_operation_has_its_call(service: str) -> None:
    """The client can ask for each operation of the document, and for nothing that is not in it."""
    operations = {
        operation["operationId"]
        for operations in DOCUMENTS[service]["paths"].values()
        for name, operation in operations.items()
        if name != "parameters"
    }
    assert set(CALLS[service]) == operations
    for operation_id, call in CALLS[service].items():
        recorder = Recorder()
        call(_client(recorder))
        assert {each["id"] for each in recorder.asked} == {operation_id}


@pytest.mark.parametrize("service", DOCUMENTED.values())
def test_every_field_and_parameter_can_be_sent(service: str) -> None:
    """Each field of a body and each parameter that the document names can be given to the client."""
    for call in CALLS[service].values():
        recorder = Recorder()
        call(_client(recorder))
        *_, first = reversed(recorder.asked)
        operation = DOCUMENTS[service]["paths"][first["template"]][first["method"].lower()]
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        sent = {name for each in recorder.asked for name in each["params"]}
        assert named - sent <= SYNONYMS, operation["operationId"]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if body is not None:
            shape = DOCUMENTS[service]["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            given = json.loads(first["data"])
            assert set(given) <= set(shape["properties"])
            assert set(shape["properties"]) - set(given) <= SYNONYMS | {"capture"}, operation["operationId"]
        keyed = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
        assert ("Idempotency-Key" in first["headers"]) is keyed


def test_every_field_of_an_answer_is_read() -> None:
    """Each schema that is answered has its dataclass, which reads each of its fields."""
    answered = {
        name
        for _, name, schema in _schemas()
        if "properties" in schema and not name.endswith(("Request", "Problem")) and name != "CancelledOrderOut"
    }
    assert answered - NO_MODELS == set(MODELS)
    for _, name, schema in _schemas():
        if name in MODELS:
            assert set(schema["properties"]) <= set(models.wire_names(MODELS[name])), name


def test_every_status_of_every_door_has_one_name() -> None:
    """Whatever a door calls it, the client calls it as the ledger does."""
    for name in ("PaymentsStatus", "ChargesStatus", "ProcessStatus"):
        for status in DOCUMENTS["payment_service"]["components"]["schemas"][name]["enum"]:
            assert models.payment({"status": status}).status in orderpay.PAYMENT_STATUSES
    action = {"type": "redirect", "url": "http://x/", "expires_at": "2025-11-10T12:20:00Z"}
    assert models.payment({"status": "PENDING", "next_action": action}).status == "REQUIRES_ACTION"
    back = models.payment({"status": "SUCCESS", "refunded": False, "refunded_amount": 1})
    assert (back.status, models.payment({"status": "SUCCESS", "refunded": True}).status) == (
        "PARTIALLY_REFUNDED",
        "REFUNDED",
    )


def test_mails_need_to_be_told_where_they_are() -> None:
    """Whoever has no notify service has no address that would be guessed."""
    with pytest.raises(ValueError, match=r"Client\(mails=\.\.\.\)"):
        _ = orderpay.Client().mails


class Script(Recorder):
    """Answers by a list: an exception is raised, a pair is a status with a body."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        self.asked.append(options)
        scripted = self.answers.pop(0)
        if isinstance(scripted, Exception):
            raise scripted
        status, body, *headers = scripted
        answer = requests.Response()
        answer.status_code, answer._content = status, json.dumps(body).encode()
        answer.headers.update({"X-Request-ID": "r1", **dict(*headers)})
        return answer


def _transport(script: Script, slept: list[float], retries: int = 3) -> transport.Transport:
    return transport.Transport(
        "http://x", key=lambda: "k1", session=script, timeout_s=1, retries=retries, sleep=slept.append
    )


def _body(answer: transport.Answer) -> Any:
    return answer.body


def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    """One key for all attempts of a call, another one for the next call."""
    slept: list[float] = []
    script = Script(requests.ConnectionError(), requests.ReadTimeout(), (200, {"a": 1}), (200, {"a": 2}))
    asking = _transport(script, slept)
    assert (asking.post("/a", _body), asking.post("/a", _body)) == ({"a": 1}, {"a": 2})
    keys = [each["headers"]["Idempotency-Key"] for each in script.asked]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert slept == [0.2, 0.6]
    assert script.asked[0]["headers"]["Authorization"] == "Bearer k1"


def test_retry_after_is_honoured() -> None:
    """It waits as long as the service says; longer than half a minute is for the caller to wait."""
    slept: list[float] = []
    script = Script((503, {"code": "overloaded"}, {"Retry-After": "2"}), (200, {}))
    _transport(script, slept).post("/a", _body)
    assert slept == [2.0]
    script = Script((429, {"code": "too_many_requests", "error": "later"}, {"Retry-After": "90"}))
    with pytest.raises(orderpay.RateLimited) as limited:
        _transport(script, slept).get("/a", _body)
    assert (limited.value.retry_after_s, slept) == (90.0, [2.0])


def test_when_no_answer_comes_the_caller_has_the_key() -> None:
    """After the last attempt it is not known whether it was done; with the key it can be found out."""
    script = Script(requests.ConnectionError(), requests.ConnectionError())
    with pytest.raises(orderpay.Unavailable) as lost:
        _transport(script, [], retries=1).post("/a", _body, idempotency_key="mine")
    assert (lost.value.idempotency_key, len(script.asked)) == ("mine", 2)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid", orderpay.Invalid),
        (401, "invalid_key", orderpay.NotAuthenticated),
        (402, "card_declined", orderpay.Declined),
        (403, "insufficient_scope", orderpay.Forbidden),
        (404, "order_not_found", orderpay.NotFound),
        (409, "payment_voided", orderpay.Conflict),
        (422, "idempotency_key_reused", orderpay.Invalid),
        (500, "internal_error", orderpay.UnexpectedAnswer),
    ],
)
def test_an_error_is_known_by_its_meaning(status: int, code: str, kind: type[orderpay.OrderPayError]) -> None:
    """Each status has its exception, with sentence, code and request id, and is not asked for again."""
    script = Script((status, {"error": "A sentence", "code": code, "fields": {"amount": ["Wrong."]}}))
    with pytest.raises(kind) as raised:
        _transport(script, []).post("/a", _body)
    error = raised.value
    assert (type(error), error.code, error.status, error.request_id) == (kind, code, status, "r1")
    assert (str(error), error.fields) == (f"A sentence ({code}, request r1)", {"amount": ["Wrong."]})
    assert len(script.asked) == 1


def test_an_id_cannot_become_another_path() -> None:
    """What is put into a path is quoted."""
    recorder = Script((404, {"error": "Order not found", "code": "order_not_found"}))
    urls: list[str] = []
    original = recorder.request
    recorder.request = lambda method, url, **options: urls.append(url) or original(method, url, **options)
    with pytest.raises(orderpay.NotFound):
        orderpay.Client(session=recorder).orders.get("../../metrics?x=1#")
    assert urls == ["http://localhost:8000/api/orders/..%2F..%2Fmetrics%3Fx%3D1%23/"]


SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED: Final = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "Webhook-Timestamp": "1614265330",
    "Webhook-Signature": "v1,AAAA v1a,zzz v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY: Final = b'{"test": 2432232314}'


def test_a_webhook_is_taken_in_any_case_and_by_any_of_its_signatures() -> None:
    """Two secrets sign while one takes the other's place."""
    assert orderpay.verify_webhook(SECRET, SIGNED, BODY, now=1614265330 + 300) == {"test": 2432232314}


@pytest.mark.parametrize(
    ("secret", "headers", "body", "now"),
    [
        (SECRET, SIGNED, BODY + b" ", 1614265330),
        (SECRET, SIGNED, BODY, 1614265330 + 301),
        (SECRET, SIGNED, BODY, 1614265330 - 301),
        (SECRET, {**SIGNED, "Webhook-Id": "other"}, BODY, 1614265330),
        (SECRET, {**SIGNED, "Webhook-Signature": "v1,"}, BODY, 1614265330),
        (SECRET, {**SIGNED, "Webhook-Signature": "v1,\u00fc"}, BODY, 1614265330),
        (SECRET, {}, BODY, 1614265330),
        ("whsec_AAAA", SIGNED, BODY, 1614265330),
        ("whsec_!", SIGNED, BODY, 1614265330),
    ],
)
def test_a_webhook_that_is_not_as_it_was_signed_is_refused(
    secret: str, headers: Mapping[str, str], body: bytes, now: float
) -> None:
    """Another body, id, secret or time, and no signature at all."""
    with pytest.raises(orderpay.BadSignature):
        orderpay.verify_webhook(secret, headers, body, now=now)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_whsec_", "whsec_=", "whsec_====", " ", "whsec_ ", "whsec_ключ", None, b"", b"whsec_"],
)
def test_an_empty_secret_verifies_nothing(secret: Any) -> None:
    """Anybody can sign with a key of no bytes, whatever the secret looked like."""
    digest = hmac.new(b"", b"m.1614265330." + BODY, hashlib.sha256).digest()
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    with pytest.raises(orderpay.BadSignature):
        orderpay.verify_webhook(secret, headers, BODY, now=1614265330)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "body"])
def test_nothing_that_comes_crashes_the_verifying(name: str) -> None:
    """Whatever somebody sends who has no secret is a bad signature, and no other error."""
    odd: list[Any] = [
        "",
        " ",
        "9" * 400,
        "9" * 5000,
        "-1",
        "1e9",
        "0x5f",
        "\u0661" * 10,
        "\ud800",
        "v1,\ud800",
        "v1",
        ",",
    ]
    odd += ["v1,v1,", "\x00", "nan", "1614265330.5", None, 5, b"x", [], {}, "v1, v1,\u00fc", "{" * 100_000]
    for value in odd:
        headers: Any = SIGNED if name == "body" else {**SIGNED, name: value}
        with pytest.raises(orderpay.BadSignature):
            orderpay.verify_webhook(SECRET, headers, value if name == "body" else BODY, now=1614265330)
    nameless: Any = {**SIGNED, b"x": b"y", 5: 5, "webhook-id": ""}
    with pytest.raises(orderpay.BadSignature):
        orderpay.verify_webhook(SECRET, nameless, BODY, now=1614265330)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff", b"[" * 100_000, b'{"a": 1e99999999999999999999}'])
def test_what_is_signed_and_no_json_is_a_bad_signature(body: bytes) -> None:
    """The one error that a receiver has to expect."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, b"m.1614265330." + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": "m", "webhook-timestamp": "1614265330", "webhook-signature": signature}
    with pytest.raises(orderpay.BadSignature, match="JSON"):
        orderpay.verify_webhook(SECRET, headers, body, now=1614265330)


def test_the_examples_of_the_docstrings_do_what_they_say(make_stack: Callable[..., Stack]) -> None:
    """Each `>>>` of the client, one after another, against real services."""
    stack = make_stack()
    orders, payments, products = (stack.services[service].url for service in SERVICES.values())
    keys = {name: _key(stack, service) for name, service in SERVICES.items()}
    client = orderpay.Client(orders, payments, products, keys)
    names = {"client": client, "orderpay": orderpay, "Decimal": Decimal}
    found = [
        example
        for module in (client_module, webhooks)
        for example in sorted(doctest.DocTestFinder(exclude_empty=True).find(module), key=lambda each: each.lineno or 0)
        if example.examples
    ]
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for example in found:
        # An order that one has placed is closed behind its answer, and the next one shows it as it is then.
        wait_until(lambda: not list(client.orders.list(unfinished_for=0)), what="every order is closed")
        example.globs = names  # one goes on where the one before has ended
        runner.run(example, out=said.append, clear_globs=False)
    assert "".join(said) == ""
    with_examples = {each.name.rpartition(".")[2] for each in found}
    assert {"Client", "place", "cancel", "charge", "refund", "list", "hold", "verify_webhook"} <= with_examples


class Garbling(requests.Session):
    """Passes each request on, and answers the first ones with nonsense: these bytes, or a part of the real answer."""

    def __init__(self, *nonsense: bytes | None) -> None:
        super().__init__()
        self.nonsense = [*nonsense]

    def request(self, *asked: Any, **options: Any) -> requests.Response:
        answer = super().request(*asked, **options)
        if self.nonsense:
            said = self.nonsense.pop(0)
            answer.status_code = 200 if said is not None else answer.status_code
            answer._content = said if said is not None else answer.content[:-20]
        return answer


def test_an_order_whose_answer_was_garbled_is_placed_and_paid_once(make_stack: Callable[..., Stack]) -> None:
    """Also where every repeat was garbled, and the caller goes on with the key that the error has."""
    stack = make_stack()
    orders, payments, products = (stack.services[service].url for service in SERVICES.values())
    keys = {name: _key(stack, service) for name, service in SERVICES.items()}
    for nonsense in (b"<html>", b"", b"{}", None):
        client = orderpay.Client(orders, payments, products, keys, session=Garbling(nonsense))
        order = client.orders.place(customer_name="Garbled", items={1: 1})
        assert order.status == "PAID"
    client = orderpay.Client(orders, payments, products, keys, session=Garbling(b"<html>", None), retries=1)
    with pytest.raises(orderpay.Unavailable) as lost:
        client.orders.place(customer_name="Garbled", items={1: 1})
    client.orders.place(customer_name="Garbled", items={1: 1}, idempotency_key=lost.value.idempotency_key)
    assert client.orders.page(customer_name="Garbled")[1] == 5
    hook = client.webhooks["orders"].create("https://shop.example.org/hooks", ["order.*"])
    orderpay.Client(orders, payments, products, keys, session=Garbling(b"<html>")).webhooks["orders"].delete(hook.id)
    assert hook.id not in [each.id for each in client.webhooks["orders"].list()]


def _key(stack: Stack, service: str) -> str | None:
    return (stack.keys / service).read_text() if stack.keys else None


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} (needs a package index once): {done.stdout}{done.stderr}"
    return done.stdout


def test_it_is_a_package_that_needs_requests_alone(tmp_path: Path) -> None:
    """A wheel is built of the folder, and works in an environment that has nothing else."""
    source = tmp_path / "orderpay"
    _copy_sources(source)
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("orderpay-*.whl")
    with ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = message_from_string(packed.read("orderpay-0.1.0.dist-info/METADATA").decode())
    assert metadata.get_all("Requires-Dist") == ["requests>=2.28"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert wheel.name == "orderpay-0.1.0-py3-none-any.whl"
    modules = {f"orderpay/{each.name}" for each in (ROOT / "orderpay").glob("*.py")}
    assert {name for name in names if not name.startswith("orderpay-")} == modules | {"orderpay/py.typed"}
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    asked = (
        "import orderpay\n"
        "try:\n orderpay.Client(orders='http://127.0.0.1:9', retries=0).orders.get(1)\n"
        "except orderpay.Unavailable as away:\n print(orderpay.__file__, away)"
    )
    said = _run(python, "-I", "-c", asked, cwd=tmp_path)
    assert str(tmp_path / "empty") in said
    assert "No answer from http://127.0.0.1:9" in said


def _copy_sources(to: Path) -> None:
    """Without what a build or a run leaves behind."""
    to.mkdir()
    for each in (ROOT / "orderpay").iterdir():
        if each.is_file():
            (to / each.name).write_bytes(each.read_bytes())
