"""Each service keeps what its own OpenAPI document says: Schemathesis tries every operation with every check.

No 500, no status that is not documented, no answer that its schema does not have, no wrong request that is accepted.
`schemathesis.toml` says where the contract lets a request that fits the schema be refused.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

import nightly
from tests.stack import SERVICES, Stack

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
# Per operation and phase. The seed makes a failure come back.
MAX_EXAMPLES: Final = 50 if nightly.IS_NIGHT else 8
SEED: Final = 20251110


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_to_its_document(make_stack: Callable[..., Stack], tmp_path: Path, name: str) -> None:
    """Examples, edges, random and chained requests, with all checks; on a stack that has orders and payments."""
    stack = make_stack()
    for order in ({"product_ids": [1]}, {"product_ids": [2], "payment": "later"}, {"product_ids": [99]}):
        assert stack.orders.post("/api/orders/", {"customer_name": "Alice", **order}).status in (201, 400)
    for number in (1, 2, 3):
        assert stack.payments.post("/api/payments/", {"order_id": number, "amount": 5}).status == 201
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
            f"{stack.services[name].url}/openapi.json",
            *("--checks", "all", "--max-examples", str(MAX_EXAMPLES), "--seed", str(SEED), "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    log = stack.services[name].log_text()
    assert "request.crashed" not in log
    assert '"status":500' not in log
