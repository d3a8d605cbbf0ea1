"""Puts the saga together with the real services. Tests put it together with fakes."""

from order_service.orders import clients
from order_service.orders.saga import Run
from servicekit.load import slot


def a_run() -> Run:
    """A run of the saga over the network."""
    return Run(products=clients.products(), payments=clients.payments(), sleep=slot.sleep)
