"""Writing the simulated bank's books. Each function is a transaction of its own and refuses to be part of another:
what a bank has booked stays booked, whatever becomes of the caller."""

import secrets
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import ParamSpec

from django.db import IntegrityError
from django.db.models import F, Q
from django.db.models.functions import Now

from payment_service.bank.models import NOTHING, Confirmation, Entry, Hold, TokenUse
from payment_service.bank.tokens import ALREADY_REFUNDED, CALLED_OFF, PAYER_DECLINED, script_of
from servicekit.db import clock
from servicekit.db.transactions import in_one_transaction

P = ParamSpec("P")


def _booked_once(book: Callable[P, None]) -> Callable[P, None]:
    """Book it in a transaction; nothing happens when the key is in the books already."""
    booked = in_one_transaction(durable=True)(book)

    @wraps(book)
    def book_once(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            booked(*args, **kwargs)
        except IntegrityError:
            return

    return book_once


def find(key: str) -> Entry | None:
    """The entry of a key, once it can be known; None for a key that the bank has not seen."""
    is_known = Q(known_from=None) | Q(known_from__lte=Now())
    return Entry.objects.select_related("hold").filter(is_known, key=key).first()


def knows(key: str) -> bool:
    """Whether the key is in the books, known to the world or not."""
    return Entry.objects.filter(key=key).exists()


@_booked_once
def charge(
    key: str,
    *,
    amount: Decimal,
    currency: str,
    capture: bool,
    token: str,
    decline_code: str,
    late_s: float = 0.0,
    payment_intent_id: str = "",
) -> None:
    """Set money aside, and take it when `capture`; or book the refusal."""
    hold = None
    if not decline_code:
        hold = Hold.objects.create(
            transaction_id=f"txn_{secrets.token_hex(12)}",
            payment_intent_id=payment_intent_id or _new_intent_id(),
            currency=currency,
            token=token,
            authorized=amount,
            captured=amount if capture else NOTHING,
        )
    _enter(key, "charge", amount, hold=hold, decline_code=decline_code, late_s=late_s)


@_booked_once
def ask_payer(key: str, *, order_id: str, amount: Decimal, currency: str, capture: bool, token: str) -> None:
    """Have a payer asked to confirm a charge, once for each key."""
    Confirmation.objects.create(
        secret=secrets.token_urlsafe(32),
        key=key,
        payment_intent_id=_new_intent_id(),
        order_id=order_id,
        amount=amount,
        currency=currency,
        takes_all=capture,
        token=token,
    )


def confirmation(**known: str) -> Confirmation | None:
    """The charge with this `key`, `secret` or `payment_intent_id` that a payer has, or had, to confirm."""
    return Confirmation.objects.filter(**known).first()


def answer(asked: Confirmation, *, is_yes: bool) -> None:
    """What the payer says. Only the first answer counts, and none that comes after it was called off."""
    declines = script_of(asked.token).declines
    _decide(asked, decline_code=(declines[0] if declines else "") if is_yes else PAYER_DECLINED)


def call_off(asked: Confirmation) -> bool:
    """Let the payer confirm it no more; whether nothing will ever be taken for it."""
    _decide(asked, decline_code=CALLED_OFF)
    return not Entry.objects.filter(key=asked.key, decline_code="").exists()


def _decide(asked: Confirmation, *, decline_code: str) -> None:
    """The one entry with its key is the decision: whoever books it first has made it."""
    charge(
        asked.key,
        amount=asked.amount,
        currency=asked.currency,
        capture=asked.takes_all,
        token=asked.token,
        decline_code=decline_code,
        payment_intent_id=asked.payment_intent_id,
    )


@_booked_once
def capture(key: str, *, transaction_id: str, amount: Decimal, decline_code: str = "") -> None:
    """Take a part of what is set aside, or all of it, and release the rest."""
    hold = _lock(transaction_id)
    if hold is None or hold.is_released or hold.captured > 0:
        decline_code = decline_code or "nothing_set_aside"
    elif amount > hold.authorized:
        decline_code = decline_code or "amount_too_large"
    elif not decline_code:
        hold.captured = amount
        hold.save()
    _enter(key, "capture", amount, hold=hold, decline_code=decline_code)


@_booked_once
def release(key: str, *, transaction_id: str, decline_code: str = "") -> None:
    """Give back all that is set aside."""
    hold = _lock(transaction_id)
    if hold is None or hold.is_released or hold.captured > 0:
        decline_code = decline_code or "nothing_set_aside"
    elif not decline_code:
        hold.is_released = True
        hold.save()
    _enter(key, "void", hold.authorized if hold else NOTHING, hold=hold, decline_code=decline_code)


@_booked_once
def refund(key: str, *, transaction_id: str, amount: Decimal, decline_code: str = "") -> None:
    """Give back a part of what was taken. Where all of it is back, by whichever way, nothing moves."""
    hold = _lock(transaction_id)
    if hold is not None and hold.captured and hold.refunded == hold.captured:
        decline_code = decline_code or ALREADY_REFUNDED
    elif hold is None or amount > hold.captured - hold.refunded:
        decline_code = decline_code or "amount_too_large"
    elif not decline_code:
        hold.refunded += amount
        hold.save()
    _enter(key, "refund", amount, hold=hold, decline_code=decline_code)


def token_of(transaction_id: str) -> str:
    """The magic token with which a hold was made; empty when it was none, or there is no such hold."""
    return Hold.objects.filter(transaction_id=transaction_id).values_list("token", flat=True).first() or ""


def has_declined_refund(transaction_id: str) -> bool:
    """Whether a refund of this hold was refused before."""
    return Entry.objects.filter(kind="refund", hold__transaction_id=transaction_id).exclude(decline_code="").exists()


@in_one_transaction(durable=True)
def count_use(order_id: str, token: str) -> int:
    """How often this order has come with this token, this time included."""
    TokenUse.objects.get_or_create(order_id=order_id, token=token)
    TokenUse.objects.filter(order_id=order_id, token=token).update(uses=F("uses") + 1)
    return TokenUse.objects.values_list("uses", flat=True).get(order_id=order_id, token=token)


def _new_intent_id() -> str:
    return f"pi_{secrets.token_hex(12)}"


def _lock(transaction_id: str) -> Hold | None:
    return Hold.objects.select_for_update().filter(transaction_id=transaction_id).first()


def _enter(key: str, kind: str, amount: Decimal, *, hold: Hold | None, decline_code: str, late_s: float = 0.0) -> None:
    Entry.objects.create(
        key=key,
        kind=kind,
        amount=amount,
        hold=hold,
        decline_code=decline_code,
        known_from=clock.seconds_from_now(late_s) if late_s else None,
    )
