"""Puts the saga together with the real services. Tests put it together with fakes."""

from functools import partial
from typing import Final

from order_service.orders import clients, finishing
from order_service.orders.finishing import PaidOrder
from order_service.orders.models import Order
from order_service.orders.saga import Run
from servicekit.load import slot
from servicekit.observability import tracing
from servicekit.runtime.batches import Batches

# Paid orders that may wait in one process; with more than that, requests close their own.
ROOM: Final = 2 * finishing.BATCH
# Under load that many seconds' orders are closed together. Nobody waits for it.
GATHER_S: Final = 0.05

_finishers: Final[list[Batches[PaidOrder]]] = []


def a_run() -> Run:
    """A run of the saga over the network, which leaves paid orders to this process's finisher where it has one."""
    return Run(clients.products(), clients.payments(), hand_over=_hand_over, sleep=slot.sleep)


def finish_in_batches() -> None:
    """From now on this process closes paid orders behind the requests. For one that answers requests until it ends."""
    to_the_end = Run(clients.products(), clients.payments(), sleep=slot.sleep)
    finish = partial(finishing.finish, run=to_the_end)
    _finishers[:] = [Batches("finisher", finish, most=finishing.BATCH, room=ROOM, gather_s=GATHER_S)]


def _hand_over(order: Order) -> bool:
    return bool(_finishers) and _finishers[0].offer(PaidOrder(order, tracing.current()))
