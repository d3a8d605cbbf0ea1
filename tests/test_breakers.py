"""A peer that is dead costs little: its circuit opens, is seen to be open, and closes by itself."""

from collections.abc import Callable

from tests.client import Http
from tests.stack import Stack, wait_until

MakeStack = Callable[..., Stack]
ORDER = {"customer_name": "Alice", "product_ids": [1, 2]}
STATE = 'downstream_state{downstream="payment_service"}'


def circuit_of(http: Http, peer: str) -> str:
    health = http.get("/health")
    assert (health.status, health.json["status"]) == (200, "ok")
    return str(health.json["downstreams"][peer])


def metrics(http: Http) -> list[str]:
    return http.get("/metrics").text.splitlines()


def test_a_dead_payment_service_is_not_asked_and_found_alive_again(make_stack: MakeStack) -> None:
    """Orders end as ever while it is dead; the first after it is back is paid, and the circuit closes."""
    stack = make_stack(settings={"order_service": {"BREAKER_OPEN_S": "1"}})
    assert circuit_of(stack.orders, "payment_service") == "closed"
    assert f"{STATE} 0.0" in metrics(stack.orders)
    stack.services["payment_service"].kill()
    for _ in range(4):
        refused = stack.orders.post("/api/orders/", ORDER)
        assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    assert circuit_of(stack.orders, "payment_service") in {"open", "half_open"}
    assert f"{STATE} 2.0" in metrics(stack.orders)
    assert 'downstream_changes_total{downstream="payment_service",to="open"} 1.0' in metrics(stack.orders)
    assert circuit_of(stack.orders, "product_service") == "closed"
    stack.restart("payment_service")
    wait_until(lambda: stack.orders.post("/api/orders/", ORDER).status == 201, what="an order is paid again")
    assert circuit_of(stack.orders, "payment_service") == "closed"
    assert f"{STATE} 0.0" in metrics(stack.orders)


def test_a_dead_gateway_is_not_asked_and_found_alive_again(make_stack: MakeStack) -> None:
    """Other gateways go on; nothing was sent, so a payment that was not made may be made again."""
    settings = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0", "BREAKER_OPEN_S": "1"}
    stack = make_stack(settings={"payment_service": settings})

    def by_card(number: int, token: str) -> str:
        body = {"order_id": number, "amount": 5, "method": "CARD", "payment_method_details": {"token": token}}
        return str(stack.payments.post("/api/payments/", body).json["status"])

    assert {by_card(number, "tok_unavailable") for number in range(1, 11)} == {"FAILED"}
    assert circuit_of(stack.payments, "gateway simulated") in {"open", "half_open"}
    assert stack.payments.post("/api/payments/", {"order_id": 99, "amount": 5}).json["status"] == "COMPLETED"
    wait_until(lambda: by_card(50, "tok_ok") == "COMPLETED", what="the gateway is tried again")
    assert circuit_of(stack.payments, "gateway simulated") == "closed"
