"""One trace of an order, over real servers and Kafka, as a collector gets it; and nothing of it where it is off."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests import brokers, observing
from tests.brokers import Topics
from tests.collector import Collector, Seen, collecting
from tests.consuming import consumer_of
from tests.stack import ROOT, Stack, base_environment, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
CARD = {"payment_method": "CARD", "payment_method_details": {"token": "tok_ok"}}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    with brokers.topics() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack], topics: Topics, collector: Collector) -> Stack:
    """The three services, their workers and a consumer, all of which send their spans."""
    kafka = topics.settings()
    names = ("order_service", "payment_service", "product_stub")
    settings = {name: {**kafka.get(name, {}), **collector.environment} for name in names}
    running = make_module_stack(settings=settings)
    running.start_workers()
    consumer_of(running).start()
    return running


@pytest.fixture(scope="module")
def trace(stack: Stack, collector: Collector) -> list[Seen]:
    """All spans of one order that was placed and paid, down to the consumer of its payment's event."""
    body = {"customer_name": "Alice", "product_ids": [1], **CARD}
    placed = stack.orders.request("POST", "/api/orders/", json=body, headers={"traceparent": SAMPLED})
    assert placed.status == 201

    def whole() -> list[Seen] | None:
        found = collector.spans(TRACE)
        names = {span.name for span in found}
        wanted = {"POST /api/orders/", "publish order.closed", "consume payment.successful"}
        return found if wanted <= names else None

    found: list[Seen] = wait_until(whole, what="the whole trace")
    return found


def below(trace: list[Seen], span: Seen) -> list[Seen]:
    return [each for each in trace if each.parent == span.id]


def one(trace: list[Seen], name: str, service: str) -> Seen:
    (found,) = [span for span in trace if (span.name, span.service) == (name, service)]
    return found


def way_up(trace: list[Seen], span: Seen) -> list[str]:
    """The names from a span up to the first one."""
    by_id = {each.id: each for each in trace}
    names = [span.name]
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def test_it_is_one_tree(trace: list[Seen]) -> None:
    """Each span is below another one of the trace, and the first below whoever asked."""
    ids = {span.id for span in trace}
    assert len(ids) == len(trace)
    assert [span.name for span in trace if span.parent not in ids] == ["POST /api/orders/"]
    assert one(trace, "POST /api/orders/", "order_service").parent == CALLER


def test_the_services_are_below_the_steps_that_asked_them(trace: list[Seen]) -> None:
    """Order, step, call, request, at each of the two others."""
    served = {span.service: way_up(trace, span) for span in trace if span.kind == "server" and span.parent != CALLER}
    assert set(served) == {"product_stub", "payment_service"}
    charged = one(trace, "POST /api/payments/", "payment_service")
    assert way_up(trace, charged) == ["POST /api/payments/", "POST", "order reserved", "POST /api/orders/"]
    held = next(span for span in trace if span.service == "product_stub" and span.name.startswith("PUT "))
    assert way_up(trace, held)[1:] == ["PUT", "order placed", "POST /api/orders/"]


def test_transactions_and_the_gateway_are_below_what_wanted_them(trace: list[Seen]) -> None:
    """Of each service, and the charge below the payment's request."""
    transactions = [span for span in trace if span.name.startswith("transaction ")]
    assert {span.service for span in transactions} == {"order_service", "payment_service", "product_stub"}
    charge = one(trace, "gateway charge", "payment_service")
    assert way_up(trace, charge)[1] == "POST /api/payments/"
    assert charge.attributes["gateway.outcome"] == "approved"


def test_events_go_on_in_it_through_kafka(trace: list[Seen]) -> None:
    """From the outbox to the broker to the consumer's transaction, in another process."""
    consumed = one(trace, "consume payment.successful", "order_service")
    assert way_up(trace, consumed)[:2] == ["consume payment.successful", "publish payment.successful"]
    assert way_up(trace, consumed)[-1] == "POST /api/orders/"
    assert [span.name for span in below(trace, consumed)] == ["transaction once"]
    published = {span.name for span in trace if span.kind == "producer" and span.service == "order_service"}
    assert {"publish order.created", "publish order.reserved", "publish order.paid"} <= published


