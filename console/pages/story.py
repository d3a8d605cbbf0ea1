"""The story of one order: what happened on one axis of time, by whom; what happens next; what may be done now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

import orderpay
from console.pages import sent, words
from console.pages.services import ask, looking

_SECONDS_APART: Final = 1.0


@dataclass(frozen=True)
class Moment:
    """One thing that happened."""

    at: datetime
    lane: str  # Order, Payment, Webhook
    title: str
    detail: str
    actor: str
    tone: str
    key: str = ""
    name: str = ""
    resend: str = ""  # where it can be sent again


@dataclass(frozen=True)
class Step:
    """One light of the rail: `done`, `now`, `failed` or `ahead`."""

    label: str
    state: str
    note: str = ""


@dataclass(frozen=True)
class Action:
    """What may be done in this state, and only in this one."""

    name: str
    label: str
    subject: str
    is_grave: bool = False

    @property
    def is_main(self) -> bool:
        """Whether it is what is most likely wanted in this state."""
        return self.name in ("pay", "take-up", "capture")


@dataclass(frozen=True)
class Story:
    """All that is known of an order and its payment; parts of a service that is away are missing, and said to be."""

    order: orderpay.Order | None = None
    events: Sequence[orderpay.Event] = ()
    progress: orderpay.OrderProgress | None = None
    reservation: orderpay.Reservation | None = None
    payment: orderpay.Payment | None = None
    payment_events: Sequence[orderpay.Event] = ()
    payment_progress: orderpay.PaymentProgress | None = None
    problems: Sequence[str] = field(default_factory=list)
    deliveries: Sequence[sent.Sent] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether it changes by itself before long."""
        order, progress = self.order, self.progress
        if order is not None and order.status == "PENDING":
            return True
        under_way = progress is not None and (progress.unfinished_since is not None or progress.recheck_at is not None)
        return under_way or (self.payment_progress is not None and self.payment_progress.due_at is not None)

    @property
    def cancelled_for(self) -> str:
        """Why it was cancelled, in a sentence's end."""
        if self.order is None or not self.order.cancellation_reason:
            return ""
        causes = [each.data.get("cause") for each in self.events if each.type == "order.cancelled"]
        why = words.cause(causes[-1]) if causes and causes[-1] else ""
        reason = self.order.cancellation_reason
        return f"{reason}: {why}" if why and why.lower() != reason.lower() else reason

    @property
    def refunded_by(self) -> str:
        """Who had money given back, where any was."""
        begun = [each for each in self.events if each.type == "order.refund_begun"]
        back = begun or [each for each in self.payment_events if each.type == "payment.refunded"]
        return words.actor(back[-1].actor) if back else ""


def of_order(reference: str) -> Story:
    """Everything of one order.

    Raises:
        orderpay.NotFound: there is no such order.
    """
    client = looking()
    problems: list[str] = []
    found = ask(lambda: client.orders.get(reference), of="orders")
    if found.is_missing:
        raise orderpay.NotFound(found.problem, status=404)
    if found.value is None:
        return Story(problems=[found.problem])
    order = found.value
    events = ask(lambda: client.orders.events(order.id), of="orders")
    progress = ask(lambda: client.orders.progress(order.id), of="orders")
    held = ask(lambda: client.reservations.get(order.id), of="products")
    payment = ask(lambda: client.payments.get(order_id=order.id), of="payments")
    trail, calls = _of_payment(payment.value, problems)
    deliveries = sent.of_order(order.id)
    for each in (events, progress, held, payment, deliveries):
        if each.problem and not each.is_missing and each.problem not in problems:
            problems.append(each.problem)
    return Story(
        order,
        events.value or (),
        progress.value,
        held.value,
        payment.value,
        trail or (),
        calls,
        problems,
        deliveries.value or (),
    )


def of_payment(payment_id: str) -> Story:
    """A payment's own story; with its order's, where the order service has that order.

    Raises:
        orderpay.NotFound: there is no such payment.
    """
    found = ask(lambda: looking().payments.get(payment_id=payment_id), of="payments")
    if found.is_missing:
        raise orderpay.NotFound(found.problem, status=404)
    if found.value is None:
        return Story(problems=[found.problem])
    problems: list[str] = []
    trail, calls = _of_payment(found.value, problems)
    return Story(payment=found.value, payment_events=trail or (), payment_progress=calls, problems=problems)


