"""The life of a payment, as the table has it and as the one door keeps it."""

from decimal import Decimal

import pytest

from payment_service.payments import states
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.writes.moves import move
from payment_service.settings import HERE
from payment_service.tests.conftest import ORDER, trail
from servicekit.errors import StaleRow

PAIRS = [(source, to) for source in Status for to in Status]
LEGAL = {
    ("PENDING", "PROCESSING"),
    ("PENDING", "VOIDED"),
    ("PROCESSING", "AUTHORIZED"),
    ("PROCESSING", "CAPTURED"),
    ("PROCESSING", "FAILED"),
    ("PROCESSING", "REQUIRES_ACTION"),
    ("REQUIRES_ACTION", "AUTHORIZED"),
    ("REQUIRES_ACTION", "CAPTURED"),
    ("REQUIRES_ACTION", "FAILED"),
    ("REQUIRES_ACTION", "VOIDED"),
    ("AUTHORIZED", "CAPTURED"),
    ("AUTHORIZED", "VOIDED"),
    ("CAPTURED", "PARTIALLY_REFUNDED"),
    ("CAPTURED", "REFUNDED"),
    ("PARTIALLY_REFUNDED", "PARTIALLY_REFUNDED"),
    ("PARTIALLY_REFUNDED", "REFUNDED"),
    ("FAILED", "PROCESSING"),
}


def a_payment(status: Status) -> Payment:
    return Payment.objects.create(
        order_id=ORDER,
        amount=Decimal("50.00"),
        currency="USD",
        method="CARD",
        status=status.value,
        taken=states.TAKEN[status],
        reference="R1",
    )


@pytest.mark.parametrize(("source", "to"), PAIRS)
@pytest.mark.django_db
def test_the_one_door_allows_what_the_table_allows(source: Status, to: Status) -> None:
    """A legal move changes status, version and trail together; any other changes nothing at all."""
    payment = a_payment(source)
    if (source.value, to.value) in LEGAL:
        moved = move(payment, to=to)
        assert (moved.status, moved.version) == (to, 2)
        assert trail() == ([states.EVENTS[to]] if to in states.EVENTS else [])
    else:
        with pytest.raises(StaleRow):
            move(payment, to=to)
        kept = Payment.objects.get()
        assert (kept.status, kept.version, trail()) == (source, 1, [])


@pytest.mark.django_db
def test_a_payment_that_was_moved_since_it_was_read_is_left_alone() -> None:
    """The version is the fence: of two who read the same row, one moves it."""
    payment = a_payment(Status.PROCESSING)
    move(payment, to=Status.CAPTURED)
    with pytest.raises(StaleRow):
        move(payment, to=Status.FAILED)
    assert Payment.objects.get().status == Status.CAPTURED
    assert trail() == ["payment.successful"]


def test_every_status_has_a_name_at_every_door() -> None:
    """No client ever meets a status that its door has no word for."""
    tables = {name: each for name, each in vars(states).items() if name.endswith("_NAMES")}
    assert len(tables) >= 3
    for name, names in tables.items():
        assert set(names) == set(Status), f"{name} of states.py must have a word for each status"
    assert set(states.TRANSITIONS) == set(Status)
    assert set(states.REFUND_TRANSITIONS) == set(states.RefundStatus)


def test_the_columns_take_every_status() -> None:
    """The longest status fits its column."""
    for model, statuses in ((Payment, Status), (Refund, states.RefundStatus)):
        longest = model._meta.get_field("status").max_length or 0
        assert max(len(status.value) for status in statuses) <= longest


def test_the_documented_diagram_is_current() -> None:
    """docs/payment-states.md shows the table as it is."""
    document = (HERE.parent / "docs" / "payment-states.md").read_text()
    wanted = f"```mermaid\n{states.diagram()}\n```"
    assert wanted in document, f"docs/payment-states.md must have this diagram, or states.py another table:\n{wanted}"
    for status in Status:
        row = f"| `{status}` | `{states.PAYMENTS_NAMES[status]}` | `{states.CHARGES_NAMES[status]}` |"
        assert row in document, f"docs/payment-states.md must have a row that begins with {row}"
