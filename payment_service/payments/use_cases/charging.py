"""Charging: record the intent, ask the gateway, record the outcome. No transaction is open while the gateway is asked.

A gateway without outside effect is the exception: there is nothing to be uncertain about, so intent and outcome are
one insert in one transaction.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from payment_service.payments import reads, states
from payment_service.payments.errors import AmountMismatch, AmountNotPositive, PaymentVoided, TestPaymentsOff
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import (
    NOT_SENT,
    ActionRequired,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    OutcomeUnknown,
    VoidRequest,
    decided,
)
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from payment_service.payments.writes import attempts, moves
from payment_service.payments.writes.attempts import Asked
from servicekit.errors import StaleRow

# Each means that somebody else moved the payment in between; more than a few in a row do not happen.
MAX_CONFLICT_RETRIES: Final = 5

# Seconds. A payment that waits for its payer is looked at after half of the time that it has waited, at most after the
# first of these: its gateway mostly tells by itself. And when the payer's time is over, but not at once again.
_LOOK_AT_MOST_S: Final = 60.0
_LOOK_AT_LEAST_S: Final = 1.0

_AMOUNT_REFUSED: Final = Declined(code="amount_not_positive", message="Amount must be positive.", retryable=False)
_NEVER_CHARGED: Final = Declined(code="not_charged", message="The gateway never saw this charge", retryable=False)


@dataclass(frozen=True)
class Charged:
    """The order's payment, and whether this very call opened it."""

    payment: Payment
    is_new: bool


def is_one_write(asked: Asked) -> bool:
    """Whether charging takes nothing but a write: nobody outside is asked, and the amount can be charged."""
    name = registry.name_for(asked.method)
    return asked.amount > 0 and not registry.gateway(name).has_outside_effect and not registry.is_refused(name)


def charge_at_once(asked: Asked) -> Payment:
    """Charge an order where `is_one_write` holds, as a part of the caller's transaction.

    Raises:
        IntegrityError: the order has a payment already, and the transaction is lost.
    """
    name = registry.name_for(asked.method)
    outcome = registry.gateway(name).charge(_first_request(asked))
    return attempts.include_concluded(asked, gateway=name, outcome=decided(outcome))


def charge_payment(asked: Asked) -> Charged:
    """Charge an order, once: a repeat answers with the payment that is there, a FAILED one is tried again.

    A payment that comes back PROCESSING has no answer yet; it is found out later, by whoever comes next. One that
    REQUIRES_ACTION waits for its payer to confirm it.

    Raises:
        AmountNotPositive: kept as a FAILED payment where the order has none.
        AmountMismatch: the order has a payment over another amount.
        PaymentVoided: no charge is wanted for this order any more.
        TestPaymentsOff: the method takes no real money, which is asked for; nothing was recorded or sent.
        Overloaded: too many wait for its gateway; nothing was recorded or sent.
    """
    name = registry.name_for(asked.method)
    if registry.is_refused(name):
        return Charged(_payment_there(asked), is_new=False)
    if asked.amount <= 0:
        stored = attempts.open_concluded(asked, gateway=name, outcome=_AMOUNT_REFUSED)
        raise AmountNotPositive(is_stored=bool(stored or reads.payment_opened_by(asked.uid)))
    registry.require_room(name)
    opened = _open(asked, gateway_name=name)
    return Charged(opened or _charge_again(asked, gateway_name=name), is_new=opened is not None)


def _open(asked: Asked, *, gateway_name: str) -> Payment | None:
    """Charge an order for the first time. None when it has a payment already."""
    gateway = registry.gateway(gateway_name)
    if not gateway.has_outside_effect:
        outcome = gateway.charge(_first_request(asked))
        return attempts.open_concluded(asked, gateway=gateway_name, outcome=decided(outcome))
    payment = attempts.open_processing(asked, gateway=gateway_name)
    return None if payment is None else _ask(payment)


def _payment_there(asked: Asked) -> Payment:
    """What a charge that may not be made means for an order that was paid when it might: the payment that is there."""
    payment = reads.find_payment_of_order(asked.order_id)
    if payment is None or payment.status == Status.FAILED:
        raise TestPaymentsOff(method=asked.method)
    if payment.void_requested:
        raise PaymentVoided
    return _same_charge(payment, asked)


def settle_attempt(payment: Payment, *, resend: bool) -> Payment:
    """Find out what became of a claimed PROCESSING payment; where nothing did, `resend` asks again under the same key.

    Where a void waits, nothing is sent any more: a charge that the gateway has still not seen after
    `PAYMENT_SETTLE_S` is taken as never made.
    """
    gateway = registry.gateway(payment.gateway)
    outcome: ChargeOutcome | None
    try:
        outcome = gateway.find(_request(payment))
        if outcome is None and payment.void_requested:
            outcome = _NEVER_CHARGED if _is_old(payment) else None
        elif outcome is None and resend:
            outcome = gateway.charge(_request(payment))
    except (GatewayUnavailable, OutcomeUnknown):
        outcome = None
    return moves.retry_later(payment) if outcome is None else _conclude(payment, outcome)


