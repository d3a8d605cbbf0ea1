"""A day of ordinary calls to each service, as its clients make them, good and bad."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.client import Http, Reply

UNKNOWN: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Call:
    """One request; `{name}` in the path stands for what an earlier answer is called by its `keep`."""

    method: str
    path: str
    status: int
    body: Any = None
    keep: tuple[str, str] = ("", "")


CALLS: Final[dict[str, tuple[Call, ...]]] = {
    "order_service": (
        Call("POST", "/api/orders/", 201, {"customer_name": "Alice", "product_ids": [1, 2]}, ("id", "order")),
        Call("POST", "/api/orders/", 400, {"customer_name": "Bob", "product_ids": [1, 99]}),
        Call("POST", "/api/orders/", 400, {"customer_name": "Bob", "product_ids": [6]}),
        Call("POST", "/api/orders/", 400, {"product_ids": [1]}),
        Call(
            "POST",
            "/api/orders/",
            201,
            {"customer_name": "Carol", "items": [{"product_id": 1, "quantity": 3}], "payment": "later"},
            ("number", "later"),
        ),
        Call("GET", "/api/orders/{order}/", 200),
        Call("GET", "/api/orders/{order}/events/", 200),
        Call("GET", f"/api/orders/{UNKNOWN}/", 404),
        Call("GET", "/api/orders/?status=PAID&per_page=2", 200),
        Call("POST", "/api/orders/{later}/cancel/", 200),
        Call("POST", "/api/orders/{later}/cancel/", 409),
        Call("POST", "/api/orders/{order}/payment/", 200),
        Call("POST", "/api/orders/{order}/cancel/", 200),
    ),
    "payment_service": (
        Call("POST", "/api/payments/", 201, {"order_id": "{own}", "amount": 4.35}),
        Call("POST", "/api/payments/", 200, {"order_id": "{own}", "amount": 4.35}),
        Call("POST", "/api/payments/", 409, {"order_id": "{own}", "amount": 19.99}),
        Call("POST", "/api/payments/", 400, {"order_id": "{own}"}),
        Call("GET", "/api/payments/{own}/", 200),
        Call("GET", f"/api/payments/{UNKNOWN}/", 404),
        Call("POST", "/api/payments/{other}/void/", 200),
        Call("POST", "/pay/", 404, {"order_id": UNKNOWN, "amount": 199.99}),
        Call(
            "POST",
            "/v1/payments/charge/",
            201,
            {"order_id": "{number}", "amount": 561, "payment_method_details": {"token": "tok_ok"}},
            ("payment_id", "payment"),
        ),
        Call("GET", "/v1/payments/?amount_gt=4.35&status=SUCCESS", 200),
        Call("POST", "/v1/payments/{payment}/refund/", 200),
        Call(
            "POST",
            "/api/v1/payments/process/",
            200,
            {
                "order_id": "{next_number}",
                "amount": 25.5,
                "currency": "USD",
                "payment_method": "credit_card",
                "payment_method_details": {"token": "tok_ok"},
                "capture": False,
            },
            ("transaction_id", "transaction"),
        ),
        Call("POST", "/api/v1/payments/capture/", 200, {"transaction_id": "{transaction}", "amount": 20.07}),
        Call("POST", "/api/v1/payments/refund/", 200, {"transaction_id": "{transaction}", "amount": 10.03}),
        Call("POST", "/api/v1/payments/refund/", 400, {"transaction_id": "{transaction}", "amount": 100}),
        Call("POST", "/api/v1/payments/void/", 409, {"transaction_id": "{transaction}"}),
        Call("GET", "/api/v1/payments/order/{next_number}/", 200),
        Call("GET", "/api/v1/payments/transaction/{transaction}/", 200),
    ),
    "product_stub": (
        Call("GET", "/api/products/?per_page=2", 200),
        Call("GET", "/api/products/1/", 200),
        Call("GET", "/api/products/99/", 404),
        Call("POST", "/api/products/", 201, {"name": "Webcam", "price": 19.99, "stock": 5}, ("id", "product")),
        Call("POST", "/api/products/", 400, {"name": "Webcam", "price": 0, "stock": 5}),
        Call("POST", "/api/products/{product}/restock/", 200, {"quantity": 5}),
        Call("PUT", "/api/reservations/{reservation}/", 201, {"items": [{"product_id": 1, "quantity": 2}]}),
        Call("PUT", "/api/reservations/{reservation}/", 422, {"items": [{"product_id": 1, "quantity": 3}]}),
        Call("PUT", "/api/reservations/{reservation}-2/", 404, {"items": [{"product_id": 99, "quantity": 1}]}),
        Call("GET", "/api/reservations/{reservation}/", 200),
        Call("DELETE", "/api/reservations/{reservation}/", 204),
        Call("POST", "/api/reservations/{reservation}/confirm/", 409),
    ),
}


def make(name: str, service: Http) -> Iterator[tuple[Call, Reply]]:
    """Make the calls of a service one after the other, through whatever stands at `service`, with ids of their own."""
    own, other = uuid.uuid4(), uuid.uuid4()
    kept = {"own": str(own), "other": str(other), "reservation": f"validated-{own}"}
    kept |= {"number": str(own.int % 10**9 + 1), "next_number": str(own.int % 10**9 + 2)}
    for call in CALLS[name]:
        body = {field: _filled(value, kept) for field, value in (call.body or {}).items()}
        sent = {} if call.body is None else {"json": body}
        reply = service.request(call.method, call.path.format(**kept), **sent)
        if call.keep[0] and reply.json:
            kept[call.keep[1]] = str(reply.json.get(call.keep[0]))
        yield call, reply


def _filled(value: Any, kept: Mapping[str, str]) -> Any:
    """Orders are called by text or number."""
    if not isinstance(value, str):
        return value
    text = value.format(**kept)
    return int(text) if text.isdecimal() else text