def _of_payment(
    payment: orderpay.Payment | None, problems: list[str]
) -> tuple[Sequence[orderpay.Event] | None, orderpay.PaymentProgress | None]:
    if payment is None or payment.id is None:
        return None, None
    number = payment.id
    trail = ask(lambda: looking().payments.events(number), of="payments")
    calls = ask(lambda: looking().payments.progress(number), of="payments")
    problems += [each.problem for each in (trail, calls) if each.problem]
    return trail.value, calls.value


# ---- the axis of time


def timeline(story: Story) -> list[Moment]:
    """Everything that happened, oldest first."""
    moments = [_of_order_event(each) for each in story.events]
    moments += _of_payment_events(story)
    moments += [_of_delivery(each) for each in story.deliveries]
    return sorted(moments, key=lambda each: each.at)


_ORDER_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "order.created": ("Order placed", "info"),
    "order.reserved": ("Stock reserved", "info"),
    "order.payment_retried": ("Payment attempt {attempt} begun", "wait"),
    "order.paid": ("Order paid", "good"),
    "order.cancelled": ("Order cancelled", "bad"),
    "order.refund_begun": ("Refund begun", "wait"),
    "order.refunded": ("Order refunded", "quiet"),
    "order.partially_refunded": ("A part was refunded", "quiet"),
    "order.refund_blocked": ("Refund refused for good", "bad"),
    "order.compensation_begun": ("Undoing begun: no money, no stock held", "wait"),
    "order.postponed": ("Left for later", "wait"),
    "order.closed": ("Closed: nothing is left to do", "quiet"),
}
_PAYMENT_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "payment.authorized": ("Money set aside", "info"),
    "payment.successful": ("Money captured", "good"),
    "payment.failed": ("Charge declined", "bad"),
    "payment.refunded": ("Money given back", "quiet"),
    "payment.voided": ("Voided: no money is held", "quiet"),
    "payment.refund_blocked": ("The gateway refuses the refund for good", "bad"),
    "payment.void_blocked": ("The gateway refuses the void for good", "bad"),
    "payment.capture_blocked": ("The gateway refuses the capture for good", "bad"),
    "payment.taken_up": ("Taken up again", "wait"),
    "payment.disputed": ("Disputed by the payer", "bad"),
    "payment.dispute_closed": ("The dispute has ended", "quiet"),
    "payment.refund_failed": ("The refund has failed after all", "bad"),
}
# Operation of a gateway's call by the event that is its answer.
_ANSWERS: Final[Mapping[str, str]] = {"payment.failed": "charge", "payment.authorized": "charge"}


def _of_order_event(event: orderpay.Event) -> Moment:
    title, tone = _ORDER_EVENTS.get(event.type, (event.type, "quiet"))
    title = title.format(attempt=event.data.get("attempt", ""))
    detail = _detail(event.data)
    return Moment(event.created_at, "Order", title, detail, words.actor(event.actor), tone, name=event.type)


def _detail(data: Mapping[str, Any]) -> str:
    """What an event says besides its name."""
    said = []
    if data.get("customer_name"):
        said.append(f"for {data['customer_name']}")
    if data.get("items"):
        said.append(words.items(data["items"]))
    if data.get("reason"):
        said.append(str(data["reason"]))
    cause = data.get("cause") or data.get("after") or data.get("why") or data.get("failure_code")
    if cause:
        said.append(words.cause(str(cause)))
    amount = data.get("total_amount") or data.get("amount")
    if amount is not None:
        said.append(f"{amount:.2f} {data.get('currency', '')}".strip())
    if data.get("outcome"):
        said.append(
            {"compensated": "everything was undone", "confirmed": "the stock is sold"}.get(
                str(data["outcome"]), str(data["outcome"])
            )
        )
    if data.get("settled_by_hand"):
        said.append(f"settled by hand: {data['settled_by_hand']}")
    return "; ".join(said)


_DELIVERIES: Final[Mapping[str, tuple[str, str]]] = {
    "delivered": ("Webhook delivered to {to}", "good"),
    "waiting": ("Webhook for {to} is on its way", "wait"),
    "dead": ("Webhook for {to} was given up", "bad"),
}


