"""What `helm test` runs in a cluster, run against the services here: a purchase, its refund, and books that hold."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.stack import Stack

SCRIPT: Final = Path(__file__).resolve().parent.parent / "helm" / "shop" / "files" / "first_order.py"


@pytest.fixture(scope="module")
def closed(make_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, Path]:
    """Services that ask for keys, and a folder with those of a client of all three."""
    stack = make_module_stack(closed=True)
    stack.start_workers()
    keys = tmp_path_factory.mktemp("keys")
    for name, file in (("order_service", "orders"), ("payment_service", "payments"), ("product_stub", "products")):
        assert stack.keys is not None
        (keys / file).write_text((stack.keys / name).read_text())
    return stack, keys


def run(stack: Stack, *options: str) -> "subprocess.CompletedProcess[str]":
    urls = {"orders": "order_service", "payments": "payment_service", "products": "product_stub"}
    where = [f"--{name}={stack.services[service].url}" for name, service in urls.items()]
    return subprocess.run([sys.executable, SCRIPT, *where, *options], capture_output=True, text=True, check=False)


def test_it_buys_has_the_money_back_and_the_books_hold(closed: tuple[Stack, Path]) -> None:
    stack, keys = closed
    done = run(stack, f"--keys={keys}")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines()[-1].endswith("its money is back and its stock on the shelf")
    for service in stack.services.values():
        checked = service.manage("check_invariants", "--quiet-for", "0")
        assert checked.returncode in (0, 2), checked.stdout  # 2: nothing of a kind was there


def test_it_says_what_is_wrong(closed: tuple[Stack, Path]) -> None:
    """Here that nobody knows it: no key."""
    done = run(closed[0])
    assert done.returncode == 1
    assert done.stderr.startswith("Wrong: GET http://127.0.0.1:")
    assert " 401 " in done.stderr
    assert "Traceback" not in done.stderr
