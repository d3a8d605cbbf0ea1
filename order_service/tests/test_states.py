"""The two state tables, pair by pair."""

from itertools import product

import pytest

from order_service.orders import states, writes
from order_service.orders.models import Order
from order_service.orders.states import NEXT_STEPS, TRANSITIONS, Status, Step
from order_service.tests.conftest import Shop, trail
from servicekit.errors import StaleRow

LEGAL_STATUSES = {
    ("PENDING", "PAID"),
    ("PENDING", "CANCELLED"),
    ("PAID", "REFUNDED"),
}


@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_status_table_is_the_contract(source: Status, target: Status) -> None:
    """Exactly the contract's three moves are legal."""
    legal = (source.value, target.value) in LEGAL_STATUSES
    assert (target in TRANSITIONS[source]) is legal
    assert (source in states.sources_of(target)) is legal


@pytest.mark.parametrize(("source", "target"), list(product(Step, Step)))
def test_steps_before_is_the_table_read_backwards(source: Step, target: Step) -> None:
    """Both readings of the step table agree."""
    assert (source in states.steps_before(target)) is (target in NEXT_STEPS[source])


def test_every_step_can_come_to_closed() -> None:
    """No step is a dead end."""
    for start in Step:
        reached, fresh = {start}, {start}
        while fresh:
            fresh = {after for step in fresh for after in NEXT_STEPS[step]} - reached
            reached |= fresh
        assert Step.CLOSED in reached


@pytest.mark.parametrize(("source", "target"), list(product(Step, Step)))
def test_the_one_door_refuses_what_the_table_does_not_have(shop: Shop, source: Step, target: Step) -> None:
    """For every pair of steps: a legal move is written with one event, an illegal one writes nothing."""
    order = shop.place()
    Order.objects.filter(pk=order.pk).update(step=source.value)
    before, events = Order.objects.values().get(), trail(order)
    if target in NEXT_STEPS[source]:
        writes._move(order, "order.moved", {}, step=target)
        assert Order.objects.get().step == target.value
        assert trail(order) == [*events, "order.moved"]
    else:
        with pytest.raises(StaleRow):
            writes._move(order, "order.moved", {}, step=target)
        assert Order.objects.values().get() == before
        assert trail(order) == events


@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_the_one_door_refuses_an_illegal_status(shop: Shop, source: Status, target: Status) -> None:
    """For every pair of statuses, whatever the step says."""
    order = shop.place()
    Order.objects.filter(pk=order.pk).update(step=Step.RESERVED.value, status=source.value)
    if target in TRANSITIONS[source]:
        writes._move(order, "order.moved", {}, step=Step.COMPENSATING, status=target)
        assert Order.objects.get().status == target.value
    else:
        with pytest.raises(StaleRow):
            writes._move(order, "order.moved", {}, step=Step.COMPENSATING, status=target)
        assert Order.objects.get().status == source.value
