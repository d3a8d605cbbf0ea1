"""The examples are true: each curl command, run to the letter, has the answer that is printed below it."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.client import Http
from tests.stack import ROOT, Stack

# In the order in which a reader comes to them; the second page counts on from the first.
PAGES: Final = (ROOT / "README.md", ROOT / "docs" / "examples.md")
EXAMPLES: Final = [
    example
    for page in PAGES
    for example in re.findall(r"```bash\n(curl .*?)```\n```json\n(.*?)```", page.read_text(), re.DOTALL)
]
PORTS: Final = {8000: "order_service", 8001: "product_stub", 8002: "payment_service"}
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REFERENCE: Final = re.compile(r"ECI\d{8}-[0-9A-F]{8}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

Run = Callable[[str], str]


@pytest.fixture
def run(make_stack: Callable[..., Stack], tmp_path: Path) -> Run:
    """Runs a command as printed, and returns what it prints: curl is led to the stack's own ports from outside.

    Where there is no curl the command is taken apart and sent as curl would.
    """
    stack = make_stack()
    ports = {port: stack.services[name].port for port, name in PORTS.items()}
    (tmp_path / ".curlrc").write_text(
        "silent\n" + "".join(f'connect-to = "localhost:{port}:127.0.0.1:{own}"\n' for port, own in ports.items())
    )

    def with_curl(command: str) -> str:
        environment = {"CURL_HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def without_curl(command: str) -> str:
        words = shlex.split(command.replace("\\\n", " "))
        given = {word: words[place + 1] for place, word in enumerate(words) if word in ("-X", "-d")}
        headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
        addresses = (re.fullmatch(r"http://localhost:(\d+)(/.*)", word) for word in words)
        (port, path), *_ = [address.groups() for address in addresses if address]
        http = Http(f"http://127.0.0.1:{ports[int(port)]}")
        return http.request(given.get("-X", "GET"), path, headers=headers, data=given.get("-d")).text

    return with_curl if shutil.which("curl") and shutil.which("bash") else without_curl


def differences(printed: Any, answered: Any, *, command: str, where: str = "") -> list[str]:
    """Where an answer is not what the page prints. Times and made-up ids only have to look alike."""
    if isinstance(printed, dict) and isinstance(answered, dict) and list(printed) == list(answered):
        pairs = [(f"{where}.{name}", printed[name], answered[name]) for name in printed]
    elif isinstance(printed, list) and isinstance(answered, list) and len(printed) == len(answered):
        pairs = [(f"{where}[{n}]", one, other) for n, (one, other) in enumerate(zip(printed, answered, strict=True))]
    elif where == ".payment_id":  # which one it is depends on what the ledger holds already
        return [] if isinstance(answered, int) and answered >= 1 else [f"{where}: {answered!r} is no number"]
    elif _is_alike(printed, answered, command) or (type(printed), str(printed)) == (type(answered), str(answered)):
        return []
    else:
        return [f"{where}: printed {printed!r}, answered {answered!r}"]
    return [found for name, one, other in pairs for found in differences(one, other, command=command, where=name)]


def _is_alike(printed: Any, answered: Any, command: str) -> bool:
    if not (isinstance(printed, str) and isinstance(answered, str)) or printed in command:
        return False
    return any(form.fullmatch(printed) and form.fullmatch(answered) for form in (UUID, REFERENCE, TIME))


def test_there_are_examples() -> None:
    """So that a change of the pages' form does not quietly test nothing."""
    assert len(EXAMPLES) >= 14


def test_every_example_answers_as_printed(run: Run) -> None:
    """In the order of the pages, on fresh databases: field by field, exact amounts included."""
    for command, printed in EXAMPLES:
        answered = run(command)
        found = differences(
            json.loads(printed, parse_float=Decimal), json.loads(answered, parse_float=Decimal), command=command
        )
        assert found == [], f"{command}\n{answered}"


SEED_ORDER = """curl -X POST http://localhost:8000/api/orders/ \\
-H "Content-Type: application/json" \\
-d '{
    "customer_name": "Alice",
    "product_ids": [1,2]
}'"""
SEED_PAYMENT = """curl -X POST http://localhost:8002/api/payments/ \\
-H "Content-Type: application/json" \\
-d '{
    "order_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "amount": 50.00
}'"""
SEED_LOOK = "curl -X GET http://localhost:8002/api/payments/a1b2c3d4-e5f6-7890-abcd-ef1234567890/"


def test_the_first_clients_examples_still_work(run: Run) -> None:
    """The fields that the two services' first clients were promised, with the values that they were promised."""
    order = json.loads(run(SEED_ORDER), parse_float=str)
    assert {name: order[name] for name in ("customer_name", "total_amount", "status", "cancellation_reason")} == {
        "customer_name": "Alice",
        "total_amount": "50.00",
        "status": "PAID",
        "cancellation_reason": None,
    }
    assert order["payment_status"] == "COMPLETED"
    paid = run(SEED_PAYMENT)
    assert list(json.loads(paid)) == ["id", "order_id", "amount", "status", "timestamp"]
    assert '"amount":50.00' in paid
    assert json.loads(paid)["status"] == "COMPLETED"
    assert run(SEED_LOOK) == paid
    assert run(SEED_PAYMENT) == paid
