"""The order's way from placed to closed.

Every step commits what it is about to do, calls, and commits what came of it; no transaction spans a call. Whatever
the process dies in, the order's step says what to do next, and the worker does it with this same code.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.utils import timezone
from prometheus_client import Histogram

from order_service.orders import reads, states, writes
from order_service.orders.models import Order
from order_service.orders.ports import (
    ActionRequired,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    LineAsked,
    LineFound,
    NotLetIn,
    NotReserved,
    Paid,
    Payments,
    PaymentSeen,
    Products,
    Refused,
    Unreachable,
    Unusable,
)
from order_service.orders.states import Status, Step
from servicekit import money
from servicekit.errors import StaleRow
from servicekit.observability import metrics, spans
from servicekit.retry import Backoff, RetryPolicy

# How often a payment service that knows no void is asked whether it holds money after all, before it is believed that
# it does not: over 1 + 2 + 4 s, twice a call's time-out.
LOOKS_WITHOUT_A_VOID: Final = 3

# The payment service's code of a payment that its payer did not confirm in time.
_NOT_CONFIRMED: Final = "not_confirmed"

SOLD: Final = "stock sold"

_CLOSING_LAG: Final = Histogram(
    "order_closing_lag_seconds",
    "How long paid orders took from PAID to closed, their stock sold.",
    buckets=metrics.BUCKETS_S,
)


def _here(_: Order) -> bool:
    return False


@dataclass(frozen=True)
class Run:
    """What one run of the saga works with. A run ends at `deadline`, on `clock`'s time.

    Attributes:
        hand_over: Takes a paid order that somebody else will close; whether it did.
    """

    products: Products
    payments: Payments
    hand_over: Callable[[Order], bool] = _here
    deadline: float = 0.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def starting_now(self) -> "Run":
        return replace(self, deadline=self.clock() + settings.ORDER_DEADLINE_S)

    def time_left_s(self) -> float:
        return self.deadline - self.clock()


def advance(order: Order, run: Run) -> Order:
    """Take the order as far as it goes now: until it is closed, waits for somebody, or was moved by somebody else.

    The caller holds the order's lease: it has just placed, moved or claimed it.
    """
    try:
        while (step := Step(order.step)) in _STEPS and not order.waits_for_its_customer:
            if step == Step.SETTLED and run.hand_over(order):
                return order
            order = _take(step, order, run)
    except _Later as later:
        return _retry_later(order, later)
    except StaleRow:
        return reads.get_order(order.uid)
    return order


def _take(step: Step, order: Order, run: Run) -> Order:
    """One step, in a span of its own where there is a trace."""
    if not spans.are_on():
        return _STEPS[step](order, run)
    about = {"order.id": str(order.uid), "order.step": step.value}
    with spans.span(f"order {step.value}", attributes=about) as span:
        spans.note("order.id", about["order.id"])
        order = _STEPS[step](order, run)
        for noted in (span.set, spans.note):
            noted("order.outcome", order.status)
    return order


def resume(order: Order, run: Run) -> Order:
    """What a worker does with an order that it has claimed. An unpaid one that is due has waited long enough."""
    if not order.waits_for_its_customer:
        return advance(order, run)
    try:
        return advance(_expire(order, run), run)
    except _Later as later:
        return _retry_later(order, later)
    except StaleRow:
        return reads.get_order(order.uid)


def payment_key(order: Order) -> str:
    """The present attempt's key. The same after a crash, so that the attempt is sent again and not made twice."""
    return f"order-{order.uid}-pay-{order.attempt}"


class _Later(Exception):
    """The step cannot be finished now and must be taken up again."""

    def __init__(self, why: str, *, backoff: Backoff = writes.PEER_DOWN) -> None:
        super().__init__(why)
        self.backoff = backoff


def _later(outage: Unreachable, *, whose: str = "") -> _Later:
    """What a person has to put right is not asked about as often as what comes back by itself."""
    is_for_a_person = isinstance(outage, Unusable)
    return _Later(whose + outage.why, backoff=writes.PERSON_NEEDED if is_for_a_person else writes.PEER_DOWN)


def postpone(order: Order, outage: Unreachable) -> Order:
    """A step of this order could not be finished, because somebody could not be reached."""
    return _retry_later(order, _later(outage))


def note_lag(closed: Iterable[Order]) -> None:
    """Count how long these orders took from PAID to closed."""
    now = timezone.now()
    for order in closed:
        if order.paid_at is not None:
            _CLOSING_LAG.observe((now - order.paid_at).total_seconds())


