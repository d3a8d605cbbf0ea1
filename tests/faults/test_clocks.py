"""Clocks of which none is right but the database server's: whatever several processes must agree on goes by that one.

Collected only on PostgreSQL and MariaDB (conftest.py): SQLite's clock is that of the one machine.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.faults.checking import checking
from tests.faults.result_log import ResultLog
from tests.stack import ROOT, Stack, wait_until

HOUR_S: Final = 3600
RECOVERS_WITHIN_S: Final = 300.0
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "payment_service": {"GATEWAY_DELAY_MS": "0-1", "GATEWAY_SUCCESS_RATE": "1"},
}


def test_clocks_that_are_an_hour_off_decide_nothing(
    make_stack: Callable[..., Stack], tmp_path: Path, result_log: ResultLog
) -> None:
    """Two of each, one an hour fast with the workers, one an hour slow: nothing expires early or is taken twice."""

    def shift(stack: Stack) -> None:
        for several in stack.servers.values():
            for service, hours in zip(several, (1, -1), strict=True):
                service.environment |= _with_clock(tmp_path / f"{hours}", hours)

    stack = make_stack(settings=SETTINGS, servers=2, prepare=shift)
    stack.start_workers()
    body = {"customer_name": "Eve", "product_ids": [2], "payment": "later"}
    waiting = [stack.orders.post("/api/orders/", body).json for _ in range(4)]
    paid = [stack.orders.post("/api/orders/", {"customer_name": "Eve", "product_ids": [2]}) for _ in range(4)]
    assert [reply.json["status"] for reply in paid] == ["PAID"] * 4
    shown_times = sorted(datetime.fromisoformat(order["expires_at"].rstrip("Z")) for order in waiting)
    assert (shown_times[-1] - shown_times[0]).total_seconds() > HOUR_S, "the clocks are not off"
    with checking(stack) as checker:
        wait_until(lambda: _published(stack) > 0, what="the fast worker works")
        shown = [stack.orders.get(f"/api/orders/{order['id']}/").json["status"] for order in waiting]
        assert shown == ["PENDING"] * 4
        for order in waiting[:2]:
            about = {"order_id": order["id"], "amount": str(order["total_amount"])}
            assert stack.payments.post("/pay", about).status == 200
        for order in waiting[2:]:
            assert stack.orders.post(f"/api/orders/{order['id']}/cancel/", {}).json["status"] == "CANCELLED"
        assert checker.settle(within_s=RECOVERS_WITHIN_S) == []
    shown = [stack.orders.get(f"/api/orders/{order['id']}/").json["status"] for order in waiting]
    assert shown == ["PAID", "PAID", "CANCELLED", "CANCELLED"]
    result_log(
        "clocks an hour fast and an hour slow",
        injected="the clock of every process of ours is shifted, two servers of each service, workers on the fast one",
        times=len(waiting) + len(paid),
        checks="nothing expires early, no lease is taken over early, all invariants",
        numbers=28,
    )


def _published(stack: Stack) -> int:
    ((count,),) = stack.services["order_service"].rows(
        "select count(*) from events_event where published_at is not null"
    )
    return int(count)


def _with_clock(folder: Path, hours: int) -> dict[str, str]:
    """The environment of a Python whose clock is off by this much; its waits and time-outs are as ever."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import datetime, time\n"
        "from django.utils import timezone\n"
        "real_now, real_time = timezone.now, time.time\n"
        f"timezone.now = lambda: real_now() + datetime.timedelta(hours={hours})\n"
        f"time.time = lambda: real_time() + {hours * HOUR_S}\n"
    )
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