def test_a_trace_is_found_by_its_order(trace: list[Seen]) -> None:
    """Id, step and outcome; on the first span as well, by which a collector decides what to keep."""
    first = one(trace, "POST /api/orders/", "order_service")
    assert (first.attributes["order.outcome"], first.attributes["http.response.status_code"]) == ("PAID", 201)
    steps = [span for span in trace if span.name.startswith("order ")]
    assert {span.attributes["order.id"] for span in steps} == {first.attributes["order.id"]}
    assert {span.attributes["order.step"] for span in steps} >= {"placed", "reserved"}
    assert one(trace, "gateway charge", "payment_service").attributes["order.id"] == first.attributes["order.id"]


def test_spans_are_as_they_are_declared(trace: list[Seen], collector: Collector) -> None:
    """Names, kinds and attributes, of all that was sent; and each takes some time."""
    contract = observing.contract()
    declared = {
        re.sub(r"\\{\w+\\}", r"[^ ]+", re.escape(name)): (name, span["kind"], set(span["attributes"]))
        for name, span in contract["spans"].items()
    }
    for span in collector.spans():
        matches = [
            each for pattern, each in declared.items() if re.fullmatch(pattern, span.name) and each[1] == span.kind
        ]
        assert matches, f"{span.name} ({span.kind}) is not declared"
        assert not set(span.attributes) - matches[0][2], span.name
        assert span.ended_ns >= span.started_ns
        assert not span.has_failed or "error.type" in span.attributes
    used = {name for span in contract["spans"].values() for name in span["attributes"]}
    assert used == set(contract["attributes"])


def test_what_fails_says_so(stack: Stack, collector: Collector) -> None:
    """An order whose payment cannot be made: the gateway's span has an error, and the order's outcome is CANCELLED."""
    other = "0" * 31 + "1"
    body = {"customer_name": "Bob", "product_ids": [1], "payment_method": "CARD"}
    refused = {**body, "payment_method_details": {"token": "tok_unavailable"}}
    answer = stack.orders.request(
        "POST", "/api/orders/", json=refused, headers={"traceparent": f"00-{other}-{CALLER}-01"}
    )
    assert answer.status == 400
    wait_until(lambda: any(span.parent == CALLER for span in collector.spans(other)), what="the order's span")
    found = collector.spans(other)
    assert one(found, "POST /api/orders/", "order_service").attributes["order.outcome"] == "CANCELLED"
    gateway = [span for span in found if span.name == "gateway charge"]
    assert gateway
    assert all(span.has_failed and span.attributes["gateway.outcome"] == "unavailable" for span in gateway)


def test_what_its_caller_does_not_sample_is_not_sent(stack: Stack, collector: Collector) -> None:
    """The decision travels with the header, to the services behind and into the events."""
    other = "0" * 31 + "2"
    body = {"customer_name": "Carol", "product_ids": [2], **CARD}
    placed = stack.orders.request("POST", "/api/orders/", json=body, headers={"traceparent": f"00-{other}-{CALLER}-00"})
    assert placed.status == 201
    kept = stack.services["order_service"].rows("select traceparent from events_event order by position desc limit 1")
    assert re.fullmatch(rf"00-{other}-[0-9a-f]{{16}}-00", kept[0][0])
    assert collector.spans(other) == []


@pytest.mark.parametrize("name", ["order_service", "payment_service", "product_stub"])
def test_off_nothing_of_it_is_even_imported(name: str) -> None:
    """As it is without a variable."""
    code = (
        "import sys; from servicekit.runtime import wsgi; wsgi.load();"
        "print(sorted(m for m in sys.modules if m.startswith(('opentelemetry', 'google.protobuf'))))"
    )
    environment = {**base_environment(), "DJANGO_SETTINGS_MODULE": f"{name}.settings", "DB_NAME": ":memory:"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["[]"]), done.stderr