def _retry_later(order: Order, later: _Later) -> Order:
    try:
        return writes.retry_later(order, why=str(later), backoff=later.backoff)
    except StaleRow:
        return reads.get_order(order.uid)


def reserve_stock(order: Order, run: Run) -> Order:
    """PLACED: have every line held, or end the order with the product service's reason."""
    asked = [LineAsked(**line) for line in order.asked]
    try:
        if not money.has_decimals(order.currency) and (reason := _unfit(order, run.products.prices(asked))):
            return writes.cancel(order, reason)
        outcome = run.products.reserve(order.uid, asked)
    except Unusable as answer:
        return writes.cancel(order, states.PRODUCT_SERVICE_UNUSABLE, cause=answer.why)
    except Unreachable as outage:
        return writes.cancel(order, states.PRODUCT_SERVICE_UNAVAILABLE, cause=outage.why)
    if isinstance(outcome, NotReserved):
        return writes.cancel(order, outcome.reason, lines=outcome.lines)
    if (reason := _unpayable(order, outcome.lines)) is not None:
        return writes.cancel(order, reason)
    return writes.record_reservation(order, outcome.lines)


def _unfit(order: Order, prices: Mapping[int, Decimal]) -> str | None:
    """Why the order's currency cannot express a price; None when it can."""
    for line in order.asked:
        price = prices.get(line["product_id"])
        if price is not None and money.problem(price, order.currency) is not None:
            return states.PRICE_HAS_DECIMALS.format(product_id=line["product_id"], price=price, currency=order.currency)
    return None


def _unpayable(order: Order, lines: Sequence[LineFound]) -> str | None:
    """Why nobody could pay for these lines; None when somebody can."""
    total = writes.total_of(lines)
    if total > money.MAX_AMOUNT:
        return states.TOTAL_TOO_LARGE
    if total == 0:
        return states.NOTHING_TO_PAY
    if money.problem(total, order.currency) is None and money.has_decimals(order.currency):
        return None
    return _unfit(order, {line.product_id: line.unit_price for line in lines})


def take_payment(order: Order, run: Run) -> Order:
    """RESERVED: make the attempt that was begun; then settle, end the order, or begin the next attempt."""
    retry_after_s = 0.0
    outcome: ChargeOutcome | Unreachable
    try:
        outcome = run.payments.charge(_charge_request(order), time_left_s=run.time_left_s())
    except NotLetIn as refusal:
        return _wait_for_a_key(order, refusal)
    except Unreachable as outage:
        outcome, retry_after_s = outage, outage.retry_after_s
    match outcome:
        case Paid():
            return writes.settle(order)
        case Refused(code=code) | Declined(code=code, retryable=False):
            return writes.cancel(order, states.PAYMENT_FAILED, cause=code)
        case ActionRequired(action=action):
            return writes.await_payer(order, action)
    wait_s = _attempts(run).wait_after(order.attempt, retry_after_s=retry_after_s, jitter=run.jitter)
    if order.attempt > settings.PAYMENT_RETRIES or wait_s >= run.time_left_s():
        return writes.cancel(order, states.PAYMENT_FAILED, cause=_said(outcome))
    run.sleep(wait_s)
    return writes.begin_attempt(order, after=_said(outcome))


def _wait_for_a_key(order: Order, refusal: NotLetIn) -> Order:
    """The attempt was not made, which is not the customer's payment failing: it is made when a person has put the key
    right, unless that takes longer than any unpaid order keeps its stock."""
    if timezone.now() - order.created_at > timedelta(seconds=settings.ORDER_EXPIRES_AFTER_S):
        return writes.cancel(order, states.NOT_PAID_IN_TIME, cause=refusal.why)
    raise _later(refusal) from refusal


def confirm_stock(order: Order, run: Run) -> Order:
    """SETTLED: the held stock becomes sold. Should none be held, the money must go back."""
    try:
        sold = run.products.confirm(order.uid)
    except Unreachable as outage:
        raise _later(outage) from outage
    if not sold:
        return writes.begin_refund(order, cause="reservation is gone", reason=states.STOCK_NOT_HELD)
    closed = writes.close(order, outcome=SOLD)
    note_lag([closed])
    return closed