def _of_delivery(each: sent.Sent) -> Moment:
    delivery = each.delivery
    title, tone = _DELIVERIES.get(delivery.state, ("Webhook for {to}: " + delivery.state, "quiet"))
    tries = f"{delivery.tries} {'try' if delivery.tries == 1 else 'tries'}"
    said = [delivery.type, tries, *([delivery.reason] if delivery.reason else [])]
    resend = each.resend if delivery.state != "waiting" and each.webhook.enabled else ""
    return Moment(
        delivery.ended_at or delivery.created_at,
        "Webhook",
        title.format(to=each.to),
        "; ".join(said),
        words.actor("worker"),
        tone,
        name=delivery.type,
        resend=resend,
    )


def _of_payment_events(story: Story) -> Iterator[Moment]:
    calls = list(story.payment_progress.calls) if story.payment_progress else []
    reasons = {each.id: each.reason for each in (story.payment.refunds if story.payment else ())}
    is_held = False
    for event in story.payment_events:
        title, tone = _PAYMENT_EVENTS.get(event.type, (event.type, "quiet"))
        detail = _payment_detail(event, reasons)
        operation = _operation(event, is_held=is_held)
        is_held = is_held or event.type == "payment.authorized"
        actor = words.actor(event.data.get("by") or event.actor)
        key = _key(calls, operation, event)
        yield Moment(event.created_at, "Payment", title, detail, actor, tone, key, event.type)


def _payment_detail(event: orderpay.Event, reasons: Mapping[str | None, str | None]) -> str:
    data = event.data
    amount = data.get("refund_amount") or data.get("held") or data.get("captured") or data.get("amount")
    said = [f"{amount:.2f} {data.get('currency', '')}".strip()] if amount is not None else []
    if event.type == "payment.failed" or "blocked" in event.type:
        said.append(words.cause(str(data.get("failure_code") or "")) or str(data.get("reason") or ""))
    if data.get("refund_id") and reasons.get(data["refund_id"]):
        said.append(f"“{reasons[data['refund_id']]}”")
    if data.get("settled_by_hand"):
        said.append(f"settled by hand: {data['settled_by_hand']}")
    return "; ".join(part for part in said if part)


def _operation(event: orderpay.Event, *, is_held: bool) -> str:
    if event.type == "payment.successful":
        return "capture" if is_held else "charge"
    return _ANSWERS.get(event.type, "void" if event.type == "payment.voided" else "refund")


def _key(calls: Sequence[orderpay.GatewayCall], operation: str, event: orderpay.Event) -> str:
    """Under which key the gateway was asked for what this event is the answer to."""
    for call in calls:
        is_its = (
            call.refund_id == event.data.get("refund_id")
            if operation == "refund"
            else (call.attempt == event.data.get("attempt"))
        )
        if call.operation == operation and is_its and (operation != "refund" or call.refund_id):
            return call.key
    return ""


# ---- the rail of steps


def rail(story: Story) -> list[Step]:
    """Placed, reserved, each attempt, paid, closed; or where it ended instead."""
    order = story.order
    if order is None:
        return []
    seen = {each.type for each in story.events}
    is_over = order.status in ("CANCELLED", "REFUNDED")
    steps = [Step("Placed", "done"), _reserved(seen, is_over=is_over)]
    steps += _attempts(story, seen)
    if order.status == "PENDING" and not (story.progress and story.progress.pay_later and story.progress.attempt == 0):
        steps.append(Step("Paid", "ahead"))
    elif order.status == "PENDING":
        steps.append(Step("Paid", "now", "waits for its customer"))
    elif "order.paid" in seen:
        steps.append(Step("Paid", "done"))
    if order.status == "CANCELLED":
        steps.append(Step("Cancelled", "failed", order.cancellation_reason or ""))
    elif order.status == "REFUNDED":
        steps.append(Step("Refunded", "done"))
    elif order.refund_blocked:
        steps.append(Step("Refund blocked", "failed", order.refund_blocked))
    is_closed = story.progress is not None and story.progress.step == "closed"
    steps.append(Step("Closed", "done" if is_closed else "ahead" if order.status == "PENDING" else "now"))
    return steps


