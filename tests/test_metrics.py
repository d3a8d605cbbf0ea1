"""`/metrics` of the services as they run: several processes count as one, and the database may be away."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.client import Http
from tests.stack import ROOT, SERVICES, Process, Stack, free_ports, wait_until

MakeStack = Callable[..., Stack]
# No chance and no waiting: each charge does what its token says.
PREDICTABLE = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0"}
REQUESTS = "http_request_duration_seconds_count"
GATEWAY_CALLS = "gateway_call_duration_seconds_count"


def scrape(http: Http) -> Mapping[str, float]:
    """Every sample, by its name and labels as they are written."""
    answer = http.get("/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = [re.fullmatch(r"([a-z_]+(?:\{.*\})?) (\S+)", line) for line in answer.text.splitlines() if line[0] != "#"]
    return {sample[1]: float(sample[2]) for sample in samples if sample}


def charge(stack: Stack, number: int, token: str = "tok_ok") -> int:
    details = {"payment_method_details": {"token": token}, "method": "CARD"}
    return stack.payments.post("/api/payments/", {"order_id": number, "amount": 5, **details}).status


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_counts_its_requests(stack: Stack, name: str) -> None:
    """By route and status, and it says that its database is there."""
    http = Http(stack.services[name].url)
    live, lost = f'{REQUESTS}{{method="GET",route="/health/live/",status="200"}}', "unknown"
    before = scrape(http)
    http.get("/health/live")
    http.get("/nothing/here")
    after = scrape(http)
    assert after[live] - before.get(live, 0) == 1
    assert after["metrics_database_up"] == 1
    assert [series for series in after if lost in series]
    assert not [series for series in after if "here" in series]


@pytest.mark.parametrize("name", SERVICES)
def test_every_metric_is_in_the_guide(stack: Stack, name: str) -> None:
    """Under the name that Prometheus asks for; but for those of every Python program (`python_...`, `process_...`)."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    text = Http(stack.services[name].url).get("/metrics").text
    ours = re.findall(r"^# TYPE (?!python_|process_)(\w+)", text, re.MULTILINE)
    missing = [family for family in ours if f"`{family}" not in page]
    assert not missing, f"docs/operating.md, Watching it, does not have {', '.join(missing)}: add a row"


def test_an_order_is_counted_in_both_ledgers(make_stack: MakeStack) -> None:
    """Paid there, charged here, under the names that are promised."""
    stack = make_stack()
    assert stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1]}).status == 201
    assert stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [99]}).status == 400
    assert stack.payments.post("/api/payments/", {"order_id": 7, "amount": 0}).status == 400
    orders, payments = scrape(stack.orders), scrape(stack.payments)
    assert (orders["orders_placed_total"], orders["orders_paid_total"]) == (2, 1)
    assert orders['orders_cancelled_total{reason="product_not_found"}'] == 1
    assert payments["payments_failed_total"] == 1
    assert payments["payments_refunded_total"] == 0
    assert payments['payments_by_method_total{method="DIRECT"}'] == 2


def test_counters_survive_a_restart(make_stack: MakeStack) -> None:
    """What happened is counted from the events; only what the process measured begins anew."""
    stack = make_stack(settings={"payment_service": PREDICTABLE})
    assert charge(stack, 1, "tok_expired_card") == 201
    stack.services["payment_service"].kill()
    stack.restart("payment_service")
    assert scrape(stack.payments)["payments_failed_total"] == 1


def test_the_processes_of_a_service_count_together(make_stack: MakeStack, tmp_path: Path) -> None:
    """With `PROMETHEUS_MULTIPROC_DIR`: two servers and a worker, and each server answers for all."""
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "counted")}
    stack = make_stack(settings={"payment_service": {**PREDICTABLE, **folder}}, without=["payment_service"])
    service = stack.services["payment_service"]
    service.environment["SERVER_WORKERS"] = "2"
    stack.restart("payment_service")
    stack.start_worker("payment_service")
    assert charge(stack, 1, "tok_charge_then_lose_reply") == 201
    for number in range(2, 22):
        assert Http(service.url).post("/api/payments/", {"order_id": number, "amount": 5}).status == 201
    by_card = 'payments_by_method_total{method="CARD"}'
    wait_until(lambda: scrape(Http(service.url))[by_card] == 1, what="the worker has found out")
    for _ in range(10):
        found = scrape(Http(service.url))
        assert found[f'{REQUESTS}{{method="POST",route="/api/payments/",status="201"}}'] == 21
        assert found[f'{GATEWAY_CALLS}{{gateway="simulated",operation="charge",outcome="unknown"}}'] == 1
        assert found[f'{GATEWAY_CALLS}{{gateway="simulated",operation="find",outcome="approved"}}'] == 1
        assert (found[by_card], found['payments_by_method_total{method="DIRECT"}']) == (1, 20)
    assert len(list((tmp_path / "counted").glob("histogram_*.db"))) >= 3


def test_a_worker_can_answer_for_itself(make_stack: MakeStack) -> None:
    """On a port of its own, where it does not share a machine with its service."""
    stack = make_stack(settings={"payment_service": PREDICTABLE})
    service, (port,) = stack.services["payment_service"], free_ports(1)
    command = [sys.executable, str(ROOT / "payment_service/manage.py"), "worker", "--idle", "0.05"]
    worker = Process(
        "payment_service worker",
        [*command, "--metrics-port", str(port)],
        environment=service.environment,
        log=service.database.with_name("worker.log"),
    )
    stack.workers.append(worker)
    worker.start()
    assert charge(stack, 1, "tok_charge_then_lose_reply") == 201
    own = Http(f"http://127.0.0.1:{port}")
    wait_until(lambda: own.has("/metrics"), what="the worker's port")
    wait_until(
        lambda: f'{GATEWAY_CALLS}{{gateway="simulated",operation="find",outcome="approved"}}' in scrape(own),
        what="the worker's call",
    )


@pytest.mark.parametrize("name", SERVICES)
def test_without_its_database_a_service_still_answers(make_stack: MakeStack, name: str) -> None:
    """200 with what the process knows; a gauge says what is missing."""
    stack = make_stack()
    service = stack.services[name]
    Http(service.url).get("/health/live")
    service.kill()
    service.environment |= service.db.nowhere
    service.start()
    http = Http(service.url)
    wait_until(lambda: http.has("/health/live"), what="alive")
    found = scrape(http)
    assert found["metrics_database_up"] == 0
    assert found[f'{REQUESTS}{{method="GET",route="/health/live/",status="200"}}'] >= 1
    assert "events_unsent" not in found
