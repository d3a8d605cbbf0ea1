"""One payment, driven by random operations and a gateway that fails at random, against a model in plain Python.

After each step status and amounts are the model's; and whatever happened, the money at the gateway is what the ledger
says as soon as nothing is unknown any more.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from payment_service.payments import selectors
from payment_service.payments.models import Payment, Refund
from payment_service.payments.processing import capturing, charging, refunding, repair
from payment_service.tests.conftest import ORDER, asked, make_due
from payment_service.tests.fakes import FakeGateway
from servicekit.errors import ServiceError
from servicekit.events.models import Event

FAULTS = st.sampled_from(["ok", "ok", "ok", "decline", "unavailable", "lost", "timeout"])
AMOUNTS = st.sampled_from([Decimal("50.00"), Decimal("60.00")])
PARTS = st.sampled_from([None, Decimal("0.10"), Decimal("20.00"), Decimal("50.00"), Decimal("70.00")])
TAKEN = ("CAPTURED", "PARTIALLY_REFUNDED")


@dataclass
class Model:
    """What the payment should be. `unknown` holds what is asked for without an answer: did it arrive?"""

    status: str | None = None
    amount: Decimal = Decimal(0)
    captured: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    is_capturing: bool = True
    is_closed: bool = False
    capture_asked: Decimal | None = None
    unknown: bool | None = None
    pending_refunds: list[Decimal] = field(default_factory=list)

    @property
    def left(self) -> Decimal:
        return self.captured - self.refunded - sum(self.pending_refunds)

    def charge(self, amount: Decimal, capture: bool, fault: str) -> str | None:
        if self.status == "PROCESSING":
            self.settle(resend=True)
        if self.is_closed:
            return "payment_voided"
        if self.status in (None, "FAILED"):
            self.amount, self.is_capturing = amount, capture
            if fault in ("lost", "timeout"):
                self.status, self.unknown = "PROCESSING", fault == "lost"
            elif fault == "ok":
                self.approve()
            else:
                self.status = "FAILED"
            return None
        return None if amount == self.amount else "payment_amount_mismatch"

    def approve(self) -> None:
        self.unknown = None
        self.status = "CAPTURED" if self.is_capturing else "AUTHORIZED"
        self.captured = self.amount if self.is_capturing else Decimal(0)

    def settle(self, *, resend: bool) -> None:
        if self.status == "PROCESSING" and (self.unknown or (resend and not self.is_closed)):
            self.approve()
        elif self.status == "PROCESSING" and self.is_closed:
            self.status, self.unknown = "FAILED", None
        elif self.capture_asked is not None and (self.unknown or (resend and not self.is_closed)):
            self.status, self.captured = "CAPTURED", self.capture_asked
            self.capture_asked = self.unknown = None
        elif self.capture_asked is not None and self.is_closed:
            self.capture_asked = self.unknown = None

    def capture(self, amount: Decimal | None, fault: str) -> str | None:
        self.settle(resend=False)
        wanted = self.amount if amount is None else amount
        if self.captured == wanted > 0:
            return None
        if self.status != "AUTHORIZED":
            return "payment_not_capturable"
        if self.is_closed:
            return "payment_voided"
        if self.capture_asked is not None:
            return "payment_in_progress"
        if wanted > self.amount:
            return "capture_exceeds_authorized"
        if fault == "ok":
            self.status, self.captured = "CAPTURED", wanted
        elif fault in ("lost", "timeout"):
            self.capture_asked, self.unknown = wanted, fault == "lost"
        return None

    def refund(self, amount: Decimal | None, fault: str) -> str | None:
        self.settle(resend=False)
        if self.status not in TAKEN:
            return "payment_not_refundable"
        wanted = self.left if amount is None else amount
        if not 0 < wanted <= self.left:
            return "refund_exceeds_captured"
        if fault == "ok":
            self.give_back(wanted)
        elif fault != "decline":
            self.pending_refunds.append(wanted)
        return None

    def give_back(self, amount: Decimal) -> None:
        self.refunded += amount
        self.status = "REFUNDED" if self.refunded == self.captured else "PARTIALLY_REFUNDED"

    def void(self) -> None:
        if self.status is None:
            self.status = "VOIDED"
        self.is_closed = self.is_closed or self.status != "REFUNDED"
        self.step()
        self.step()

    def step(self) -> None:
        """What one look at a payment that is due does."""
        if self.status == "PROCESSING" or self.capture_asked is not None:
            self.settle(resend=True)
        elif self.is_closed and self.status == "AUTHORIZED":
            self.status = "VOIDED"
        elif self.is_closed and self.status in TAKEN and self.left > 0:
            self.give_back(self.left)

    def work(self) -> None:
        for _ in range(4):
            self.step()
            for amount in self.pending_refunds:
                self.give_back(amount)
            self.pending_refunds = []


class AnyLife(RuleBasedStateMachine):
    gateway: FakeGateway
    work: Callable[[], int]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    def teardown(self) -> None:
        for table in (Refund, Payment, Event):
            table.objects.all().delete()
        self.gateway.ledger.clear()
        self.gateway.script.clear()
        self.gateway.held = Decimal(0)

    @rule(amount=AMOUNTS, capture=st.booleans(), fault=FAULTS)
    def charge(self, amount: Decimal, capture: bool, fault: str) -> None:
        starts = self.model.status in (None, "FAILED")
        expected = self.model.charge(amount, capture, fault)
        with self.doing(fault if starts and expected is None else "ok", expected):
            charging.charge_payment(asked(str(amount), capture=capture))

    @precondition(lambda self: self.model.status is not None)
    @rule(amount=PARTS, fault=FAULTS)
    def capture(self, amount: Decimal | None, fault: str) -> None:
        expected = self.model.capture(amount, fault)
        with self.doing(fault, expected):
            capturing.capture_payment(self.looked_at(), amount=amount)

    @precondition(lambda self: self.model.status is not None)
    @rule(amount=PARTS, fault=FAULTS)
    def refund(self, amount: Decimal | None, fault: str) -> None:
        expected = self.model.refund(amount, fault)
        with self.doing(fault, expected):
            refunding.refund_payment(self.looked_at(), uid=uuid4(), amount=amount)

    @rule()
    def void(self) -> None:
        self.model.void()
        with self.doing("ok", None):
            repair.void_payment(ORDER)

    @rule()
    def everything_is_found_out(self) -> None:
        self.model.work()
        self.work()
        payment = Payment.objects.filter(order_id=ORDER).first()
        if payment is not None and payment.status != "AUTHORIZED":
            assert self.gateway.held == payment.captured - payment.refunded

    @invariant()
    def the_ledger_is_what_the_model_says(self) -> None:
        payment = Payment.objects.filter(order_id=ORDER).first()
        model = self.model
        if payment is None:
            assert model.status is None
            return
        booked = model.refunded + sum(model.pending_refunds)
        assert (payment.status, payment.capture_asked) == (model.status, model.capture_asked)
        assert (payment.captured, payment.refunded, payment.booked) == (model.captured, model.refunded, booked)

    def looked_at(self) -> Payment:
        return repair.look_at(selectors.payment_of_order(ORDER))

    @contextmanager
    def doing(self, fault: str, expected: str | None) -> Iterator[None]:
        """All that is due may be done; the gateway's next answer is `fault`; the refusal is the expected one."""
        make_due()
        self.gateway.script[:] = [fault]
        refusal = None
        try:
            yield
        except ServiceError as error:
            refusal = error.code
        self.gateway.script.clear()
        assert refusal == expected


@pytest.mark.django_db
def test_any_life_is_the_models(gateway: FakeGateway, work: Callable[[], int], settings: Any) -> None:
    """Status and amounts always equal the model's, and the gateway's money the ledger's."""
    settings.PAYMENT_SETTLE_S = 0
    # The model knows no circuit: a gateway that has failed too often in a row is asked all the same.
    never = replace(settings.DOWNSTREAMS.breaker, failures=sys.maxsize)
    settings.DOWNSTREAMS = replace(settings.DOWNSTREAMS, breaker=never)
    AnyLife.gateway, AnyLife.work = gateway, staticmethod(work)
    run_state_machine_as_test(
        AnyLife, settings=hypothesis_settings(max_examples=60, stateful_step_count=15, deadline=None)
    )
