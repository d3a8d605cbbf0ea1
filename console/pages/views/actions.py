"""What a person can do to an order or a payment. Each asks once more, and says what it will do."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

import orderpay
from console.pages import forms, words
from console.pages.services import KEY_REUSED, acting, ask, is_settled, looking
from console.pages.views.shop import tokens


@dataclass(frozen=True)
class Deed:
    """One thing that can be done.

    Attributes:
        of: order, payment, letter (or message) of a service by its number, delivery by its webhook's id and its own.
        needs_transaction: It is asked for by a payment's transaction, which an imported one has none of.
        says: What it will do, in full.
        does: It; returns what was done, in a sentence.
        asks: amount, reason, token.
    """

    title: str
    of: str
    says: str
    button: str
    does: Callable[["Given"], str]
    asks: tuple[str, ...] = ()
    is_grave: bool = False
    needs_transaction: bool = False


@dataclass(frozen=True)
class Given:
    """What it is done to, and what was filled in."""

    subject: str
    order: orderpay.Order | None
    payment: orderpay.Payment | None
    amount: str
    reason: str
    token: str
    key: str


def _cancel(given: Given) -> str:
    order = acting().orders.cancel(given.subject, idempotency_key=given.key)
    if order.refund_blocked:
        return f"The gateway refuses the refund for good: {order.refund_blocked}. It waits for a person."
    return {
        "CANCELLED": "Cancelled: its stock is back, and no money is held for it.",
        "REFUNDED": "Refunded: the money and the stock are back.",
    }.get(order.status, "The money is on its way back.")


def _look_again(given: Given) -> str:
    order = acting().orders.look_again(given.subject, idempotency_key=given.key)
    said = words.state(order.payment_status).label.lower()
    return f"The payment service says: {said}. The order is {order.status.lower()}."


def _pay(given: Given) -> str:
    order = given.order
    if order is None:
        raise Http404
    acting().payments.pay(
        order.id, order.total_amount, currency=order.currency, token=given.token, idempotency_key=given.key
    )
    return f"Paid: {words.money(order.total_amount, order.currency)}."


def _refund(given: Given) -> str:
    client, payment = acting().payments, _payment(given)
    if payment.transaction_id is not None:
        refund = client.refund(
            transaction_id=payment.transaction_id,
            amount=given.amount,
            reason=given.reason or None,
            idempotency_key=given.key,
        )
    else:  # an imported one: by its number, which keeps no reason
        number = looking().payments.progress(given.subject).payment_id
        refund = client.refund(payment_id=number, amount=given.amount, idempotency_key=given.key)
    done = "given back" if refund.status == "succeeded" else "on its way back; the gateway has not answered yet"
    return f"{words.digits(refund.amount, payment.currency)} {done}."


def _capture(given: Given) -> str:
    payment = acting().payments.capture(_transaction(given), given.amount or None, idempotency_key=given.key)
    return f"The payment is {words.state(payment.status).label.lower()}."


def _void(given: Given) -> str:
    payment = acting().payments.void(transaction_id=_transaction(given), idempotency_key=given.key)
    return f"The payment is {words.state(payment.status).label.lower()}."


def _take_up(given: Given) -> str:
    acting().payments.take_up(given.subject, idempotency_key=given.key)
    return "Taken up again: the worker asks the gateway now. What it says stands in the story."


def _payment(given: Given) -> orderpay.Payment:
    if given.payment is None:
        raise Http404
    return given.payment


def _transaction(given: Given) -> str:
    transaction = _payment(given).transaction_id
    if transaction is None:
        raise orderpay.Invalid(_NO_TRANSACTION)
    return transaction


def _replay(service: str) -> Callable[[Given], str]:
    def do(given: Given) -> str:
        count = acting().operations[service].replay_dead_letter(int(given.subject), idempotency_key=given.key)
        return f"{count} to be published again; those behind it follow."

    return do


def _give_up(service: str) -> Callable[[Given], str]:
    def do(given: Given) -> str:
        count = acting().operations[service].give_up_dead_letter(int(given.subject), idempotency_key=given.key)
        return f"{count} given up; those behind it go on."

    return do


def _replay_parked(given: Given) -> str:
    count = acting().operations["orders"].replay_parked_message(int(given.subject), idempotency_key=given.key)
    return f"{count} to be taken again by its consumer."


def _resend(service: str) -> Callable[[Given], str]:
    def do(given: Given) -> str:
        webhook, delivery = given.subject.split(".")
        acting().webhooks[service].resend(webhook, delivery, idempotency_key=given.key)
        return "It is sent again now, and tried again where that fails. What comes of it stands in the story."

    return do


_NO_TRANSACTION: Final = (
    "This payment was imported: it has no transaction at this service's gateway, so nothing of it can be captured or "
    "released here."
)
_RESENDS: Final = (
    "The worker sends the same message again, under the same id: a receiver that keeps to that takes it once. "
    "It is tried again as often as a new one, and given up again where all of that fails."
)
# What a thing to be done is named by in a path.
_SUBJECTS: Final = {
    "letter": re.compile(r"[0-9]{1,18}"),
    "delivery": re.compile(r"[0-9a-f-]{36}\.[0-9a-f-]{36}"),
}
_GIVEN_UP: Final = "It is never published, and its consumers do not hear of it. Those behind it go on."
DEEDS: Final[Mapping[str, Deed]] = {
    "cancel": Deed(
        "Cancel this order",
        "order",
        "An order that waits is cancelled: its stock goes back and no money is held for it, now or later. A paid one "
        "is refunded as a whole, and its stock goes back. This cannot be undone.",
        "Cancel the order",
        _cancel,
        is_grave=True,
    ),
    "look-again": Deed(
        "Look again at its payment",
        "order",
        "Asks the payment service what became of this order's payment, and settles the order by what it says. It takes "
        "no money and gives none back by itself.",
        "Look again",
        _look_again,
    ),
    "pay": Deed(
        "Pay this order",
        "order",
        "Charges the whole total once, however often this is pressed. The order is paid as soon as the money is taken.",
        "Pay",
        _pay,
        asks=("token",),
    ),
    "refund": Deed(
        "Refund a part",
        "payment",
        "Gives that much back to the payer. The order stays paid until all of it is back. It cannot be undone.",
        "Refund",
        _refund,
        asks=("amount", "reason"),
        is_grave=True,
    ),
    "capture": Deed(
        "Capture what is set aside",
        "payment",
        "Takes that much of what is set aside, or all of it; the rest is released to the payer.",
        "Capture",
        _capture,
        asks=("amount",),
        needs_transaction=True,
    ),
    "void": Deed(
        "Release what is set aside",
        "payment",
        "Nothing is taken, and the payer can use the money again. It cannot be captured later.",
        "Release",
        _void,
        is_grave=True,
        needs_transaction=True,
    ),
    "take-up": Deed(
        "Take up what the gateway has refused for good",
        "payment",
        "The worker asks the gateway once more, in the same refund: the payer never gets it twice. Refused again, it "
        "waits for a person again.",
        "Take it up",
        _take_up,
    ),
    "replay-order-event": Deed(
        "Publish a dead event after all",
        "letter",
        "The relay tries it again, and those behind it follow in order. Refused again, it is dead again.",
        "Publish it",
        _replay("orders"),
    ),
    "replay-payment-event": Deed(
        "Publish a dead event after all",
        "letter",
        "The relay tries it again, and those behind it follow in order. Refused again, it is dead again.",
        "Publish it",
        _replay("payments"),
    ),
    "give-up-order-event": Deed(
        "Give a dead event up",
        "letter",
        _GIVEN_UP,
        "Give it up",
        _give_up("orders"),
        is_grave=True,
    ),
    "give-up-payment-event": Deed(
        "Give a dead event up",
        "letter",
        _GIVEN_UP,
        "Give it up",
        _give_up("payments"),
        is_grave=True,
    ),
    "replay-message": Deed(
        "Have a parked message taken again",
        "letter",
        "Its consumer takes it again within a moment. What was done already is not done twice.",
        "Take it again",
        _replay_parked,
    ),
    "resend-order-webhook": Deed("Send a webhook again", "delivery", _RESENDS, "Send it", _resend("orders")),
    "resend-payment-webhook": Deed("Send a webhook again", "delivery", _RESENDS, "Send it", _resend("payments")),
}


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, action: str, subject: str) -> HttpResponse:
    """Ask once more; and do it."""
    deed = DEEDS.get(action)
    if deed is None or (deed.of in _SUBJECTS and not _SUBJECTS[deed.of].fullmatch(subject)):
        raise Http404
    key = forms.key_of(request.POST) if request.method == "POST" else ""
    order, payment = _about(deed, subject) if deed.of != "delivery" else (_order_of(action, subject), None)
    if not key:
        return _form(request, deed, order, payment)
    back = _back(order, payment)
    try:
        given = _given(request.POST, deed, subject, order=order, payment=payment, key=key)
        request.session["notice"] = deed.does(given)
        return HttpResponseRedirect(back)
    except forms.Refused as refused:
        problems = refused.problems
    except orderpay.OrderPayError as refused:
        if refused.code == KEY_REUSED:
            return _sent_already(request, order, back)
        problems = [forms.Problem("", _sentence(refused))]
        key = "" if is_settled(refused) else key
    return _form(request, deed, order, payment, problems=problems, key=key)


def _form(
    request: HttpRequest,
    deed: Deed,
    order: orderpay.Order | None,
    payment: orderpay.Payment | None,
    *,
    problems: Sequence[forms.Problem] = (),
    key: str = "",
) -> HttpResponse:
    """Say what it will do, and ask for what it needs. The same `key`: it is still the same form."""
    impossible = _impossible(deed, payment)
    shown = impossible or problems
    context = {
        "deed": deed,
        "asks": _asks(deed, payment),
        "order": order,
        "payment": payment,
        "back": _back(order, payment),
        "problems": shown,
        "wrong": {each.field for each in shown},
        "is_possible": not impossible,
        "token_groups": tokens(),
        "token": request.POST.get("token", ""),
        "key": key or orderpay.new_key(),
        "given": request.POST,
    }
    return render(request, "console/act.html", context, status=422 if problems else 200)


def _given(given: QueryDict, deed: Deed, subject: str, **about: Any) -> Given:
    """What was filled in.

    Raises:
        Refused: naming the field that cannot be taken.
    """
    amount = _amount(given, deed) if "amount" in deed.asks else ""
    reason = forms.text(given, "reason", "The reason", required=False) if "reason" in deed.asks else ""
    token = forms.text(given, "token", "What the bank does") if "token" in deed.asks else ""
    if reason and "reason" not in _asks(deed, about["payment"]):
        raise forms.Refused(forms.Problem("reason", "No reason can be kept with a refund of an imported payment."))
    return Given(subject, amount=amount, reason=reason, token=token, **about)


def _amount(given: QueryDict, deed: Deed) -> str:
    """How much; blank is all of it, where the form says so. A form without the field is not taken for that."""
    if "amount" not in given:
        raise forms.Refused(forms.Problem("amount", "The amount is missing."))
    amount = forms.text(given, "amount", "The amount", required=False)
    if deed is DEEDS["refund"] and not amount:
        raise forms.Refused(forms.Problem("amount", "How much is to go back?"))
    return amount


def _asks(deed: Deed, payment: orderpay.Payment | None) -> Sequence[str]:
    """What the form asks for: no reason where none is kept."""
    is_imported = payment is not None and payment.transaction_id is None
    return [each for each in deed.asks if not (each == "reason" and is_imported)]


def _impossible(deed: Deed, payment: orderpay.Payment | None) -> Sequence[forms.Problem]:
    """Why there is no form, where there is none."""
    if deed.needs_transaction and payment is not None and payment.transaction_id is None:
        return [forms.Problem("", _NO_TRANSACTION)]
    return []


def _sent_already(request: HttpRequest, order: orderpay.Order | None, back: str) -> HttpResponse:
    """Back, something changed, and sent again."""
    context = {
        "what": "a change",
        "order": None,
        "back": back,
        "back_says": f"The story of order {order.number}" if order else "The story of it",
        "again": request.path,
        "again_says": "Do it once more",
    }
    return render(request, "console/sent_already.html", context, status=422)


def _about(deed: Deed, subject: str) -> tuple[orderpay.Order | None, orderpay.Payment | None]:
    client = looking()
    if deed.of == "order":
        return client.orders.get(subject), None
    if deed.of == "payment":
        return None, client.payments.get(payment_id=subject)
    return None, None


def _order_of(action: str, subject: str) -> orderpay.Order | None:
    """Whose event is to be delivered; None where the order service does not say."""
    webhook, delivery = subject.split(".")
    service = "orders" if action == "resend-order-webhook" else "payments"
    about = looking().webhooks[service].delivery(webhook, delivery).subject
    return ask(lambda: looking().orders.get(about, live=False), of="orders").value


def _back(order: orderpay.Order | None, payment: orderpay.Payment | None) -> str:
    if order is not None:
        return reverse("story", args=[order.number])
    return reverse("payment", args=[payment.id]) if payment is not None else reverse("control")


def _sentence(refused: orderpay.OrderPayError) -> str:
    if isinstance(refused, orderpay.Declined):
        return f"Declined: {words.cause(refused.code) or refused.message}. Nothing was taken."
    if isinstance(refused, orderpay.Unavailable):
        return f"No answer: it is not known whether it was done. Look at the story, then repeat it. ({refused.message})"
    return f"Not done: {refused.message}"
