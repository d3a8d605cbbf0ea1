"""Services that take keys only: what they do among themselves, a rotation under load, a revocation, a refused start."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

import start
from tests import databases
from tests import stack as stacks
from tests.client import Http
from tests.load import PAID, Load
from tests.stack import ALL_SCOPES, SERVICES, Process, Stack, wait_until

READS: Final = {"order_service": "/api/orders/", "payment_service": "/v1/payments", "product_stub": "/api/products/"}
ORDER: Final = {"customer_name": "Alice", "product_ids": [1, 2]}
SETTINGS: Final = {"payment_service": {"GATEWAY_DELAY_MS": "0-5", "GATEWAY_SUCCESS_RATE": "1"}}
# Orders, more than the clients who place them at once.
SOME: Final = 5
# Longer than a caller takes to look at its file, and than a process takes to look at its table.
OVERLAP_S: Final = 3
# What is promised of a revoked key.
OVER_WITHIN_S: Final = 1.0


@pytest.fixture(scope="module")
def stack(make_module_stack: Callable[..., Stack]) -> Stack:
    """Closed, each service of two processes, with its workers."""
    stack = make_module_stack(settings=SETTINGS, workers=2, closed=True)
    stack.start_workers()
    stack.start_worker("product_stub")
    return stack


def place(stack: Stack, **more: object) -> str:
    placed = stack.orders.post("/api/orders/", {**ORDER, **more})
    assert placed.status == 201
    return str(placed.json["id"])


def order(stack: Stack, order_id: str) -> tuple[str, str | None]:
    found = stack.orders.get(f"/api/orders/{order_id}/").json
    return found["status"], found["payment_status"]


def refused(stack: Stack) -> list[str]:
    """Lines of all logs in which somebody was not let in."""
    lines = [line for process in stack.processes() for line in process.log_text().splitlines()]
    return [line for line in lines if '"status":401' in line or "http.key_refused" in line]


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_gets_in_without_a_key(stack: Stack, name: str) -> None:
    """But whoever looks after its health; not with the key of another service's, either."""
    url = stack.services[name].url
    other = next(each for each in SERVICES if each != name)
    foreign = (stack.keys / other).read_text() if stack.keys else ""
    before = len(refused(stack))
    answers = [Http(url, secret=secret).get(READS[name]).status for secret in ("", foreign)]
    assert answers == [401, 401]
    # A request is logged after its answer is sent, and no later test is to find these.
    wait_until(lambda: len(refused(stack)) >= before + 2, what="both are in the log")
    assert Http(url, secret="").get("/health").status == 200
    assert stack.client(name).get(READS[name]).status == 200


def test_an_order_is_paid_cancelled_and_refunded(stack: Stack) -> None:
    """The order service reserves, charges, confirms, voids and releases by its own name."""
    order_id = place(stack)
    assert order(stack, order_id) == ("PAID", "COMPLETED")
    assert stack.orders.post(f"/api/orders/{order_id}/cancel/").json["status"] == "REFUNDED"
    for name in ("product_stub", "payment_service"):
        actors = {line for line in stack.services[name].log_text().splitlines() if order_id in line}
        assert actors
        assert all('"actor":"order-service"' in line for line in actors), actors


def test_a_payment_elsewhere_and_its_refund_are_told(stack: Stack) -> None:
    """The payment service asks for the order, and tells of what became of it, by its own name."""
    order_id = place(stack, payment="later")
    assert stack.payments.post("/pay", {"order_id": order_id, "amount": "50.00"}).status == 200
    wait_until(lambda: order(stack, order_id)[0] == "PAID", what="the order hears of its payment")
    payment = stack.payments.get(f"/api/v1/payments/order/{order_id}").json
    refund = stack.payments.post("/api/v1/payments/refund", {"transaction_id": payment["transaction_id"]})
    assert refund.json["success"] is True
    wait_until(lambda: order(stack, order_id)[0] == "REFUNDED", what="the order hears of its refund")
    assert '"actor":"payment-service"' in stack.services["order_service"].log_text()


def test_the_stub_asks_whether_an_order_needs_its_stock(stack: Stack) -> None:
    """By its own name; what a paid order has is not let go."""
    order_id = place(stack)
    kept = stack.products.request("DELETE", f"/api/reservations/{order_id}/?return=true")
    assert (kept.status, kept.json["code"]) == (409, "order_needs_stock")
    assert '"actor":"product-stub"' in stack.services["order_service"].log_text()


def test_every_key_of_a_service_is_replaced_under_load(stack: Stack) -> None:
    """No order fails, and not one request anywhere is answered 401: neither before the old keys end nor after."""
    before = len(refused(stack))
    with Load(stack.orders.base_url, ORDER) as load:
        wait_until(load.goes_on(SOME), what="some orders")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda key: rotate(stack, key), start.SERVICE_KEYS))
        last = time.monotonic() + OVERLAP_S + OVER_WITHIN_S
        wait_until(lambda: time.monotonic() > last)
        wait_until(load.goes_on(SOME), what="some more orders")
    assert (set(load.answers), load.unanswered) == ({PAID}, 0)
    assert refused(stack)[before:] == []
    for key in start.SERVICE_KEYS:
        listed = stack.services[key.at].manage("keys", "list").stdout.splitlines()
        assert sorted(line.split()[2] for line in listed if f"  {key.name}  " in line) == ["expired", "good"]


