"""Everything that the services say in their own words, as the console says it to a person."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from servicekit.money import has_decimals, is_currency


class Word(NamedTuple):
    """A state: what it is called, which sign it has (so that it reads without colour), and its tone."""

    label: str
    sign: str
    tone: str  # good, bad, wait, quiet, warn


# Of an order, and of a payment whichever door.
STATES: Final[Mapping[str, Word]] = {
    "PENDING": Word("Pending", "◷", "wait"),
    "PAID": Word("Paid", "✓", "good"),
    "CANCELLED": Word("Cancelled", "✕", "bad"),
    "REFUNDED": Word("Refunded", "↩", "quiet"),
    "PARTIALLY_REFUNDED": Word("Partially refunded", "↩", "quiet"),
    "PROCESSING": Word("Processing", "◷", "wait"),
    "AUTHORIZED": Word("Authorised", "◐", "wait"),
    "REQUIRES_ACTION": Word("Waits for the payer", "◷", "wait"),
    "CAPTURED": Word("Captured", "✓", "good"),
    "COMPLETED": Word("Captured", "✓", "good"),
    "SUCCESS": Word("Captured", "✓", "good"),
    "FAILED": Word("Failed", "✕", "bad"),
    "VOIDED": Word("Voided", "⊘", "quiet"),
}
_UNKNOWN_TONE: Final = "quiet"
# What each of the bank's test tokens does, in words.
TOKENS: Final[Mapping[str, str]] = {
    "tok_ok": "The card is approved",
    "tok_insufficient_funds": "Declined: not enough money. Worth another attempt, and each is declined again",
    "tok_card_declined": "Declined, and no other attempt would help",
    "tok_expired_card": "Declined: the card has expired",
    "tok_incorrect_cvc": "Declined: the security code is wrong",
    "tok_lost_card": "Declined: the card was reported lost",
    "tok_fraudulent": "Declined: the payment looks fraudulent",
    "tok_processing_error": "Declined: the bank could not process it. Each attempt ends like that",
    "tok_try_again_later": "Declined: the bank is busy. Each attempt ends like that",
    "tok_decline_then_approve": "The first attempt is declined, the second one is approved",
    "tok_decline_twice_then_approve": "Two attempts are declined, the third one is approved",
    "tok_unavailable": "The bank can never be reached",
    "tok_unavailable_once": "The bank cannot be reached once, then it approves",
    "tok_lose_request": "The first request is lost on its way: the answer has to be found out",
    "tok_charge_then_lose_reply": "Approved, but the reply is lost: the money must not be taken twice",
    "tok_slow": "Approved, but only after everybody has stopped waiting",
    "tok_capture_fails": "Approved; money that is only set aside can never be captured",
    "tok_void_fails": "Approved; money that is only set aside can never be released",
    "tok_refund_fails": "Approved; every refund is refused for good, and waits for a person",
    "tok_refund_fails_once": "Approved; the first refund is declined, later ones are not",
    "tok_refund_then_lose_reply": "Approved; refunds are made, but the reply is lost",
    "tok_3ds_ok": "The payer has to confirm it at the bank's page; then it is approved",
    "tok_3ds_card_declined": "The payer has to confirm it, and the bank declines it all the same",
    "tok_3ds_lose_reply": "The payer has to confirm it, but the reply that says so is lost",
    "tok_3ds_refund_fails": "The payer has to confirm it; every refund is refused for good, and waits for a person",
}
# Those that are shown first; the others are one click further.
USUAL_TOKENS: Final = ("tok_ok", "tok_decline_then_approve", "tok_expired_card", "tok_3ds_ok", "tok_refund_fails")
# Why a gateway or a step said no, by its code.
CAUSES: Final[Mapping[str, str]] = {
    "insufficient_funds": "not enough money on the card",
    "card_declined": "the card was declined",
    "expired_card": "the card has expired",
    "incorrect_cvc": "the security code is wrong",
    "lost_card": "the card was reported lost",
    "fraudulent": "the payment looks fraudulent",
    "invalid_token": "there is no such payment token",
    "confirmation_declined": "the payer did not want to pay",
    "not_confirmed": "the payer did not confirm it in time",
    "processing_error": "the bank could not process it",
    "try_again_later": "the bank is busy",
    "refund_failed": "the bank refuses to give the money back",
    "refund_not_now": "the bank cannot give the money back now",
    "out_of_stock": "too little stock",
    "product_not_found": "there is no such product",
    "payment_service_unavailable": "the payment service could not be reached",
    "product_service_unavailable": "the product service could not be reached",
    "requested": "somebody asked for it",
    "expired": "nobody paid in time",
}
ACTORS: Final[Mapping[str, str]] = {
    "anonymous": "a client without a key",
    "worker": "the worker",
    "consumer": "the consumer of events",
    "command": "a command line",
}
STEPS: Final[Mapping[str, str]] = {
    "placed": "Placed",
    "reserved": "Stock reserved",
    "settled": "Paid",
    "refunding": "Giving the money back",
    "compensating": "Undoing: no money and no stock is held for it",
    "closed": "Closed",
}
CIRCUITS: Final[Mapping[str, Word]] = {
    "closed": Word("answers", "✓", "good"),
    "half_open": Word("being tried", "◷", "wait"),
    "open": Word("not asked at the moment", "✕", "bad"),
}


def state(name: str | None) -> Word:
    """A state's words; one that is new is shown as it is."""
    return STATES.get(name or "", Word((name or "none yet").replace("_", " ").capitalize(), "·", _UNKNOWN_TONE))


def cause(code: str | None) -> str:
    """A reason for people."""
    return CAUSES.get(code or "", (code or "").replace("_", " "))


def actor(name: str | None) -> str:
    """Who did it: the name of a key or of a user stands for itself."""
    return ACTORS.get(name or "", name or "not recorded")


def items(listed: Any) -> str:
    """Units and products of an event."""
    return ", ".join(f"{each.get('quantity')} \u00d7 product {each.get('product_id')}" for each in listed or ())


def digits(amount: Decimal | int, currency: str | None) -> str:
    """With a comma at each thousand, and the decimals that its currency has: `1,234.50` USD, `5,000` JPY.

    A fraction is shown all the same where there should be none.
    """
    has_none = bool(currency) and is_currency(currency or "") and not has_decimals(currency or "")
    return f"{amount:,.0f}" if has_none and amount == int(amount) else f"{amount:,.2f}"


def money(amount: Decimal | int, currency: str | None) -> str:
    """`1,234.50 USD`."""
    return f"{digits(amount, currency)} {currency or ''}".strip()
