"""Validators of three families take the committed documents, and find nothing wrong with what the services do."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.client import Http
from tests.openapi_tools import calls
from tests.stack import ROOT, SERVICES, Stack, free_ports, wait_until

HERE: Final = Path(__file__).parent


def document(name: str) -> str:
    return str(ROOT / "docs" / "openapi" / f"{name}.yaml")


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def between(command: Sequence[str], port: int, *, cwd: Path, log: Path) -> Iterator[Http]:
    """A client that goes through a proxy."""
    with log.open("wb") as output:
        proxy = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output)
    try:
        client = Http(f"http://127.0.0.1:{port}")
        wait_until(lambda: client.has("/health/live/"), what=f"{command[0]} up: {log.read_text()}")
        yield client
    finally:
        proxy.terminate()
        proxy.wait(20)


@pytest.mark.parametrize("name", [*SERVICES, "notify_service"])
def test_the_document_is_a_valid_one(tools: Path, name: str) -> None:
    """openapi-spec-validator, of the jsonschema family."""
    assert run(str(tools / "venv/bin/openapi-spec-validator"), document(name)).strip().endswith("OK")


@pytest.mark.parametrize(
    ("name", "amounts"), [("order_service", 0), ("payment_service", 9), ("product_stub", 1), ("notify_service", 0)]
)
def test_ajv_takes_every_schema_and_every_amount_in_cents(tools: Path, tmp_path: Path, name: str, amounts: int) -> None:
    """As a binary number and quoted."""
    (tools / "amounts.mjs").write_text((HERE / "amounts.mjs").read_text())
    found = json.loads(run("node", str(tools / "amounts.mjs"), document(name), cwd=tools))
    assert found["refused"] == []
    assert found["amounts"] == amounts * 20_000
    assert found["schemas"] > 5


@pytest.mark.parametrize("name", SERVICES)
def test_express_openapi_validator_lets_a_day_of_calls_through(
    tools: Path, tmp_path: Path, live: Stack, name: str
) -> None:
    """Requests and answers; what does not fit would be a 400 or 500 of its own with the code `validator`."""
    (tools / "proxy.mjs").write_text((HERE / "proxy.mjs").read_text())
    (port,) = free_ports(1)
    command = ["node", str(tools / "proxy.mjs"), document(name), live.services[name].url, str(port)]
    with between(command, port, cwd=tools, log=tmp_path / "proxy.log") as client:
        made = [(call.method, call.path, call.status, reply) for call, reply in calls.make(name, client)]
    # What the validator itself refuses, because the document says so, need not reach the service.
    assert [
        (method, path, reply.text)
        for method, path, status, reply in made
        if reply.status != status or (reply.json and reply.json.get("code") == "validator" and status != 400)
    ] == []


@pytest.mark.parametrize("name", SERVICES)
def test_prism_finds_nothing_wrong_with_a_day_of_calls(tools: Path, tmp_path: Path, live: Stack, name: str) -> None:
    """Its proxy answers 4xx or 5xx with a problem of its own where a call or an answer does not fit the document."""
    (port,) = free_ports(1)
    command = [str(tools / "node_modules/.bin/prism"), "proxy", document(name), live.services[name].url]
    command += ["--errors", "--host", "127.0.0.1", "--port", str(port)]
    with between(command, port, cwd=tools, log=tmp_path / "prism.log") as client:
        made = [(call.method, call.path, call.status, reply) for call, reply in calls.make(name, client)]
    # 422 is what Prism itself says to a request that the document does not allow.
    assert [
        (method, path, reply.status, reply.text)
        for method, path, status, reply in made
        if reply.status != status and not (status == 400 and reply.status == 422)
    ] == []
