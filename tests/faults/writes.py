"""What a client asks of a service whose storage fails, how its readiness answers, and what became of it all."""

from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from tests.client import Http, Reply
from tests.stack import Stack

# How long a write waits for the lock here; as delivered it is 20 s.
BUSY_S: Final = 0.6
# What was found last is told for a second.
UNREADY_WITHIN_S: Final = 3.0
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "order_service": {
        "SQLITE_BUSY_TIMEOUT_S": str(BUSY_S),
        "ORDER_LEASE_S": "7.5",
        "ORDER_DEADLINE_S": "3",
        "PRODUCT_DEADLINE_S": "2",
        "HTTP_READ_TIMEOUT_S": "2",
        "ORDER_EXPIRES_AFTER_S": "1",
        "BREAKER_OPEN_S": "0.2",
    },
    "payment_service": {
        "SQLITE_BUSY_TIMEOUT_S": str(BUSY_S),
        "PAYMENT_LEASE_S": "2",
        "PAYMENT_SETTLE_S": "3",
        "GATEWAY_DELAY_MS": "0-1",
        "GATEWAY_SUCCESS_RATE": "1",
        "BREAKER_OPEN_S": "0.2",
    },
    "product_stub": {"SQLITE_BUSY_TIMEOUT_S": str(BUSY_S)},
}
# What a row of each service is found by, for the id that its client gave.
KEPT: Final = {
    "order_service": "select count(*) from orders_order where customer_name = ?",
    "payment_service": "select count(*) from payments_payment where order_id = ?",
    "product_stub": "select count(*) from catalog_reservation where replace(id, '-', '') = replace(?, '-', '')",
}
EVENTS: Final = {
    "order_service": "select count(*) from events_event where payload like '%' || ? || '%'",
    "payment_service": "select count(*) from events_event where payload like '%' || ? || '%'",
}
READS: Final = {
    "order_service": "/api/orders/",
    "payment_service": "/v1/payments",
    "product_stub": "/api/products/",
}


class Write:
    """One write that a client asks a service for, and may repeat: the same id, the same key."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._service = stack.services[name]
        self.id = str(uuid4())

    def send(self) -> Reply:
        http = Http(self._service.url)
        if self._service.name == "order_service":
            return http.post("/api/orders/", {"customer_name": self.id, "product_ids": [2]}, key=self.id)
        if self._service.name == "payment_service":
            return http.post("/api/payments/", {"order_id": self.id, "amount": "5.00"}, key=self.id)
        body = {"items": [{"product_id": 2, "quantity": 1}]}
        return http.request("PUT", f"/api/reservations/{self.id}/", json=body)

    def undo(self) -> None:
        """Leave nothing that only an order may have."""
        if self._service.name == "product_stub":
            assert Http(self._service.url).request("DELETE", f"/api/reservations/{self.id}/").status == 204

    def kept(self) -> tuple[int, bool]:
        """How many rows it left, and whether any event."""
        name = self._service.name
        ((rows,),) = self._service.rows(KEPT[name], self.id)
        events = self._service.rows(EVENTS[name], self.id) if name in EVENTS else [(rows,)]
        return rows, events[0][0] > 0


def health(stack: Stack, name: str) -> Reply:
    return Http(stack.services[name].url).get("/health")


def not_ready(stack: Stack, name: str) -> Reply | None:
    """What readiness says, once it is that it is not."""
    seen = health(stack, name)
    return seen if seen.status == 503 else None
