"""The ledger against itself: each payment with its refunds and its events."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.db.models.functions import Now

from payment_service.payments import states
from payment_service.payments.models import NOTHING, Payment, Refund
from payment_service.payments.ops.audit import replay, waiting
from payment_service.payments.states import RefundStatus, Status
from servicekit.events.invariants import EVENTS_IN_ORDER, StoredEvent, check_order, events_by_aggregate
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches, snapshot

AMOUNTS_FIT: Final = Invariant(
    "I2",
    "refunded_within_captured_within_authorised",
    "0 <= refunded <= booked <= captured <= amount, and the status says the same.",
    "More money moved than may have, or an amount was changed by hand: compare this payment with the gateway's own "
    "record (manage.py reconcile) before anything else is refunded.",
)
REFUNDS_ADD_UP: Final = Invariant(
    "I2",
    "refunds_add_up",
    "What a payment says was refunded and booked is the sum of its refunds, none of them counted twice.",
    "A refund was lost, or made past the ledger: compare the refunds with the gateway's own record (manage.py "
    "reconcile).",
)
DISPUTES_FIT: Final = Invariant(
    "I2",
    "disputed_and_refunded_within_captured",
    "What is disputed and what was refunded is no more than was captured, and no dispute is forgotten.",
    "The payer has the same money twice, or may get it: tell the gateway of the refund, as evidence against the "
    "dispute.",
)
VOIDED_HOLDS_NOTHING: Final = Invariant(
    "I3",
    "voided_holds_nothing",
    "Where no money may be held for an order, none is, it is on its way back, or it waits for a person to see to it.",
    "A customer's money is kept for an order that was cancelled, and nobody knows: start the worker; what the gateway "
    "refuses for good is then listed by manage.py blocked_payments.",
)
CHANGE_HAS_ITS_EVENT: Final = Invariant(
    "I5",
    "every_change_has_its_event",
    "A payment whose status is others' business has told of it, and every refund that was made has its event.",
    "The row was written past the one door that moves a payment, or its event was deleted: other systems have not "
    "heard of it. Look for SQL by hand.",
)
NOTHING_UNFINISHED: Final = Invariant(
    "I6",
    "no_payment_is_left_unfinished",
    "No payment, refund or notice has something left to do for longer than --quiet-for, and the workers know of each.",
    "No worker runs, the gateway cannot be reached, or it keeps saying no: start a worker (manage.py worker) and read "
    "its log; what a gateway refuses for good needs a person.",
)
NEVER_BACK: Final = Invariant(
    "I7",
    "status_never_goes_back",
    "Each event moves the payment along the table of states.",
    "Two moved the payment at once, or one who had lost it wrote all the same: compare it with "
    "the gateway's own record (manage.py reconcile).",
)
FOLLOWS_FROM_EVENTS: Final = Invariant(
    "I10",
    "payment_follows_from_its_events",
    "Status and amounts are what the payment's events, one after another, lead to.",
    "The row or its trail was changed by hand. The trail is what other systems were told: put right whichever of the "
    "two is wrong, then run this again.",
)
_INVARIANTS: Final = (
    AMOUNTS_FIT,
    REFUNDS_ADD_UP,
    DISPUTES_FIT,
    VOIDED_HOLDS_NOTHING,
    CHANGE_HAS_ITS_EVENT,
    EVENTS_IN_ORDER,
    NOTHING_UNFINISHED,
    NEVER_BACK,
    FOLLOWS_FROM_EVENTS,
)


def payment_pass(quiet_for_s: float) -> Pass:
    """All payments."""
    payments = Payment.objects.annotate(looked_at=Now()).prefetch_related("disputes")
    check_batch = partial(_check_batch, quiet_for=timedelta(seconds=quiet_for_s))
    return Pass("payments", _INVARIANTS, lambda: check_in_batches(payments, check_batch), is_needed=True)


def of_payment(number: int, *, quiet_for_s: float) -> tuple[Sequence[Invariant], Sequence[Finding]]:
    """The invariants that are about a single payment, and what of them it violates."""
    with snapshot():
        found = list(Payment.objects.annotate(looked_at=Now()).filter(pk=number))
        return _INVARIANTS, tuple(_check_batch(found, quiet_for=timedelta(seconds=quiet_for_s)))


def _check_batch(payments: Sequence[Any], *, quiet_for: timedelta) -> Iterator[Finding]:
    stored = events_by_aggregate("payment", [str(payment.uid) for payment in payments])
    refunds: dict[int, list[Refund]] = defaultdict(list)
    for refund in Refund.objects.filter(payment__in=[payment.number for payment in payments]).order_by("number"):
        refunds[refund.payment_id].append(refund)
    for payment in payments:
        events, own = stored.get(str(payment.uid), []), refunds[payment.number]
        folded = replay.fold((each.sequence, each.type, each.data) for each in events)
        subject = f"payment {payment.uid} (order {payment.order_id})"
        yield from check_order(subject, events, version=payment.version)
        for invariant, problems in _problems(payment, own, events, folded, quiet_for):
            yield from (Finding(invariant, subject, problem) for problem in problems)


def _problems(
    payment: Any, refunds: Sequence[Refund], events: Sequence[StoredEvent], folded: replay.Folded, quiet_for: timedelta
) -> Iterator[tuple[Invariant, Iterable[str]]]:
    yield AMOUNTS_FIT, _amounts(payment)
    yield REFUNDS_ADD_UP, _sums(payment, refunds)
    yield DISPUTES_FIT, _disputes(payment, refunds)
    yield VOIDED_HOLDS_NOTHING, _held_in_vain(payment, refunds)
    yield CHANGE_HAS_ITS_EVENT, _untold(payment, refunds, folded, is_silent=not events)
    yield NEVER_BACK, folded.backwards
    yield FOLLOWS_FROM_EVENTS, _differences(payment, folded)
    yield NOTHING_UNFINISHED, waiting.left_undone(payment, refunds, now=payment.looked_at, quiet_for=quiet_for)


def _amounts(payment: Payment) -> Iterator[str]:
    captured, refunded = payment.captured, payment.refunded
    if not 0 <= refunded <= payment.booked <= captured or (captured > 0 and captured > payment.amount):
        yield (
            f"amount {payment.amount}, captured {captured}, booked for refunds {payment.booked}, refunded {refunded}"
        )
    if captured > 0:
        left = Status.CAPTURED if refunded == 0 else Status.PARTIALLY_REFUNDED
        fitting = Status.REFUNDED if refunded == captured else left
        if payment.status != fitting:
            yield f"it is {payment.status} with {captured} captured and {refunded} refunded; that would be {fitting}"
    elif states.TAKEN[Status(payment.status)]:
        yield f"it is {payment.status}, and nothing is captured"
    if payment.taken != states.TAKEN[Status(payment.status)]:
        yield f"it is {payment.status}, and taken is {payment.taken}"


def _sums(payment: Payment, refunds: Sequence[Refund]) -> Iterator[str]:
    sums: Mapping[str, Decimal] = {
        status.value: sum((each.amount for each in refunds if each.status == status), NOTHING)
        for status in RefundStatus
    }
    done, pending = sums[RefundStatus.SUCCEEDED.value], sums[RefundStatus.PENDING.value]
    if done != payment.refunded:
        yield f"it says {payment.refunded} refunded, its refunds that succeeded come to {done}"
    if done + pending != payment.booked:
        yield f"it has {payment.booked} booked for refunds, those done and pending come to {done + pending}"


def _disputes(payment: Payment, refunds: Sequence[Refund]) -> Iterator[str]:
    if payment.disputed + payment.refunded > payment.captured:
        yield f"{payment.disputed} is disputed and {payment.refunded} refunded, of {payment.captured} captured"
    counted = {each.uid for each in refunds}
    told = [each for each in payment.disputes.all() if each.counts_beside(counted)]
    if (found := sum((each.amount for each in told), NOTHING)) != payment.disputed:
        yield f"it says {payment.disputed} disputed, its disputes come to {found}"


def _held_in_vain(payment: Payment, refunds: Sequence[Refund]) -> Iterator[str]:
    held = payment.status == Status.AUTHORIZED or payment.refundable > 0
    is_on_its_way = payment.due_at is not None or any(each.status == RefundStatus.PENDING for each in refunds)
    is_on_its_way = is_on_its_way or payment.keeps_money  # a person has been told
    if payment.void_requested and held and not is_on_its_way:
        amount = payment.amount if payment.status == Status.AUTHORIZED else payment.refundable
        yield f"{amount} {payment.currency} is held, though a void was asked for, and nothing is under way to return it"


def _untold(payment: Payment, refunds: Sequence[Refund], folded: replay.Folded, *, is_silent: bool) -> Iterator[str]:
    if is_silent and Status(payment.status) in states.EVENTS:
        yield f"it is {payment.status} and has no event at all"
    made = {str(each.uid) for each in refunds if each.status == RefundStatus.SUCCEEDED}
    untold = len(made - folded.refunds)
    # An import tells of the payment and its refund in one event.
    if untold > (1 if folded.is_imported else 0):
        yield f"{untold} of its refunds were made, and no event tells of them"
    for unknown in sorted(folded.refunds - made):
        yield f"an event tells of refund {unknown}, which was not made"


def _differences(payment: Payment, folded: replay.Folded) -> Iterator[str]:
    for unreadable in folded.unreadable:
        yield f"{unreadable} means nothing to this service"
    if Status(payment.status) not in states.EVENTS:
        if Status(payment.status) not in replay.ahead_of(folded.status):
            yield f"status is {payment.status}, after its events it would be {folded.status}"
    elif folded.status is not None:
        pairs: list[tuple[str, Any, Any]] = [("status", payment.status, folded.status.value)]
        pairs.append(("blocked", payment.blocked, folded.data.get("blocked", "")))
        pairs += [(name, getattr(payment, name), folded.data.get(name)) for name in (*replay.AMOUNTS, "currency")]
        for name, in_row, in_events in pairs:
            if in_row != in_events:
                yield f"{name} is {in_row}, after its events it would be {in_events}"
