"""Clients that two generators make of the committed documents run against the services."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

from tests.openapi_tools.test_validators import HERE, document, run
from tests.stack import SERVICES, Stack

SEEN = {"status": "PAID", "first": "order.created", "reason": "order_cancelled", "amount": 30.0, "price": 30.0}


def test_a_client_of_openapi_python_client_works(tools: Path, tmp_path: Path, live: Stack) -> None:
    """Placing an order, being refused in both ways, reading events, a payment and a product."""
    python = str(tools / "venv/bin/python")
    for name in SERVICES:
        generator = [str(tools / "venv/bin/openapi-python-client"), "generate", "--meta", "none"]
        run(*generator, "--path", document(name), "--output-path", str(tmp_path / f"{name}_client"))
    shutil.copy(HERE / "python_client.py", tmp_path)
    seen = json.loads(run(python, "python_client.py", *_urls(live), cwd=tmp_path), parse_float=Decimal)
    assert seen == {**SEEN, "wrong": "missing_fields"}


def test_a_client_with_types_of_openapi_typescript_compiles_strictly_and_works(
    tools: Path, tmp_path: Path, live: Stack
) -> None:
    """The same with `tsc --strict`."""
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "node_modules").symlink_to(tools / "node_modules")
    for name in SERVICES:
        run(str(tools / "node_modules/.bin/openapi-typescript"), document(name), "-o", str(folder / f"{name}.d.ts"))
    shutil.copy(HERE / "client.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    options = [
        "--strict",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--skipLibCheck",
    ]
    run(str(tools / "node_modules/.bin/tsc"), *options, "client.ts", cwd=folder)
    assert json.loads(run("node", "client.js", *_urls(live), cwd=folder)) == SEEN


def _urls(live: Stack) -> list[str]:
    return [live.services[name].url for name in ("order_service", "payment_service", "product_stub")]
