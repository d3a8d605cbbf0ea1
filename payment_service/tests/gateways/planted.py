"""Gateways that break a promise each, and one that keeps them all, for the contract suite to judge.

A plugin that puts them in the place of the registry's; test_planted.py runs it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest

from payment_service.payments.gateways.base import (
    NOT_CONFIRMED,
    ActionRequired,
    Approved,
    CaptureRequest,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
)

NO: Final = Declined("card_declined", "The card was declined", retryable=False)
NOT_SO: Final = Declined("not_so", "There is not so much", retryable=False)


@dataclass
class Money:
    """What one charge has moved."""

    authorized: Decimal
    captured: Decimal
    refunded: Decimal = Decimal(0)
    is_released: bool = False


class Honest:
    """A gateway, its network and the bank behind it; a token that is a fault's name meets that fault, once."""

    has_outside_effect = True
    takes_real_money = False

    def __init__(self) -> None:
        self.answers: dict[str, Outcome] = {}
        self.money: list[Money] = []
        self.faults: set[str] = set()
        # Charges that their payers have to confirm, by their intents.
        self.asked: dict[str, ChargeRequest] = {}
        # Of every request, until it works again.
        self.is_down: type[Exception] | None = None

    # ---- the bank

    def take(self, request: ChargeRequest) -> Outcome:
        if request.token == "no":
            return NO
        self.money.append(Money(request.amount, request.amount if request.capture else Decimal(0)))
        return Approved(f"txn_{len(self.money) - 1}", f"pi_{request.key}")

    def move(self, request: CaptureRequest | VoidRequest | RefundRequest) -> Outcome:
        money = self.money[int(request.transaction_id.removeprefix("txn_"))]
        is_set_aside = not money.captured and not money.is_released
        if isinstance(request, RefundRequest):
            if request.amount > money.captured - money.refunded:
                return NOT_SO
            money.refunded += request.amount
        elif isinstance(request, CaptureRequest):
            if not is_set_aside or request.amount > money.authorized:
                return NOT_SO
            money.captured = request.amount
        elif not is_set_aside:
            return NOT_SO
        else:
            money.is_released = True
        return Approved(request.transaction_id)

    def answer(self, intent_id: str, is_yes: bool) -> None:
        """What a payer says of a charge with the token "ask"."""
        asked = self.asked[intent_id]
        self.once(asked.key, lambda: self.take(replace(asked, token="yes")) if is_yes else NO)

    def call_off(self, intent_id: str) -> Outcome:
        outcome = self.once(self.asked[intent_id].key, lambda: NOT_CONFIRMED)
        return Approved(intent_id) if outcome == NOT_CONFIRMED else NOT_SO

    # ---- the network, by token: every fault happens once for a key

    def on_the_way(self, request: ChargeRequest) -> None:
        if request.token == "REFUSED" and self.is_first(request):
            raise GatewayUnavailable
        if request.token == "LOST_REQUEST" and self.is_first(request):
            raise OutcomeUnknown

    def on_the_way_back(self, request: ChargeRequest) -> None:
        if request.token in ("LOST_ANSWER", "LATE_ANSWER", "THEIR_ERROR", "GARBAGE") and self.is_first(request):
            raise OutcomeUnknown

    def is_first(self, request: ChargeRequest) -> bool:
        seen = request.key in self.faults
        self.faults.add(request.key)
        return not seen

    # ---- the port

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        self.on_the_way(request)
        if request.token == "ask":
            return self.ask(request)
        outcome = self.once(request.key, lambda: self.take(request))
        self.on_the_way_back(request)
        return outcome

    def ask(self, request: ChargeRequest) -> ActionRequired:
        self.asked[f"pi_{request.key}"] = request
        return self.action(request)

    def action(self, request: Request) -> ActionRequired:
        return ActionRequired("https://bank.test/", f"pi_{request.key}")

    def capture(self, request: CaptureRequest) -> Outcome:
        return self.once(request.key, lambda: self.move(request))

    def void(self, request: VoidRequest) -> Outcome:
        if not request.transaction_id:
            return self.call_off(request.payment_intent_id or "")
        return self.once(request.key, lambda: self.move(request))

    def refund(self, request: RefundRequest) -> Outcome:
        return self.once(request.key, lambda: self.move(request))

    def find(self, request: Request) -> ChargeOutcome | None:
        if self.is_down is not None:
            raise self.is_down
        if request.key not in self.answers and f"pi_{request.key}" in self.asked:
            return self.action(request)
        return self.answers.get(request.key)

    def once(self, key: str, act: Callable[[], Outcome]) -> Outcome:
        if key not in self.answers:
            self.answers[key] = act()
        return self.answers[key]


class TakesBeforeItsPayerHasConfirmed(Honest):
    def ask(self, request: ChargeRequest) -> ActionRequired:
        self.take(replace(request, token="yes"))
        return super().ask(request)


class ForgetsWhatItsPayerSaid(Honest):
    def answer(self, intent_id: str, is_yes: bool) -> None:
        super().answer(intent_id, is_yes)
        del self.answers[self.asked[intent_id].key]


class GoesOnAskingAfterItWasCalledOff(Honest):
    def call_off(self, intent_id: str) -> Outcome:
        return Approved(intent_id)


class ChargesTwice(Honest):
    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        self.answers.pop(request.key, None)
        return super().charge(request)


class ChargesTwiceAndTellsTheSame(Honest):
    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        if request.key in self.answers and request.token != "no":
            self.take(request)
        return super().charge(request)


class RefundsTwice(Honest):
    def refund(self, request: RefundRequest) -> Outcome:
        self.answers.pop(request.key, None)
        return super().refund(request)


