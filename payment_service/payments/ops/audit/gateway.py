"""The ledger against the simulated bank's own books, which it otherwise never reads: two witnesses of the same money.

Both are in one database, but each writes its own; so for a payment that is waiting for an answer the bank may be ahead
by what was asked for, and never by more. DIRECT has no books, Stripe's are compared by `manage.py reconcile`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from django.db.models import Exists, OuterRef

from payment_service.bank.models import Confirmation, Entry, Hold
from payment_service.payments import states
from payment_service.payments.models import Payment
from payment_service.payments.states import Status
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches

GATEWAY: Final = "simulated"
ONE_CHARGE: Final = Invariant(
    "I1",
    "one_charge_for_an_order_at_the_gateway",
    "Whatever the gateway holds or took belongs to exactly one payment, and an order has at most one such charge.",
    "The customer was charged twice, or for a payment that failed: refund the charge that the ledger does not know at "
    "the gateway, by its transaction id.",
)
GATEWAY_AGREES: Final = Invariant(
    "I2",
    "gateway_and_ledger_agree",
    "What the gateway set aside, took, gave back and released is what the ledger says, in the same currency.",
    "Money moved at the gateway without the ledger, or the ledger believes in money that never moved: settle this "
    "payment by the gateway's record, it is the one that is paid out.",
)
KNOWN_TO_GATEWAY: Final = Invariant(
    "I2",
    "gateway_knows_every_payment",
    "Every payment with a transaction of this gateway is in the gateway's books.",
    "The ledger believes in a charge that was never made: do not ship, and charge again only under a new order.",
)
CONFIRMATION_WAITED_FOR: Final = Invariant(
    "I3",
    "confirmation_is_waited_for",
    "Whatever a payer can still confirm at the gateway is what a payment is waiting for.",
    "Money may be taken that the ledger has given up: the payment's trail says why. Should the payer confirm it, "
    "refund the charge at the gateway, by its payment intent.",
)


def passes() -> Sequence[Pass]:
    """All of the bank's holds, and all payments that went to the bank."""
    holds = Hold.objects.all()
    payments = Payment.objects.filter(gateway=GATEWAY, transaction_id__isnull=False)
    open_ones = Confirmation.objects.filter(~Exists(Entry.objects.filter(key=OuterRef("key"))))
    return (
        Pass("gateway charges", (ONE_CHARGE, GATEWAY_AGREES), lambda: check_in_batches(holds, _check_holds)),
        Pass("confirmations", (CONFIRMATION_WAITED_FOR,), lambda: check_in_batches(open_ones, _check_confirmations)),
        Pass("payments at the gateway", (KNOWN_TO_GATEWAY,), lambda: check_in_batches(payments, _check_payments)),
    )


def _check_payments(payments: Sequence[Payment]) -> Iterator[Finding]:
    ids = [payment.transaction_id for payment in payments]
    known = set(Hold.objects.filter(transaction_id__in=ids).values_list("transaction_id", flat=True))
    for payment in payments:
        if payment.transaction_id not in known:
            message = f"it is {payment.status} as transaction {payment.transaction_id}, which the gateway does not know"
            yield Finding(KNOWN_TO_GATEWAY, f"payment {payment.uid} (order {payment.order_id})", message)


def _check_confirmations(asked: Sequence[Confirmation]) -> Iterator[Finding]:
    waiting = _waiting_for([each.key for each in asked])
    for each in asked:
        if each.key not in waiting:
            message = f"its payer can still confirm {each.amount} {each.currency}, and no payment waits for that"
            yield Finding(CONFIRMATION_WAITED_FOR, f"payment intent {each.payment_intent_id} (key {each.key})", message)


def _check_holds(holds: Sequence[Hold]) -> Iterator[Finding]:
    keys = _keys_of(holds)
    by_transaction = {
        payment.transaction_id: payment
        for payment in Payment.objects.filter(transaction_id__in=[hold.transaction_id for hold in holds])
    }
    unmatched = [keys.get(hold.number, "") for hold in holds if hold.transaction_id not in by_transaction]
    waiting = _waiting_for(unmatched)
    for hold in holds:
        key = keys.get(hold.number, "")
        payment = by_transaction.get(hold.transaction_id)
        if payment is not None:
            subject = f"payment {payment.uid} (order {payment.order_id}), transaction {hold.transaction_id}"
            yield from (Finding(GATEWAY_AGREES, subject, problem) for problem in _differences(payment, hold))
        elif key not in waiting:
            yield Finding(ONE_CHARGE, f"transaction {hold.transaction_id} (key {key})", _unknown(hold))


def _keys_of(holds: Sequence[Hold]) -> Mapping[int | None, str]:
    """The key under which each was charged, by the hold's number."""
    charges = Entry.objects.filter(hold__in=[hold.number for hold in holds], kind="charge")
    return dict(charges.values_list("hold_id", "key"))


def order_in(key: str) -> str:
    """The order in the key of a charge: `order-{order}-pay-{attempt}`."""
    return key.removeprefix("order-").rpartition("-pay-")[0]


def _waiting_for(keys: Iterable[str]) -> set[str]:
    """Those of these keys whose charge is the one that a payment is waiting for at this moment."""
    orders = {order_in(key) for key in keys}
    undecided = [status.value for status in states.UNDECIDED]
    waiting = Payment.objects.filter(order_id__in=orders, gateway=GATEWAY, status__in=undecided)
    return {f"order-{payment.order_id}-pay-{payment.attempt}" for payment in waiting}


def _unknown(hold: Hold) -> str:
    held = f"{hold.captured - hold.refunded} {hold.currency} of it is held now" if hold.captured else "nothing taken"
    return f"the gateway has charged {hold.authorized} {hold.currency} that no payment knows of ({held})"


def _differences(payment: Payment, hold: Hold) -> Iterator[str]:
    pairs: list[tuple[str, object, object]] = [
        ("set aside", hold.authorized, payment.amount),
        ("currency", hold.currency, payment.currency),
    ]
    asked = {payment.capture_asked} if payment.capture_asked is not None else set()
    if hold.captured not in {payment.captured} | asked:
        pairs.append(("captured", hold.captured, payment.captured))
    if not payment.refunded - payment.refunded_by_hand <= hold.refunded <= payment.booked:
        pairs.append(("refunded", hold.refunded, payment.refunded))
    is_being_voided = payment.status == Status.AUTHORIZED and payment.void_requested
    is_by_hand = payment.status == Status.VOIDED and payment.settled_reason
    if hold.is_released != (payment.status == Status.VOIDED) and not is_being_voided and not is_by_hand:
        pairs.append(("released", hold.is_released, payment.status == Status.VOIDED))
    for name, at_the_gateway, in_the_ledger in pairs:
        if at_the_gateway != in_the_ledger:
            yield f"{name}: {at_the_gateway} at the gateway, {in_the_ledger} in the ledger"