def rotate(stack: Stack, key: start.ServiceKey) -> None:
    rotated = stack.services[key.at].manage("keys", "rotate", key.name, "--overlap", f"{OVERLAP_S}s")
    assert rotated.returncode == 0, rotated.stderr
    replace(stack.key_file(key.holder, key.at), rotated.stdout.splitlines()[-1])


def test_a_secret_may_be_given_to_the_caller_first(stack: Stack) -> None:
    """As where both read it from the same Docker secret: until the peer knows it, the one before goes."""
    file = stack.key_file("order_service", "payment_service")
    paid = place(stack)
    for _ in range(20):  # each on a connection of its own, so that both processes have called since the last change
        assert stack.orders.get(f"/api/orders/{paid}/").status == 200
    with Load(stack.orders.base_url, ORDER) as load:
        secret = "docker01." + os.urandom(24).hex()
        replace(file, secret)
        wait_until(lambda: "docker01" in stack.services["order_service"].log_text(), what="the new secret is read")
        wait_until(load.goes_on(SOME), what="orders meanwhile")
        command = ("keys", "rotate", "order-service", "--from-file", str(file), "--overlap", "1m")
        rotated = stack.services["payment_service"].manage(*command)
        assert rotated.returncode == 0, rotated.stderr
        wait_until(load.goes_on(SOME), what="orders afterwards")
    assert (set(load.answers), load.unanswered) == ({PAID}, 0)


@pytest.mark.parametrize("name", SERVICES)
def test_a_revoked_key_ends_within_a_second_in_every_process(stack: Stack, name: str) -> None:
    """Each request on a connection of its own, so that both processes are asked."""
    service = stack.services[name]
    secret = service.manage("keys", "create", "brief", "--scope", ALL_SCOPES[name]).stdout.splitlines()[-1]
    assert statuses(service.url, READS[name], secret) == {200}
    assert service.manage("keys", "revoke", "brief").returncode == 0
    time.sleep(OVER_WITHIN_S)
    assert statuses(service.url, READS[name], secret) == {401}


def statuses(url: str, path: str, secret: str) -> set[int]:
    return {Http(url, secret=secret).get(path).status for _ in range(20)}


def replace(file: Path, secret: str) -> None:
    """So that nobody reads half of it."""
    written = file.with_name(f"{file.name}.new")
    written.write_text(secret)
    written.replace(file)


@pytest.fixture
def alone(migrated: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """A function that starts the order service on a database without any key."""
    database = databases.at(tmp_path / "order_service.sqlite3")
    databases.at(migrated / "order_service.sqlite3").copy_to(database)
    (reserved,) = stacks.reserve_ports(1)
    begun: list[stacks.Service] = []

    def begin(**settings: str) -> stacks.Service:
        service = stacks.Service(
            "order_service",
            reserved.getsockname()[1],
            database=tmp_path / "order_service.sqlite3",
            environment={**stacks.base_environment(), **settings},
            workers=2,
        )
        service.begin = stacks.begin_from_nothing
        begun.append(service)
        service.start()
        return service

    yield begin
    for service in begun:
        service.stop()
    reserved.close()
    database.drop()


def test_a_service_for_others_does_not_start_without_keys(alone: Callable[..., Process]) -> None:
    """With a sentence and a status; all of its processes end, and none is started again."""
    service = alone(ALLOWED_HOSTS="localhost,shop.example.org")
    assert service.wait() == 1
    said = service.log_text()
    assert "order_service takes keys only (API_AUTH), and has none: python order_service/manage.py keys create" in said
    assert "Or say API_AUTH=off" in said
    assert "Traceback" not in said
    assert service.group is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(service.group, 0)


def test_make_run_makes_the_keys_anew_each_time(stack: Stack, tmp_path: Path) -> None:
    """For nobody else to read; those of the start before are over."""
    key = start.SERVICE_KEYS[-1]
    folder, service = tmp_path / "keys", stack.services[key.at]
    # The others are no different, and take their time.
    assert start.make_keys(folder, {key.at: service.environment}, keys=[key]) == 0
    secret = key.file(folder).read_text()
    replace(stack.key_file(key.holder, key.at), secret)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, key.file(folder))] == [0o700, 0o600]
    listed = [line.split("  ") for line in service.manage("keys", "list").stdout.splitlines()]
    (good,) = [line for line in listed if line[1:3] == [key.name, "good"]]
    assert (good[0], set(good[3].split())) == (secret.partition(".")[0], set(key.scopes))
