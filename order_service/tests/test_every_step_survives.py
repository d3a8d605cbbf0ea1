"""Every call of the saga, with everything that can go wrong with it: afterwards the books agree."""

from itertools import product
from uuid import UUID, uuid4

import pytest

from order_service.orders import writes
from order_service.orders.models import Order
from order_service.orders.ports import ChargeOutcome
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import HARD_DECLINE, SOFT_DECLINE, Fault, Killed
from servicekit.errors import StaleRow

FAULTS = list(Fault)
CALLS = ["reserve", "charge", "confirm", "release", "void"]


def place_and_maybe_die(shop: Shop, order_id: UUID) -> None:
    try:
        shop.place(order_id)
    except Killed:
        assert the_order().due_at is not None, "a killed order must be due, or nobody would ever resume it"


def work_and_start_again(shop: Shop) -> None:
    """A worker that is killed is started again, as often as it takes."""
    try:
        shop.work()
    except Killed:
        work_and_start_again(shop)


def assert_books_agree(shop: Shop) -> Order:
    """What holds for every order once nothing is due any more."""
    order = the_order()
    assert order.step == "closed"
    assert order.due_at is None
    money_is_held = shop.payments.holds_money(order.uid)
    stock = shop.products.reservations.get(order.uid)
    assert shop.payments.charged[order.uid] <= 1
    if order.status == "PAID":
        assert money_is_held
        assert shop.payments.amounts[order.uid] == order.total_amount
        assert stock == "sold"
    else:
        assert order.status in {"CANCELLED", "REFUNDED"}
        assert not money_is_held
        assert stock in {None, "released"}
    assert order.payment_token == ""
    assert trail(order)[0] == "order.created"
    assert trail(order).count("order.paid") <= 1
    return order


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
@pytest.mark.parametrize("call", CALLS)
def test_fault_on_the_way_to_a_paid_order(shop: Shop, call: str, fault: Fault) -> None:
    """Only a product service that cannot be reached stops the order; anything else ends PAID, charged once."""
    shop.payments.fail(call, fault)
    shop.products.fail(call, fault)
    place_and_maybe_die(shop, uuid4())
    shop.work()
    unreserved = call == "reserve" and fault not in {Fault.NONE, Fault.KILLED_BEFORE, Fault.KILLED_AFTER}
    assert assert_books_agree(shop).status == ("CANCELLED" if unreserved else "PAID")


@pytest.mark.parametrize("answers", [[HARD_DECLINE], [SOFT_DECLINE] * 3], ids=["hard decline", "soft declines"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
@pytest.mark.parametrize("call", ["reserve", "release", "void"])
def test_fault_on_the_way_to_a_cancelled_order(
    shop: Shop, call: str, fault: Fault, answers: list[ChargeOutcome]
) -> None:
    """A declined order ends CANCELLED with nothing held, whatever goes wrong around it."""
    shop.payments.answers = list(answers)
    shop.payments.fail(call, fault)
    shop.products.fail(call, fault)
    place_and_maybe_die(shop, uuid4())
    shop.work()
    assert assert_books_agree(shop).status == "CANCELLED"
    assert shop.payments.charged == {}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
def test_fault_of_a_declined_charge(shop: Shop, fault: Fault) -> None:
    """A decline that is lost is read by sending the same attempt again, never by making another in its place."""
    shop.payments.answers = [HARD_DECLINE] * 3
    shop.payments.fail("charge", fault)
    place_and_maybe_die(shop, uuid4())
    shop.work()
    order = assert_books_agree(shop)
    assert (order.status, order.cancellation_reason) == ("CANCELLED", "Payment failed")
    expected = 2 if fault in {Fault.OUTAGE_BEFORE, Fault.OUTAGE_AFTER, Fault.NONSENSE} else 1
    assert order.attempt == expected


@pytest.mark.parametrize(
    ("first", "second"), list(product([Fault.OUTAGE_AFTER, Fault.KILLED_BEFORE, Fault.KILLED_AFTER], repeat=2))
)
@pytest.mark.parametrize(("call", "then"), list(product(CALLS, repeat=2)))
def test_two_faults_in_a_row_are_survived(shop: Shop, call: str, then: str, first: Fault, second: Fault) -> None:
    """The repair itself may be hit too."""
    for peer in (shop.products, shop.payments):
        peer.fail(call, first)
        peer.fail(then, second)
    place_and_maybe_die(shop, uuid4())
    work_and_start_again(shop)
    assert_books_agree(shop)


@pytest.mark.parametrize("deaths", [1, 2, 3, 7])
def test_dying_in_the_same_call_again_and_again_is_survived(shop: Shop, deaths: int) -> None:
    """The order is resumed as often as it takes, and the attempt that was begun is sent with the same key."""
    shop.payments.fail("charge", *[Fault.KILLED_AFTER] * deaths)
    place_and_maybe_die(shop, uuid4())
    work_and_start_again(shop)
    order = assert_books_agree(shop)
    assert order.status == "PAID"
    assert set(shop.payments.keys) == {f"order-{order.uid}-pay-1"}
    assert shop.payments.charged == {order.uid: 1}


def test_holder_that_slept_past_its_lease_writes_nothing(shop: Shop) -> None:
    """A zombie's late move is refused: the version it saw is gone."""
    order_id = uuid4()
    shop.payments.fail("charge", Fault.KILLED_BEFORE)
    place_and_maybe_die(shop, order_id)
    zombie = the_order()
    shop.work()
    before, events = Order.objects.values().get(), trail(the_order())
    with pytest.raises(StaleRow):
        writes.cancel(zombie, "Payment failed")
    assert Order.objects.values().get() == before
    assert trail(the_order()) == events


def test_order_that_was_placed_again_with_its_id_is_the_same_order(shop: Shop) -> None:
    """A request that is repeated after a crash resumes its order instead of making another."""
    order_id = uuid4()
    shop.products.fail("reserve", Fault.KILLED_AFTER)
    place_and_maybe_die(shop, order_id)
    shop.make_due()
    assert shop.place(order_id).status == "PAID"
    assert Order.objects.count() == 1
    assert shop.payments.charged == {order_id: 1}
