"""JSON over Django's test client, products to reserve, and a real server for what only real concurrency can show."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401
from product_stub.catalog import clients, writes
from product_stub.catalog.clients import Need
from product_stub.catalog.errors import OrderServiceUnavailable
from product_stub.catalog.models import Product
from servicekit import exactjson
from tests import databases

ROOT = Path(__file__).resolve().parents[2]
# Starting takes a second; a machine that is busy with other things takes longer.
START_PATIENCE_S = 300


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any


class Api:
    """Requests and answers as JSON, decimals exact."""

    def __init__(self) -> None:
        self._client = Client()

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        content = b"" if body is None else exactjson.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self._client.generic(method, path, content, content_type="application/json", headers=named)
        parsed = exactjson.decode(response.content) if response.content else None
        return Answer(response.status_code, parsed, response.headers)

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def reserve(self, reservation_id: str, *wanted: tuple[int, int]) -> Answer:
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in wanted]
        return self.call("PUT", f"/api/reservations/{reservation_id}/", {"items": items})

    def confirm(self, reservation_id: str) -> Answer:
        return self.post(f"/api/reservations/{reservation_id}/confirm/")

    def release(self, reservation_id: str, query: str = "") -> Answer:
        return self.call("DELETE", f"/api/reservations/{reservation_id}/{query}")


class FakeOrders:
    """An order service that knows the needs it is told; None cannot be asked about. `meanwhile` runs while it is."""

    def __init__(self) -> None:
        self.needs: dict[str, Need | None] = {}
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def need_of(self, reservation_id: str) -> Need:
        self.asked.append(reservation_id)
        self.meanwhile()
        need = self.needs.get(reservation_id, Need.NONE)
        if need is None:
            raise OrderServiceUnavailable
        return need


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch) -> FakeOrders:
    """Nobody has an order, unless a test says so."""
    fake = FakeOrders()
    monkeypatch.setattr(clients, "order_service", lambda: fake)
    return fake


@pytest.fixture
def api(db: None) -> Api:
    return Api()


def make_product(stock: int, name: str = "Lamp", price: str = "12.50") -> Product:
    return writes.create_product(uuid.uuid4(), name=name, price=Decimal(price), stock=stock)


def counters(product: Product) -> tuple[int, int, int]:
    """(stock, reserved, sold) as they are in the database now."""
    return Product.objects.values_list("stock", "reserved", "sold").get(pk=product.pk)


class Server:
    """The stub as it is deployed: the same server, a database of its own, a port of its own."""

    def __init__(self, folder: Path, *, workers: int) -> None:
        self.database = databases.at(folder / "db.sqlite3")
        self.database.create()
        self.environment = {**os.environ, **self.database.environment, "LOG_LEVEL": "WARNING"}
        # Everybody is answered, however long that takes here.
        self.environment |= {"SERVER_WORKERS": str(workers), "REQUEST_WAIT_S": "60"}
        # So that whatever is held is due when a worker looks.
        self.environment["RESERVATION_EXPIRES_AFTER_S"] = "0.001"
        self.port = _free_port()
        self.manage("migrate", "--verbosity=0")
        command = ["-m", "servicekit.server", "product_stub", "--port", str(self.port)]
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def manage(self, *arguments: str) -> None:
        """Run a management command on the server's database; its failure is the test's."""
        command = [sys.executable, str(ROOT / "product_stub" / "manage.py"), *arguments]
        subprocess.run(command, env=self.environment, cwd=ROOT, check=True, capture_output=True)

    def wait(self) -> None:
        deadline = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server has ended"
            try:
                if self.call("GET", "/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)  # the processor is the server's, which begins with it
        raise AssertionError("the server does not answer")

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One request on a connection of its own, so that any number of threads may call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, content, {"Content-Type": "application/json", **named})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=300)
        self.database.drop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes on one database: harder than the one that is the default."""
    running = Server(tmp_path_factory.mktemp("server"), workers=2)
    try:
        running.wait()
        yield running
    finally:
        running.stop()