def settle_action(payment: Payment) -> Payment:
    """Find out what became of a claimed payment that waits for its payer.

    Where no money is wanted any more, or the payer's time is over, the gateway is told to call it off, and asked once
    more: only what it says ends the wait, so what it has taken all the same is known, and goes back.
    """
    gateway, request = registry.gateway(payment.gateway), _request(payment)
    outcome: ChargeOutcome | None
    try:
        outcome = gateway.find(request)
        if isinstance(outcome, ActionRequired):
            if not payment.void_requested and not reads.action_is_over(payment):
                return moves.look_again_later(payment, in_s=_look_in_s(payment))
            gateway.void(_call_off(payment))
            outcome = gateway.find(request)
    except (GatewayUnavailable, OutcomeUnknown):
        outcome = None
    if outcome is None or isinstance(outcome, ActionRequired):
        return moves.retry_later(payment)
    return _conclude(payment, outcome)


def _settle(payment: Payment) -> Payment:
    return settle_action(payment) if payment.status == Status.REQUIRES_ACTION else settle_attempt(payment, resend=True)


def _charge_again(asked: Asked, *, gateway_name: str) -> Payment:
    """What a charge means for an order that has a payment already."""
    for _ in range(MAX_CONFLICT_RETRIES):
        payment = reads.payment_of_order(asked.order_id)
        claimed = moves.claim(payment) if payment.status in states.UNDECIDED else None
        payment = _settle(claimed) if claimed else payment
        if payment.void_requested:
            raise PaymentVoided
        if payment.status != Status.FAILED:
            return _same_charge(payment, asked)
        try:
            return _ask(attempts.start_attempt(payment, asked, gateway=gateway_name))
        except StaleRow:
            continue
    raise StaleRow("payment")


def _same_charge(payment: Payment, asked: Asked) -> Payment:
    if (payment.amount, payment.currency) != (asked.amount, asked.currency):
        raise AmountMismatch(amount=payment.amount, currency=payment.currency)
    return payment


def _ask(payment: Payment) -> Payment:
    """Ask the gateway for a payment whose lease is ours."""
    outcome: ChargeOutcome
    try:
        outcome = registry.gateway(payment.gateway).charge(_request(payment))
    except GatewayUnavailable:
        outcome = NOT_SENT
    except OutcomeUnknown:
        return moves.leave_unknown(payment)
    return _conclude(payment, outcome)


def _conclude(payment: Payment, outcome: ChargeOutcome) -> Payment:
    try:
        if isinstance(outcome, ActionRequired):
            return attempts.await_action(payment, outcome)
        if payment.status == Status.REQUIRES_ACTION:
            return attempts.finish_action(payment, outcome)
        return attempts.finish_attempt(payment, outcome)
    except StaleRow:
        return reads.payment_by_number(payment.number)


def _request(payment: Payment) -> ChargeRequest:
    return ChargeRequest(
        key=charge_key(payment.order_id, attempt=payment.attempt),
        order_id=payment.order_id,
        amount=payment.amount,
        currency=payment.currency,
        token=payment.token,
        capture=payment.auto_capture,
        payment_intent_id=payment.payment_intent_id if payment.status == Status.REQUIRES_ACTION else None,
    )


def _first_request(asked: Asked) -> ChargeRequest:
    return ChargeRequest(
        key=charge_key(asked.order_id, attempt=1),
        order_id=asked.order_id,
        amount=asked.amount,
        currency=asked.currency,
        token=asked.token,
        capture=asked.capture,
    )


def _call_off(payment: Payment) -> VoidRequest:
    key = f"order-{payment.order_id}-call-off-{payment.attempt}"
    return VoidRequest(key=key, transaction_id="", payment_intent_id=payment.payment_intent_id)


def _look_in_s(payment: Payment) -> float:
    """Seconds until it should be looked at again, or its payer's time is over."""
    now = timezone.now()  # a clock that is wrong makes it earlier or later, and decides nothing
    waited_s = (now - payment.updated_at).total_seconds()
    left_s = ((payment.action_expires_at or now) - now).total_seconds()
    wait_s = max(attempts.FIRST_LOOK_S, min(waited_s / 2, _LOOK_AT_MOST_S))
    return round(min(wait_s, max(left_s, _LOOK_AT_LEAST_S)), 1)


def charge_key(order_id: str, *, attempt: int) -> str:
    """The key of one attempt to charge: the same after a crash, another one for a new attempt."""
    return f"order-{order_id}-pay-{attempt}"


def _is_old(payment: Payment) -> bool:
    """`updated_at` is when the attempt began: a claim leaves it alone."""
    return timezone.now() - payment.updated_at > timedelta(seconds=settings.PAYMENT_SETTLE_S)
