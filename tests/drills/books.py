"""What the drills read of the services' books: whether anything is under way, each order's status, the audit."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from tests import auditing
from tests.drills import repairs
from tests.drills.repairs import Violation
from tests.stack import Stack, wait_until

WORKED_OFF_WITHIN_S: Final = 240.0
LOOK_EVERY_S: Final = 0.5
_WAITS: Final = "(status = 'PENDING' and expires_at is not null and step = 'reserved')"
_UNDER_WAY: Final = (
    ("order_service", f"select count(*) from orders_order where step <> 'closed' and not {_WAITS}"),
    ("payment_service", "select count(*) from payments_payment where coalesce(due_at, notice_due_at) is not null"),
    ("payment_service", "select count(*) from payments_refund where status = 'PENDING'"),
    ("order_service", "select count(*) from events_event where published_at is null"),
    ("payment_service", "select count(*) from events_event where published_at is null"),
)
_STILL_WAITING: Final = ("order_service", f"select count(*) from orders_order where {_WAITS}")


def wait_until_quiet(stack: Stack, *, with_waiting: bool = False) -> None:
    """Until no order, payment, refund or event is under way; `with_waiting`: and no unpaid order is left."""
    queries = [*_UNDER_WAY, _STILL_WAITING] if with_waiting else _UNDER_WAY

    def is_quiet() -> bool:
        time.sleep(LOOK_EVERY_S)
        return all(stack.services[name].rows(query) == [(0,)] for name, query in queries)

    wait_until(is_quiet, within_s=WORKED_OFF_WITHIN_S, what="the workers have worked off what was under way")


def statuses(stack: Stack, name: str) -> Iterator[tuple[str, str]]:
    """Each order's id and its status in one of the books."""
    query = {
        "order_service": "select id, status from orders_order",
        "payment_service": "select order_id, status from payments_payment",
        "product_stub": "select id, status from catalog_reservation",
    }[name]
    return ((str(UUID(str(order_id))), status) for order_id, status in stack.services[name].rows(query))


def audit(stack: Stack, folder: Path) -> tuple[list[Violation], list[str]]:
    """What the three differ in, and what one service finds wrong with itself, as the audit's line has it.

    Raises:
        RuntimeError: nothing was proven.
    """
    said = auditing.audit(stack, folder, "--quiet-for", "0", "--no-strangers")
    if said.status not in (0, 1):
        raise RuntimeError(f"the audit proved nothing: {said.lines}{said.err}")
    return repairs.violations_in(said.lines)
