"""What a payment costs its database: each write is one statement, and no row is read again after it was written."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from payment_service.payments.models import Payment
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import moves
from payment_service.tests.conftest import ORDER, asked, make_due
from payment_service.tests.fakes import FakeGateway

pytestmark = pytest.mark.django_db

INSERT, UPDATE, SELECT = "INSERT", "UPDATE", "SELECT"
EVENT = INSERT


def statements(act: Callable[[], Any]) -> list[str]:
    """The kinds of the statements that it runs, in order, without those that begin and end a transaction."""
    kinds: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        kinds.append(sql.split(maxsplit=1)[0])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        act()
    return [kind for kind in kinds if kind in {INSERT, UPDATE, SELECT, "DELETE"}]


def paid(**more: Any) -> Payment:
    return charging.charge_payment(asked(**more)).payment


def test_a_charge(gateway: FakeGateway) -> None:
    """Intent; outcome and event."""
    assert statements(paid) == [INSERT, UPDATE, EVENT]


def test_a_charge_that_is_tried_again(gateway: FakeGateway) -> None:
    """The row that is there is met by its unique order id and read; then as ever."""
    gateway.script = ["unavailable"]
    paid()
    assert statements(paid) == [INSERT, SELECT, SELECT, UPDATE, UPDATE, EVENT]


def test_a_capture(gateway: FakeGateway) -> None:
    """Intent; outcome and event."""
    payment = paid(capture=False)
    assert statements(lambda: capturing.capture_payment(payment, amount=None)) == [UPDATE, UPDATE, EVENT]


def test_a_void_of_what_is_set_aside(gateway: FakeGateway) -> None:
    """No tombstone fits in, so the payment is read; the wish, the lease, the outcome and its event."""
    paid(capture=False)
    wish = [UPDATE, UPDATE, SELECT]
    assert statements(lambda: repair.void_payment(ORDER)) == [INSERT, SELECT, SELECT, *wish, UPDATE, UPDATE, EVENT]


def test_a_refund(gateway: FakeGateway) -> None:
    """Under lock: is it there already, what is booked, the refund; under lock again: the outcome and its event."""
    payment = paid()
    booking = [SELECT, SELECT, UPDATE, INSERT]
    assert statements(lambda: refunding.refund_payment(payment, uid=uuid4(), amount=None)) == [
        *booking,
        *[SELECT, UPDATE, UPDATE, EVENT],
    ]


def test_a_payment_whose_answer_is_not_known(gateway: FakeGateway) -> None:
    """A worker reads it, takes it and gives it back for later."""
    gateway.script = ["lost"]
    assert statements(paid) == [INSERT, UPDATE]
    gateway.is_down = True
    make_due()
    assert statements(repair.payments_once) == [SELECT, SELECT, UPDATE, UPDATE]


def test_a_lease_that_somebody_else_has(gateway: FakeGateway) -> None:
    """Whether only a void came in between is asked once."""
    gateway.script = ["timeout"]
    payment = paid()
    assert moves.claim(payment) is not None
    assert statements(lambda: moves.claim(payment)) == [UPDATE, SELECT]
