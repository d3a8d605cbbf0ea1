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
from django.db import connection
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import nightly
from payment_service.payments import reads
from payment_service.payments.models import Payment, Refund
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import blocking, moves
from payment_service.tests.conftest import ORDER, asked, make_due
from payment_service.tests.fakes import FakeGateway
from servicekit.errors import ServiceError
from servicekit.events.models import Event

FAULTS = st.sampled_from(["ok", "ok", "ok", "decline", "refuse", "unavailable", "lost", "timeout"])
CHARGE_FAULTS = st.one_of(FAULTS, st.sampled_from(["ask", "ask", "ask, lost"]))
AMOUNTS = st.sampled_from([Decimal("50.00"), Decimal("60.00")])
PARTS = st.sampled_from([None, Decimal("0.10"), Decimal("20.00"), Decimal("50.00"), Decimal("70.00")])
VOID_FAULTS = st.sampled_from(["ok", "ok", "decline", "refuse", "lost"])
CALL_OFF_FAULTS = st.sampled_from(["ok", "confirmed", "confirmed", "decline", "unavailable", "lost", "timeout"])
TAKEN = ("CAPTURED", "PARTIALLY_REFUNDED")


@dataclass
class Model:
    """What the payment should be. `unknown` holds what is asked for without an answer: did it arrive?

    `payer` is what the gateway knows of the payer that it has asked: "asked", "confirmed", "declined".
    """

    status: str | None = None
    amount: Decimal = Decimal(0)
    captured: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    is_capturing: bool = True
    is_closed: bool = False
    capture_asked: Decimal | None = None
    unknown: bool | None = None
    pending_refunds: list[Decimal] = field(default_factory=list)
    blocked: str = ""
    is_released: bool = False  # at the gateway, whose answer was lost
    payer: str = ""
    is_late: bool = False  # the payer's time is over

    @property
    def waits_for_its_payer(self) -> bool:
        """Whether nothing can be found out before the payer says something, or anybody else wants something."""
        return self.payer == "asked" and not self.is_closed and not self.is_late

    @property
    def left(self) -> Decimal:
        return self.captured - self.refunded - sum(self.pending_refunds)

    def charge(self, amount: Decimal, capture: bool, fault: str) -> str | None:
        if self.status == "PROCESSING":
            self.settle(resend=True)
        elif self.status == "REQUIRES_ACTION":
            self.settle_action([])
        if self.is_closed:
            return "payment_voided"
        if self.status in (None, "FAILED"):
            self.amount, self.is_capturing = amount, capture
            if fault in ("lost", "timeout", "ask, lost"):
                self.status, self.unknown = "PROCESSING", fault != "timeout"
                self.payer = "asked" if fault == "ask, lost" else ""
            elif fault == "ask":
                self.payer = "asked"
                self.ask_the_payer()
            elif fault == "ok":
                self.approve()
            else:
                self.status = "FAILED"
            return None
        return None if amount == self.amount else "payment_amount_mismatch"

    def ask_the_payer(self) -> None:
        self.status, self.unknown, self.is_late = "REQUIRES_ACTION", None, False

    def settle_action(self, answers: list[str]) -> None:
        """One look at what the payer has said; where it is to be over, `answers` has what the calling off meets."""
        if self.payer == "asked" and (self.is_closed or self.is_late):
            met = (answers or ["ok"]).pop(0)
            if met in ("ok", "lost"):
                self.payer = "declined"
            elif met == "confirmed":
                self.payer = "confirmed"
            if met == "lost":
                return
        if self.payer == "confirmed":
            self.approve()
        elif self.payer == "declined":
            self.status, self.payer = "VOIDED" if self.is_closed else "FAILED", ""

    def approve(self) -> None:
        self.unknown, self.payer = None, ""
        self.status = "CAPTURED" if self.is_capturing else "AUTHORIZED"
        self.captured = self.amount if self.is_capturing else Decimal(0)

    def settle(self, *, resend: bool) -> None:
        if self.status == "PROCESSING" and self.payer == "asked":
            self.ask_the_payer()
        elif self.status == "PROCESSING" and self.payer == "declined":
            self.status, self.unknown, self.payer = "FAILED", None, ""
        elif self.status == "PROCESSING" and (self.unknown or (resend and not self.is_closed)):
            self.approve()
        elif self.status == "PROCESSING" and self.is_closed:
            self.status, self.unknown = "FAILED", None
        elif self.capture_asked is not None and (self.unknown or (resend and not self.is_closed)):
            self.status, self.captured, self.blocked = "CAPTURED", self.capture_asked, ""
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
            self.status, self.captured, self.blocked = "CAPTURED", wanted, ""
        elif fault == "refuse":
            self.blocked = "capture"
        elif fault in ("lost", "timeout"):
            self.capture_asked, self.unknown = wanted, fault == "lost"
        return None

    def refund(self, amount: Decimal | None, fault: str) -> str | None:
        self.settle(resend=False)
        if self.status not in TAKEN:
            return "payment_not_refundable"
        if amount is None and self.left == 0 and self.pending_refunds:
            return "refund_pending"
        wanted = self.left if amount is None else amount
        if not 0 < wanted <= self.left:
            return "refund_exceeds_captured"
        if fault == "ok":
            self.give_back(wanted)
        elif fault not in ("decline", "refuse"):
            self.pending_refunds.append(wanted)
        return None

    def give_back(self, amount: Decimal) -> None:
        self.refunded, self.blocked = self.refunded + amount, ""
        self.status = "REFUNDED" if self.refunded == self.captured else "PARTIALLY_REFUNDED"

    def void(self, fault: str) -> None:
        """`fault` is the answer to the first thing that the gateway is asked to do."""
        if self.status is None:
            self.status = "VOIDED"
        self.is_closed = self.is_closed or self.status != "REFUNDED"
        if self.blocked in ("void", "refund"):
            self.blocked = ""
        answers = [fault]
        was = self.status
        self.step(answers)
        # Else it was asked, and is not due again before some time has passed.
        if answers or (was == "REQUIRES_ACTION" and self.status != was):
            self.step(answers)

    def step(self, answers: list[str] | None = None) -> None:
        """What one look at a payment that is due does. `answers` holds the gateway's next one, and then none."""
        if self.status == "PROCESSING" or self.capture_asked is not None:
            self.settle(resend=True)
        elif self.status == "REQUIRES_ACTION":
            self.settle_action([] if answers is None else answers)
        elif not self.is_closed or self.blocked in ("void", "refund"):
            return
        elif self.status == "AUTHORIZED":
            self.release((answers or ["ok"]).pop(0))
        elif self.status in TAKEN and self.left > 0:
            self.give_rest_back((answers or ["ok"]).pop(0))

    def release(self, fault: str) -> None:
        if fault == "ok" or self.is_released:
            self.status, self.blocked = "VOIDED", ""
        elif fault == "refuse":
            self.blocked = "void"
        self.is_released = fault == "lost"

    def give_rest_back(self, fault: str) -> None:
        if fault == "ok":
            self.give_back(self.left)
        elif fault == "refuse":
            self.blocked = "refund"
        else:  # not now, or not known: booked, and asked for again
            self.pending_refunds.append(self.left)

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

    @rule(amount=AMOUNTS, capture=st.booleans(), fault=CHARGE_FAULTS)
    def charge(self, amount: Decimal, capture: bool, fault: str) -> None:
        self.charged(amount, capture, fault)

    def charged(self, amount: Decimal, capture: bool, fault: str) -> None:
        fault = fault if self.model.status in (None, "FAILED") else "ok"
        expected = self.model.charge(amount, capture, fault)
        with self.doing(fault if expected is None else "ok", expected):
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

    @rule(fault=VOID_FAULTS)
    def void(self, fault: str) -> None:
        self.model.void(fault)
        with self.doing(fault, None):
            repair.void_payment(ORDER)

    @precondition(lambda self: self.model.payer != "")
    @rule(confirms=st.booleans())
    def the_payer_answers(self, confirms: bool) -> None:
        """At the gateway, whatever is known here of it; once, and not when it was called off."""
        is_asked = self.model.payer == "asked"
        assert self.gateway.answer(self.charge_key, confirms=confirms) == is_asked
        if is_asked:
            self.model.payer = "confirmed" if confirms else "declined"

    @precondition(lambda self: self.model.status == "REQUIRES_ACTION")
    @rule()
    def the_payers_time_is_over(self) -> None:
        Payment.objects.update(action_expires_at=Now())
        self.model.is_late = True

    @precondition(lambda self: self.model.status == "REQUIRES_ACTION")
    @rule(fault=CALL_OFF_FAULTS)
    def a_worker_looks_at_what_the_payer_has_said(self, fault: str) -> None:
        self.model.settle_action([fault])
        with self.doing(fault, None):
            charging.settle_action(self.claimed())

    @precondition(lambda self: self.model.payer == "asked" and self.model.status == "REQUIRES_ACTION")
    @rule()
    def void_while_the_payer_confirms(self) -> None:
        self.model.void("confirmed")
        with self.doing("confirmed", None):
            repair.void_payment(ORDER)

    @precondition(lambda self: self.model.blocked in ("void", "refund"))
    @rule()
    def a_person_has_it_tried_again(self) -> None:
        self.model.blocked = ""
        with self.doing("ok", None):
            blocking.take_up(self.looked_at())
        self.everything_is_found_out()

    @precondition(lambda self: self.model.blocked != "" and self.model.capture_asked is None)
    @rule()
    def a_person_settles_it(self) -> None:
        by_hand = self.model.left
        if self.model.status == "AUTHORIZED":
            self.model.status, self.model.blocked, self.model.is_closed = "VOIDED", "", True
        elif by_hand:
            self.model.give_back(by_hand)
        with self.doing("ok", None if self.model.blocked == "" else "payment_not_blocked"):
            blocking.settle_by_hand(self.looked_at(), reason="Paid back by bank transfer")

    @rule()
    def everything_is_found_out(self) -> None:
        waits = self.model.waits_for_its_payer
        self.model.work()
        if waits:  # and goes on waiting, however often it is looked at
            for _ in range(4):
                with self.doing("ok", None):
                    repair.payments_once()
        else:
            self.work()
        payment = Payment.objects.filter(order_id=ORDER).first()
        if payment is not None and payment.status != "AUTHORIZED" and not payment.settled_reason:
            assert self.gateway.held == payment.captured - payment.refunded
        if payment is not None and payment.refunded_by_hand:
            assert self.gateway.held == payment.captured - payment.refunded + payment.refunded_by_hand

    @invariant()
    def the_ledger_is_what_the_model_says(self) -> None:
        payment = Payment.objects.filter(order_id=ORDER).first()
        model = self.model
        if payment is None:
            assert model.status is None
            return
        booked = model.refunded + sum(model.pending_refunds)
        assert (payment.status, payment.capture_asked) == (model.status, model.capture_asked)
        assert (payment.action_url != "") == (payment.status == "REQUIRES_ACTION")
        assert (payment.blocked, payment.blocked_at is not None) == (model.blocked, model.blocked != "")
        assert Refund.objects.filter(for_void=True).exclude(status="SUCCEEDED").count() <= 1
        assert (payment.captured, payment.refunded, payment.booked) == (model.captured, model.refunded, booked)

    @property
    def charge_key(self) -> str:
        return charging.charge_key(ORDER, attempt=reads.payment_of_order(ORDER).attempt)

    def claimed(self) -> Payment:
        claimed = moves.claim(reads.payment_of_order(ORDER))
        assert claimed is not None
        return claimed

    def looked_at(self) -> Payment:
        return repair.look_at(reads.payment_of_order(ORDER))

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


