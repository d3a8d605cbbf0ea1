"""A server that is asked to end says so first, and goes on until everybody has heard it."""

from collections.abc import Callable

from tests.client import Http
from tests.stack import Stack, free_ports, wait_until


def test_it_is_not_ready_first_and_serves_until_the_end(make_stack: Callable[..., Stack]) -> None:
    """Requests that are sent in the meantime are answered, on connections that are opened then, too."""
    (watched,) = free_ports(1)
    own = {"DRAIN_S": "2", "HEALTH_PORT": str(watched)}
    stack = make_stack(settings={"product_stub": own}, without=["order_service", "payment_service"])
    server = stack.services["product_stub"]
    server.ask_to_stop()
    health = Http(f"http://127.0.0.1:{watched}")
    wait_until(lambda: health.get("/health").status == 503, what="not ready")
    assert health.get("/health").json["checks"] == {"database": "ok", "server": "draining"}
    assert health.get("/health/live").status == 200
    assert stack.products.get("/api/products/").status == 200
    assert server.wait() == 0
    assert "Killing" not in server.log_text()
