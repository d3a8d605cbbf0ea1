"""The commands of the runbooks, run as they stand, beside services that have something for a person to see to."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests import compose, observing
from tests.stack import ROOT, SERVICES, Stack, wait_until

PAGES: Final = sorted(path for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.stem != "README")
BLOCKS: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
GREP: Final = re.compile(r"grep -E '\^\(([^)]*)\)")
README: Final = ROOT / "docs" / "runbooks" / "README.md"
# The first that a command has.
KINDS: Final = {"the comparison": "-m audit", "a service's command": "/manage.py ", "a request": "curl -s "}
WITH_AN_OUTBOX: Final = ("order_service", "payment_service")
PORTS: Final = {8000: "order_service", 8001: "product_stub", 8002: "payment_service"}
CARD: Final = {"payment_method": "CARD", "payment_method_details": {"token": "tok_refund_fails"}}
PREDICTABLE: Final = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0"}


def commands(page: Path) -> list[str]:
    return [line for block in BLOCKS.findall(page.read_text(encoding="utf-8")) for line in block.splitlines()]


Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def blocked(make_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, str]:
    """Services that count together with their workers, with an order whose refund is refused for good."""
    folder = tmp_path_factory.mktemp("counted")
    settings = {name: {**PREDICTABLE, "PROMETHEUS_MULTIPROC_DIR": str(folder / name)} for name in SERVICES}
    stack = make_module_stack(settings=settings)
    for name in SERVICES:
        stack.start_worker(name)
    placed = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1], **CARD}).json
    order = str(placed["id"])
    stack.orders.post(f"/api/orders/{order}/cancel/")
    wait_until(lambda: "refund_blocked" in stack.orders.get(f"/api/orders/{order}/").json, what="blocked")
    return stack, order


@pytest.fixture(scope="module")
def run(blocked: tuple[Stack, str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command as printed: in the root, with the addresses and the databases of the stack."""
    stack, order = blocked
    home = tmp_path_factory.mktemp("home")
    routes = (f'connect-to = "localhost:{port}:127.0.0.1:{stack.services[name].port}"' for port, name in PORTS.items())
    (home / ".curlrc").write_text("\n".join(routes))

    def number() -> str:
        return str(stack.services["payment_service"].rows("select min(number) from payments_payment")[0][0])

    def as_printed(command: str) -> "subprocess.CompletedProcess[str]":
        command = command.replace("ORDER_ID", order).replace("PAYMENT_ID", number())
        command = command.replace(".venv/bin/python", sys.executable)
        if " notify_service/manage.py " in command:
            return _manage_notify(home, *shlex.split(command)[2:])
        service = next((name for name in SERVICES if f" {name}/manage.py " in command), None)
        if service is not None:
            return stack.services[service].manage(*shlex.split(command)[2:])
        environment = {**os.environ, "CURL_HOME": str(home)}
        if "-m audit" in command:  # each of its commands has another database
            told = " ".join(f"{name}={stack.services[name].environment['DB_NAME']}" for name in SERVICES)
            command += f" --run '{sys.executable} {_with_databases(home, told)} {{service}}'"
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return as_printed


def _manage_notify(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """It is no part of the stack, and has a database of its own."""
    database = home / "notify_service.sqlite3"
    environment = {**os.environ, "DB_NAME": str(database), "KAFKA_BOOTSTRAP_SERVERS": "localhost:1"}
    is_new = not database.exists()
    manage = [sys.executable, str(ROOT / "notify_service" / "manage.py")]
    for each in [*([("migrate", "--verbosity=0")] if is_new else []), arguments]:
        done = subprocess.run([*manage, *each], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    return done


def _with_databases(home: Path, told: str) -> Path:
    """A program that runs a service's command with the service's own database."""
    program = home / "manage"
    program.write_text(
        "import os, sys\n"
        f"names = dict(pair.split('=') for pair in {told!r}.split())\n"
        "os.environ['DB_NAME'] = names[sys.argv[1]]\n"
        "os.execv(sys.executable, [sys.executable, sys.argv[1] + '/manage.py', *sys.argv[2:]])\n"
    )
    return program


def test_every_page_has_commands() -> None:
    """So that a change of the pages' form does not quietly test nothing."""
    assert len(PAGES) >= 12
    assert all(commands(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_runbook_work(page: Path, run: Run) -> None:
    """Each ends well; one that looks for metrics finds those that are there, and asks for none that never are."""
    for command in commands(page):
        for looked_for in (part for pattern in GREP.findall(command) for part in pattern.split("|")):
            assert any(name.startswith(looked_for) for name in observing.series()), f"{command}: {looked_for}"
        if command in _seen:
            continue
        _seen.add(command)
        done = run(command)
        said = f"{command}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or (GREP.search(command) and not done.stderr), said
        assert "Traceback" not in done.stdout + done.stderr, said


@pytest.mark.parametrize("name", ["EventDead", "OutboxNotMoving"])
def test_a_page_about_events_speaks_of_each_service_that_has_an_outbox(name: str) -> None:
    """Whatever one is told to do is there for the other as well."""
    said = {service: set[str]() for service in WITH_AN_OUTBOX}
    for command in commands(ROOT / "docs" / "runbooks" / f"{name}.md"):
        port, service = re.search(r"localhost:(\d+)", command), re.search(r"(\w+)/manage\.py", command)
        owner = service[1] if service else PORTS[int(port[1])] if port else ""
        said[owner].add(command.replace(owner, "").replace(port[1] if port else "", ""))
    assert len({frozenset(each) for each in said.values()}) == 1
    assert len(said[WITH_AN_OUTBOX[0]]) >= 3


def test_every_kind_of_command_is_shown_for_each_place() -> None:
    """Beside `make run` it is one of a page, so it is tried; then in compose, in the full one, and in a cluster."""
    tried = {command for page in PAGES for command in commands(page)}
    kinds = {kind(command) for command in tried}
    here, in_compose, in_full, in_cluster, *_ = (block.splitlines() for block in BLOCKS.findall(README.read_text()))
    assert set(here) <= tried
    assert {kind(command) for command in here} == kinds
    assert {kind(command) for command in in_compose} == kinds
    assert [command for command in in_full if "docker-compose.full.yml exec -T payment-service" not in command] == []
    assert {kind(command) for command in in_cluster if " port-forward " not in command} == kinds


def test_what_compose_is_asked_to_run_in_is_there() -> None:
    named = re.findall(r"docker-compose (?:-f \S+ )*exec -T (\S+) ", README.read_text())
    assert len(named) == 4
    for files in (compose.DEMO, compose.FULL):
        services = compose.by_ourselves(files, {})["services"]
        names = {each for name in named for each in ([name] if name != "{host}" else map(_host, SERVICES))}
        assert names <= set(services)


def kind(command: str) -> str:
    """By what a command does, wherever it is run."""
    return next(kind for kind, mark in KINDS.items() if mark in command)


def _host(service: str) -> str:
    return service.replace("_", "-")


# Several pages have the same one.
_seen: set[str] = set()