class AnyLifeOfOneThatIsToBeConfirmed(AnyLife):
    """The same, of a payment that begins with its payer being asked."""

    @initialize(amount=AMOUNTS, capture=st.booleans(), fault=st.sampled_from(["ask", "ask", "ask, lost"]))
    def begin(self, amount: Decimal, capture: bool, fault: str) -> None:
        self.charged(amount, capture, fault)


@pytest.mark.parametrize("life", [AnyLife, AnyLifeOfOneThatIsToBeConfirmed])
@pytest.mark.django_db
def test_any_life_is_the_models(
    life: type[AnyLife], gateway: FakeGateway, work: Callable[[], int], settings: Any
) -> None:
    """Status and amounts always equal the model's, and the gateway's money the ledger's."""
    settings.PAYMENT_SETTLE_S = 0
    # The model knows no circuit: a gateway that has failed too often in a row is asked all the same.
    never = replace(settings.DOWNSTREAMS.breaker, failures=sys.maxsize)
    settings.DOWNSTREAMS = replace(settings.DOWNSTREAMS, breaker=never)
    AnyLife.gateway, AnyLife.work = gateway, staticmethod(work)
    run_state_machine_as_test(
        life, settings=nightly.examples(25 if connection.vendor == "sqlite" else 10, stateful_step_count=15)
    )
