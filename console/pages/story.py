"""The story of one order: what happened on one axis of time, by whom; what happens next; what may be done now."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Final, NamedTuple

from django.conf import settings

import orderpay
from console.pages import sent, words
from console.pages.services import Asked, ask, looking, person_of

# Of so many events of a payment it is asked who has taken them.
_MOST_ASKED: Final = 100
# So many mails about one order are shown, the newest.
_MOST_MAILS: Final = 50


@dataclass(frozen=True)
class Told:
    """Who else heard of an event, or did not."""

    says: str
    at: datetime | None = None
    is_bad: bool = False


@dataclass(frozen=True)
class Moment:
    """One thing that happened."""

    at: datetime
    lane: str  # Order, Payment, Webhook, Mail
    title: str
    detail: str
    actor: str
    tone: str
    key: str = ""
    name: str = ""
    resend: str = ""  # where it can be sent again
    request_id: str = ""
    told: Sequence["Told"] = ()


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
    mails: Sequence[orderpay.Mail] | None = None  # None: not known
    recorded: Mapping[int, orderpay.RecordedEvent] = field(default_factory=dict)
    payment_recorded: Mapping[int, orderpay.RecordedEvent] = field(default_factory=dict)
    consumed: Mapping[str, orderpay.ConsumedEvent] = field(default_factory=dict)

    @property
    def all_recorded(self) -> list[orderpay.RecordedEvent]:
        """Every event of the order and of its payment, as the services keep it."""
        return [*self.recorded.values(), *self.payment_recorded.values()]

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
    def is_refunded(self) -> bool:
        """Whether any money is back."""
        paid = self.payment.refunded_amount if self.payment else None
        return bool(paid or (self.order is not None and self.order.refunded_amount))

    @property
    def refunded_by(self) -> str:
        """Who had money given back, or tried to, where anybody did."""
        begun = [each for each in self.events if each.type == "order.refund_begun"]
        if begun:
            return _by(begun[-1].actor, self.recorded.get(begun[-1].sequence))
        back = [each for each in self.payment_events if each.type == "payment.refunded"]
        return _by(back[-1].actor, self.payment_recorded.get(back[-1].sequence)) if back else ""


def of_order(reference: str) -> Story:
    """Everything of one order.

    Raises:
        orderpay.NotFound: there is no such order.
    """
    client = looking()
    found = ask(lambda: client.orders.get(reference), of="orders")
    if found.is_missing:
        raise orderpay.NotFound(found.problem, status=404)
    if (order := found.value) is None:
        return Story(problems=[found.problem])
    # Side by side: a page is as slow as its slowest part.
    with ThreadPoolExecutor(6) as pool:
        asked = _beside(pool, order.id)
        recorded = pool.submit(ask, lambda: client.operations["orders"].events(aggregate_id=order.id), of="orders")
        payment = ask(lambda: client.payments.get(order_id=order.id), of="payments")
        paying = _of_payment(payment)
    answers = {name: each.result() for name, each in asked.items()}
    return _story(
        [found, payment, *paying, *answers.values()],
        order=order,
        **{name: each.value for name, each in answers.items() if each.value is not None},
        payment=payment.value,
        payment_events=paying.trail.value or (),
        payment_progress=paying.calls.value,
        recorded={each.sequence: each for each in recorded.result().value or ()},
        payment_recorded=paying.recorded_by_sequence,
        consumed=paying.consumed_by_event,
    )


def _beside(pool: ThreadPoolExecutor, order_id: str) -> Mapping[str, Future[Asked[Any]]]:
    """What is asked about an order at the same time, by what it is called in its story."""
    client = looking()
    return {
        "events": pool.submit(ask, lambda: client.orders.events(order_id), of="orders"),
        "progress": pool.submit(ask, lambda: client.orders.progress(order_id), of="orders"),
        "reservation": pool.submit(ask, lambda: client.reservations.get(order_id), of="products"),
        "deliveries": pool.submit(sent.of_order, order_id),
        "mails": pool.submit(_mails_about, order_id),
    }


def as_its_customer_sees_it(reference: str) -> Story:
    """An order with its steps and its payment, and nothing of what only those who run it look at.

    Raises:
        orderpay.NotFound: there is no such order.
    """
    client = looking()
    found = ask(lambda: client.orders.get(reference), of="orders")
    if found.is_missing:
        raise orderpay.NotFound(found.problem, status=404)
    if found.value is None:
        return Story(problems=[found.problem])
    order = found.value
    events = ask(lambda: client.orders.events(order.id), of="orders")
    progress = ask(lambda: client.orders.progress(order.id), of="orders")
    payment = ask(lambda: client.payments.get(order_id=order.id), of="payments")
    return _story(
        [events, progress, payment],
        order=order,
        events=events.value or (),
        progress=progress.value,
        payment=payment.value,
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
    paying = _of_payment(found)
    deliveries, mails = sent.of_order(str(found.value.order_id)), _mails_about(str(found.value.order_id))
    return _story(
        [*paying, deliveries, mails],
        payment=found.value,
        payment_events=paying.trail.value or (),
        payment_progress=paying.calls.value,
        deliveries=deliveries.value or (),
        mails=mails.value,
        payment_recorded=paying.recorded_by_sequence,
        consumed=paying.consumed_by_event,
    )


def _story(asked: Sequence[Asked[Any]], **parts: Any) -> Story:
    """What was found, and the sentences about what was not, each once."""
    problems = [each.problem for each in asked if each.problem and not each.is_missing]
    return Story(**parts, problems=list(dict.fromkeys(problems)))


class _Paying(NamedTuple):
    """What is asked of a payment once it is known."""

    trail: Asked[tuple[orderpay.Event, ...]] = Asked(None)
    calls: Asked[orderpay.PaymentProgress] = Asked(None)
    recorded: Asked[tuple[orderpay.RecordedEvent, ...]] = Asked(None)
    consumed: Asked[tuple[orderpay.ConsumedEvent, ...]] = Asked(None)

    @property
    def recorded_by_sequence(self) -> Mapping[int, orderpay.RecordedEvent]:
        return {each.sequence: each for each in self.recorded.value or ()}

    @property
    def consumed_by_event(self) -> Mapping[str, orderpay.ConsumedEvent]:
        return {each.event_id: each for each in self.consumed.value or ()}


def _of_payment(payment: Asked[orderpay.Payment]) -> _Paying:
    if payment.value is None or payment.value.id is None:
        return _Paying()
    client, number = looking(), payment.value.id
    trail = ask(lambda: client.payments.events(number), of="payments")
    calls = ask(lambda: client.payments.progress(number), of="payments")
    recorded = ask(lambda: client.operations["payments"].events(aggregate_id=number), of="payments")
    sent_out = [each.event_id for each in recorded.value or () if each.broker and each.published_at]
    if not sent_out:
        return _Paying(trail, calls, recorded)
    consumed = ask(lambda: client.operations["orders"].consumed(sent_out[-_MOST_ASKED:]), of="orders")
    return _Paying(trail, calls, recorded, consumed)


def _mails_about(order_id: str) -> Asked[Sequence[orderpay.Mail]]:
    """Nothing where nobody can be asked."""
    if not settings.NOTIFY_URL:
        return Asked(None)
    return ask(lambda: [*islice(looking().mails.list(order_id=order_id), _MOST_MAILS)], of="mails")


# ---- the axis of time


def timeline(story: Story) -> list[Moment]:
    """Everything that happened, oldest first."""
    moments = [_of_order_event(each, story) for each in story.events]
    moments += _of_payment_events(story)
    moments += [_of_delivery(each) for each in story.deliveries]
    moments += [_of_mail(each) for each in story.mails or ()]
    return sorted(moments, key=lambda each: each.at)


_ORDER_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "order.created": ("Order placed", "info"),
    "order.reserved": ("Stock reserved", "info"),
    "order.payment_retried": ("Payment attempt {attempt} begun", "wait"),
    "order.requires_action": ("The payer has to confirm the payment", "wait"),
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
    "payment.requires_action": ("Waits for the payer to confirm it", "wait"),
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
_ANSWERS: Final[Mapping[str, str]] = dict.fromkeys(
    ("payment.failed", "payment.authorized", "payment.requires_action"), "charge"
)


def _of_order_event(event: orderpay.Event, story: Story) -> Moment:
    title, tone = _ORDER_EVENTS.get(event.type, (event.type, "quiet"))
    record = story.recorded.get(event.sequence)
    return Moment(
        event.created_at,
        "Order",
        title.format(attempt=event.data.get("attempt", "")),
        _detail(event.data),
        _by(event.actor, record),
        tone,
        name=event.type,
        request_id=(record and record.request_id) or "",
        told=_told(record, story),
    )


def _by(actor: str | None, record: orderpay.RecordedEvent | None) -> str:
    """Whose key it was, and for whom, where the console asked for somebody."""
    person = person_of(record.request_id) if record and record.request_id else ""
    return f"{words.actor(actor)}, for {person}" if person else words.actor(actor)


_BROKERS: Final = {"kafka": "Kafka"}


def _told(record: orderpay.RecordedEvent | None, story: Story) -> list[Told]:
    """Whether the broker has an event, and which of its consumers had its effect. Without a broker: nobody."""
    if record is None or record.broker is None:
        return []
    broker = _BROKERS.get(record.broker, record.broker)
    if record.relay_state == "waiting":
        return [Told(f"waits for its way to {broker}")]
    if record.relay_state in ("dead", "given_up"):
        end = "and was given up" if record.relay_state == "given_up" else "for good"
        return [Told(f"{broker} refused it {end}: {record.error}", is_bad=True)]
    taken = story.consumed.get(record.event_id)
    by = [Told(f"taken by {taken.consumer.replace('_', ' ')}", taken.consumed_at)] if taken else []
    return [Told(f"{broker} has it", record.published_at), *by]


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
        said.append(words.money(amount, data.get("currency")))
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


_MAILS: Final[Mapping[str, tuple[str, str]]] = {
    "sent": ("Mail sent", "good"),
    "waiting": ("Mail waits to be sent", "wait"),
    "given_up": ("Mail given up", "bad"),
}


def _of_mail(mail: orderpay.Mail) -> Moment:
    """At the time when it was sent; one that was not, when it was written."""
    title, tone = _MAILS.get(mail.state, (f"Mail: {mail.state}", "quiet"))
    tries = f"{mail.tries} {'try' if mail.tries == 1 else 'tries'}"
    failed = [f"the last that failed: {mail.last_error}"] if mail.last_error else []
    return Moment(
        mail.sent_at or mail.created_at,
        "Mail",
        f"{title} to {mail.to}" if mail.state == "sent" and mail.to else title,
        "; ".join([mail.subject, tries, *failed]),
        words.actor("consumer"),
        tone,
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
        record = story.payment_recorded.get(event.sequence)
        actor = _by(event.data.get("by") or event.actor, record)
        yield Moment(
            event.created_at,
            "Payment",
            title,
            detail,
            actor,
            tone,
            _key(calls, operation, event),
            event.type,
            request_id=(record and record.request_id) or "",
            told=_told(record, story),
        )


def _payment_detail(event: orderpay.Event, reasons: Mapping[str | None, str | None]) -> str:
    data = event.data
    amount = data.get("refund_amount") or data.get("held") or data.get("captured") or data.get("amount")
    said = [words.money(amount, data.get("currency"))] if amount is not None else []
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
    count = (
        story.progress.attempt
        if story.progress
        else max(((each.data.get("attempt") or 0) for each in story.events), default=0)
    )
    is_paid = "order.paid" in seen
    to_confirm = story.order is not None and story.order.next_action is not None
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
            steps.append(Step(f"Attempt {number}", "now", "the payer has to confirm it" if to_confirm else ""))
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
        if order.next_action is not None:
            found.append(("The payer confirms it at the bank, or it is called off", order.next_action.expires_at))
    if paying is not None:
        found += _next_of_payment(paying)
    found += [
        (f"{each.delivery.type} is sent to {each.to}", each.delivery.next_attempt_at)
        for each in story.deliveries
        if each.delivery.next_attempt_at
    ]
    found += [
        (f"“{each.subject}” is mailed", each.next_attempt_at) for each in story.mails or () if each.next_attempt_at
    ]
    waiting = [each for each in story.all_recorded if each.relay_state == "waiting" and each.broker]
    if waiting:
        found.append((f"The relay takes {len(waiting)} {'event' if len(waiting) == 1 else 'events'} to Kafka", None))
    if story.payment is not None and story.payment.blocked is not None:
        found.append(("A person has to decide: the gateway refuses for good what is wanted", None))
    return found


def _next_of_payment(paying: orderpay.PaymentProgress) -> Iterator[tuple[str, datetime | None]]:
    if paying.due_at is not None:
        yield "The gateway is asked again what became of it", paying.due_at
    if paying.order_told_at is not None:
        yield "The order service is told", paying.order_told_at
    for each in paying.calls:
        if each.due_at:
            yield f"The gateway is asked again for a {each.operation}", each.due_at


# ---- who else was told


@dataclass(frozen=True)
class Channel:
    """One way by which others hear of an order, and how much of it has arrived."""

    name: str
    says: str
    is_bad: bool = False


def channels(story: Story) -> list[Channel]:
    """Kafka, webhooks, and mails, of which there are some only where there is Kafka."""
    recorded, sent_out = story.all_recorded, story.deliveries
    found = []
    if recorded and not any(each.broker for each in recorded):
        found.append(Channel("Kafka", "no broker; events go to the log"))
    elif recorded:
        has = sum(each.relay_state == "published" for each in recorded)
        dead = sum(each.relay_state in ("dead", "given_up") for each in recorded)
        refused = f", {dead} refused" if dead else ""
        found.append(Channel("Kafka", f"{has} of {len(recorded)} events{refused}", is_bad=bool(dead)))
    if story.mails or any(each.broker for each in recorded):
        found.append(_mailed(story))
    if sent_out:
        arrived = sum(each.delivery.state == "delivered" for each in sent_out)
        dead = sum(each.delivery.state == "dead" for each in sent_out)
        given_up = f", {dead} given up" if dead else ""
        found.append(Channel("Webhooks", f"{arrived} of {len(sent_out)} delivered{given_up}", is_bad=bool(dead)))
    else:
        found.append(Channel("Webhooks", "nobody asked for these events"))
    return found


def _mailed(story: Story) -> Channel:
    """How many mails have gone out; why that is not known, where it is not."""
    if not settings.NOTIFY_URL:
        return Channel("Mails", "not shown: NOTIFY_URL names no notify service")
    if story.mails is None:
        return Channel("Mails", "not known")
    if not story.mails:
        return Channel("Mails", "none")
    sent_out = sum(each.state == "sent" for each in story.mails)
    dead = sum(each.state == "given_up" for each in story.mails)
    given_up = f", {dead} given up" if dead else ""
    return Channel("Mails", f"{sent_out} of {len(story.mails)} sent{given_up}", is_bad=bool(dead))


# ---- what may be done


def actions(story: Story) -> list[Action]:
    """The buttons that are legal in this state."""
    order, payment = story.order, story.payment
    found: list[Action] = []
    if order is not None:
        waits = order.status == "PENDING" and bool(story.progress and story.progress.pay_later)
        is_in_time = order.expires_at is None or order.expires_at > datetime.now(timezone.utc)
        if waits and is_in_time and order.next_action is None:
            found.append(Action("pay", "Pay", order.id))
        if order.status in ("PENDING", "PAID"):
            found.append(Action("look-again", "Look again", order.id))
    if payment is not None and payment.blocked is not None and payment.blocked.operation != "capture":
        found.append(Action("take-up", "Take up again", str(payment.id)))
    if payment is not None and payment.status == "AUTHORIZED" and payment.transaction_id:
        found += [Action("capture", "Capture", str(payment.id)), Action("void", "Release", str(payment.id), True)]
    if payment is not None and payment.refundable > 0 and payment.blocked is None:
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