class GivesBackMoreThanWasTaken(Honest):
    def refund(self, request: RefundRequest) -> Outcome:
        return self.once(request.key, lambda: Approved(request.transaction_id))


class FindsDeclinedWhatItNeverSaw(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        return super().find(request) or NO


class FindsApprovedWhatItNeverSaw(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        return super().find(request) or Approved("txn_0", f"pi_{request.key}")


class FindsNothing(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        super().find(request)
        return None


class FindsDeclinedWhatItTook(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        return None if super().find(request) is None else NO


class FindsApprovedWhatItDeclined(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        found = super().find(request)
        return Approved("txn_0") if isinstance(found, Declined) else found


class ChargesWhatItLooksFor(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        found = super().find(request)
        if found is None and isinstance(request, ChargeRequest):
            self.take(request)
        return found


class FindsNothingWhileItIsDown(Honest):
    def find(self, request: Request) -> ChargeOutcome | None:
        return self.answers.get(request.key) if self.is_down is None else None


class CallsALateAnswerUnavailable(Honest):
    def on_the_way_back(self, request: ChargeRequest) -> None:
        if request.token == "LATE_ANSWER" and self.is_first(request):
            raise GatewayUnavailable
        super().on_the_way_back(request)


class CallsALostRequestUnavailable(Honest):
    def on_the_way(self, request: ChargeRequest) -> None:
        if request.token == "LOST_REQUEST" and self.is_first(request):
            raise GatewayUnavailable
        super().on_the_way(request)


class CallsALostAnswerADecline(Honest):
    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        try:
            return super().charge(request)
        except OutcomeUnknown:
            return NO


class CallsAnErrorADecline(Honest):
    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        if request.token == "THEIR_ERROR":
            super().charge(replace(request, token="yes"))
            return NO
        return super().charge(request)


class CrashesOnGarbage(Honest):
    def on_the_way_back(self, request: ChargeRequest) -> None:
        if request.token == "GARBAGE" and self.is_first(request):
            raise KeyError("status")
        super().on_the_way_back(request)


class CallsARefusedConnectionUnknown(Honest):
    def on_the_way(self, request: ChargeRequest) -> None:
        if request.token == "REFUSED" and self.is_first(request):
            raise OutcomeUnknown
        super().on_the_way(request)


# What each of them breaks, by the test that says so.
LIARS: Final[dict[type[Honest], str]] = {
    TakesBeforeItsPayerHasConfirmed: "test_a_charge_that_its_payer_has_to_confirm_takes_nothing_yet",
    ForgetsWhatItsPayerSaid: "test_what_its_payer_says_decides_a_charge",
    GoesOnAskingAfterItWasCalledOff: "test_a_charge_that_was_called_off_takes_nothing_any_more",
    ChargesTwice: "test_the_same_key_is_charged_once",
    ChargesTwiceAndTellsTheSame: "test_the_same_key_is_charged_once",
    RefundsTwice: "test_the_same_refund_key_pays_out_once",
    GivesBackMoreThanWasTaken: "test_more_than_was_taken_does_not_go_back",
    FindsDeclinedWhatItNeverSaw: "test_what_was_never_sent_is_not_found",
    FindsApprovedWhatItNeverSaw: "test_what_was_never_sent_is_not_found",
    FindsNothing: "test_a_charge_is_found_by_its_key",
    FindsDeclinedWhatItTook: "test_a_charge_is_found_by_its_key",
    FindsApprovedWhatItDeclined: "test_a_decline_is_found_as_one",
    ChargesWhatItLooksFor: "test_what_was_never_sent_is_not_found",
    FindsNothingWhileItIsDown: "test_what_nobody_answers_is_not_never_seen",
    CallsALateAnswerUnavailable: "test_an_answer_that_comes_too_late_is_not_known",
    CallsALostRequestUnavailable: "test_a_lost_request_is_not_known",
    CallsALostAnswerADecline: "test_a_lost_answer_is_not_known",
    CallsAnErrorADecline: "test_an_error_of_theirs_is_not_known",
    CrashesOnGarbage: "test_an_answer_that_nobody_can_read_is_not_known",
    CallsARefusedConnectionUnknown: "test_a_refused_connection_has_sent_nothing",
}


def pytest_collection() -> None:
    """The registry's gateways are these, once Django is there to import it."""
    from payment_service.payments.gateways import registry  # noqa: PLC0415
    from payment_service.tests.gateways import network, rigs  # noqa: PLC0415

    def rig_of(made: type[Honest]) -> "rigs.Rig":
        gateway = made()

        @contextmanager
        def failing(fault: "network.Fault", garbage: bytes) -> Iterator[rigs.Failing]:
            gateway.is_down = GatewayUnavailable if fault is network.Fault.REFUSED else OutcomeUnknown
            yield rigs.Failing(gateway, fault.name)
            gateway.is_down = None

        asks = ("ask", gateway.answer)
        return rigs.Rig(gateway, "yes", "no", charges_made=lambda: len(gateway.money), failing=failing, asks=asks)

    def rig_maker(made: type[Honest]) -> Callable[[pytest.FixtureRequest], "rigs.Rig"]:
        return lambda _: rig_of(made)

    kinds: list[type[Honest]] = [Honest, *LIARS]
    planted = {made.__name__: made for made in kinds}
    registry._MAKERS = planted  # type: ignore[misc]
    rigs.LEFT_OUT.clear()
    rigs.RIGS.clear()
    rigs.RIGS.update({name: rig_maker(made) for name, made in planted.items()})


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """None of them has anything to do with a database."""