def refund_payment(order: Order, run: Run) -> Order:
    """REFUNDING: all of the money goes back; only when it has, the order is REFUNDED.

    Where the gateway refuses for good it stays PAID, and waits for a person.
    """
    try:
        seen = run.payments.void(order.uid)
    except Unreachable as outage:
        raise _later(outage) from outage
    if seen is None:
        raise _Later("there is no payment", backoff=writes.PERSON_NEEDED)
    if seen.refund_blocked:
        writes.note_payment_status(order, seen.status)
        return writes.block_refund(order, reason=seen.refund_blocked)
    if not seen.is_of(order.total_amount):
        why = f"payment is over {seen.amount}, the order over {order.total_amount}"
        raise _Later(why, backoff=writes.PERSON_NEEDED)
    if not seen.gave_all_back():
        raise _Later(f"payment is {seen.status}")
    return writes.record_refund(order, payment_status=seen.status)


def compensate(order: Order, run: Run) -> Order:
    """COMPENSATING: no stock and no money is held any more. Both are tried each time, and are safe to repeat."""
    problems = [problem for undo in (release_stock, void_payment) if (problem := undo(order, run))]
    if problems:
        # The shortest of their waits: what comes back by itself is not to wait for a person.
        soonest = min((problem.backoff for problem in problems), key=lambda backoff: backoff.longest_s)
        raise _Later("; ".join(map(str, problems)), backoff=soonest)
    if order.refund_blocked:
        return writes.block_refund(order, reason=order.refund_blocked)
    return writes.close(order, outcome="compensated")


def release_stock(order: Order, run: Run) -> _Later | None:
    """Hold nothing; returns what is in the way. A late reservation finds the product service's tombstone."""
    try:
        run.products.release(order.uid)
    except Unreachable as outage:
        return _later(outage, whose="products: ")
    return None


def void_payment(order: Order, run: Run) -> _Later | None:
    """Hold no money; returns what is in the way. A late charge finds the payment service's tombstone."""
    if order.status == Status.REFUNDED or not order.may_hold_money:
        return None
    try:
        seen = run.payments.void(order.uid)
    except Unreachable as outage:
        return _later(outage, whose="payments: ")
    if seen is None:
        # A charge whose answer was lost may still arrive where nothing refuses it.
        is_too_early = order.attempt > 0 and order.retry_count < LOOKS_WITHOUT_A_VOID
        return _Later("payments: there is no payment yet") if is_too_early else None
    writes.note_payment_status(order, seen.status, refunded=seen.refunded)
    order.refund_blocked = seen.refund_blocked  # written by the move that ends the step
    return None


_STEPS: Final[Mapping[Step, Callable[[Order, Run], Order]]] = {
    Step.PLACED: reserve_stock,  # undone by release_stock
    Step.RESERVED: take_payment,  # undone by void_payment
    Step.SETTLED: confirm_stock,  # the point of no return: from here on only a refund
    Step.REFUNDING: refund_payment,
    Step.COMPENSATING: compensate,
}


def _expire(order: Order, run: Run) -> Order:
    """Nobody paid in time, unless the payment service knows better."""
    try:
        seen = run.payments.find(order.uid)
    except Unreachable as outage:
        raise _later(outage) from outage
    if seen is not None and seen.holds(order.total_amount, order.currency):
        return writes.settle(order)
    if seen is not None and order.waits_for_its_payer and seen.has_ended_unpaid():
        return end_unpaid(order, seen)
    return writes.cancel(order, states.NOT_PAID_IN_TIME)


def end_unpaid(order: Order, seen: PaymentSeen) -> Order:
    """The payment that its payer had to confirm has ended without money. Another attempt would ask the payer again."""
    reason = states.NOT_PAID_IN_TIME if seen.failure_code == _NOT_CONFIRMED else states.PAYMENT_FAILED
    return writes.cancel(order, reason, cause=seen.failure_code or f"payment_{seen.status.lower()}")


def _charge_request(order: Order) -> ChargeRequest:
    return ChargeRequest(
        order_id=order.uid,
        amount=order.total_amount,
        currency=order.currency,
        method=order.payment_method,
        token=order.payment_token,
        key=payment_key(order),
    )


def _attempts(run: Run) -> RetryPolicy:
    # The waits are for a peer that restarts or sheds load, and short enough for a client that stands in line.
    return RetryPolicy(settings.PAYMENT_RETRIES + 1, first_wait_s=0.2, max_wait_s=2.0, deadline_s=run.time_left_s())


def _said(outcome: ChargeOutcome | Unreachable) -> str:
    match outcome:
        case Unreachable(why=why):
            return why
        case Declined(code=code):
            return code
    return "not known yet"