def _reserved(seen: set[str], *, is_over: bool) -> Step:
    if "order.reserved" in seen:
        return Step("Reserved", "done")
    return Step("Reserved", "failed" if is_over else "now")


def _attempts(story: Story, seen: set[str]) -> list[Step]:
    """One light for each payment attempt that was begun."""
    count = story.progress.attempt if story.progress else max((each.data.get("attempt") or 0) for each in story.events)
    is_paid = "order.paid" in seen
    causes = {
        int(each.data.get("attempt") or 1) - (each.type == "order.payment_retried"): words.cause(
            str(each.data.get("after") or each.data.get("cause") or "")
        )
        for each in story.events
        if each.type in ("order.payment_retried", "order.cancelled")
    }
    steps = []
    for number in range(1, int(count) + 1):
        if number == count and is_paid:
            steps.append(Step(f"Attempt {number}", "done", "approved"))
        elif number == count and story.order is not None and story.order.status == "PENDING":
            steps.append(Step(f"Attempt {number}", "now"))
        else:
            steps.append(Step(f"Attempt {number}", "failed", causes.get(number, "")))
    return steps


# ---- what happens next


def next_up(story: Story) -> list[tuple[str, datetime | None]]:
    """What happens next and when; nothing, where all is done."""
    order, progress, paying = story.order, story.progress, story.payment_progress
    found: list[tuple[str, datetime | None]] = []
    if order is not None and progress is not None:
        if order.status == "PENDING" and progress.pay_later and progress.step == "reserved":
            found.append(("It expires, and its stock goes back, unless it is paid before", order.expires_at))
        elif progress.due_at is not None:
            label = words.STEPS.get(progress.step, progress.step)
            tried = f" ({progress.retry_count} tries so far)" if progress.retry_count else ""
            found.append((f"A worker goes on from “{label}”{tried}, if nobody has by then", progress.due_at))
        if progress.recheck_at is not None:
            found.append(("The payment service is asked again, of which there is news", progress.recheck_at))
    if paying is not None:
        if paying.due_at is not None:
            found.append(("The gateway is asked again what became of it", paying.due_at))
        if paying.order_told_at is not None:
            found.append(("The order service is told", paying.order_told_at))
        found += [
            (f"The gateway is asked again for a {each.operation}", each.due_at) for each in paying.calls if each.due_at
        ]
    found += [
        (f"{each.delivery.type} is sent to {each.to}", each.delivery.next_attempt_at)
        for each in story.deliveries
        if each.delivery.next_attempt_at
    ]
    if story.payment is not None and story.payment.blocked is not None:
        found.append(("A person has to decide: the gateway refuses for good what is wanted", None))
    return found


# ---- what may be done


def actions(story: Story) -> list[Action]:
    """The buttons that are legal in this state."""
    order, payment = story.order, story.payment
    found: list[Action] = []
    if order is not None:
        waits = order.status == "PENDING" and bool(story.progress and story.progress.pay_later)
        is_in_time = order.expires_at is None or order.expires_at > datetime.now(timezone.utc)
        if waits and is_in_time:
            found.append(Action("pay", "Pay", order.id))
        if order.status in ("PENDING", "PAID"):
            found.append(Action("look-again", "Look again", order.id))
    if payment is not None and payment.blocked is not None and payment.blocked.operation != "capture":
        found.append(Action("take-up", "Take up again", str(payment.id)))
    if payment is not None and payment.status == "AUTHORIZED" and payment.transaction_id:
        found += [Action("capture", "Capture", str(payment.id)), Action("void", "Release", str(payment.id), True)]
    if payment is not None and payment.refundable > 0 and payment.transaction_id and payment.blocked is None:
        found.append(Action("refund", "Refund a part", str(payment.id)))
    if order is not None and order.status == "PENDING":
        found.append(Action("cancel", "Cancel", order.id, is_grave=True))
    if order is not None and order.status == "PAID" and not order.refund_blocked:
        found.append(Action("cancel", "Cancel and refund all", order.id, is_grave=True))
    return found


def verdicts(story: Story) -> list[orderpay.Verdict]:
    """Which invariants hold of this order and its payment now."""
    found = list(story.progress.invariants) if story.progress else []
    return found + (list(story.payment_progress.invariants) if story.payment_progress else [])
