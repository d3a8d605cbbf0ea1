"""Magic payment tokens: what the simulated bank does when it meets one. docs/gateways.md shows this table.

A `tok_…` that is none of them is declined: a mistyped one must not pay by chance. Any other token, and none, is left to
chance (`GATEWAY_SUCCESS_RATE`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Decline:
    """Why the bank says no, and whether a new attempt may fare better."""

    message: str
    retryable: bool


@dataclass(frozen=True)
class Script:
    """How the bank treats a token.

    `declines` holds the codes of the first charges of an order (the last one for good when `forever`); the other
    fields name what goes wrong on the way: with the charge, and later with captures, voids and refunds.
    """

    meaning: str
    asks_payer: bool = False  # the payer has to confirm the charge first; then the rest happens
    declines: tuple[str, ...] = ()
    forever: bool = False
    unavailable: int = 0  # so many first charges find nobody; -1: all
    loses_request: bool = False  # the first charge is sent, but never arrives
    loses_reply: bool = False  # the charge is made, and its reply is lost
    is_slow: bool = False  # the charge is made, but known only after the time-out
    capture_declined: str = ""
    void_declined: str = ""
    refund_declined: str = ""
    refund_declined_once: str = ""
    loses_refund_reply: bool = False


DECLINES: Final[Mapping[str, Decline]] = {
    "insufficient_funds": Decline("Insufficient funds", retryable=True),
    "card_declined": Decline("The card was declined", retryable=False),
    "expired_card": Decline("The card has expired", retryable=False),
    "incorrect_cvc": Decline("The security code is wrong", retryable=False),
    "lost_card": Decline("The card was reported lost", retryable=False),
    "fraudulent": Decline("The payment looks fraudulent", retryable=False),
    "invalid_token": Decline("There is no such token", retryable=False),
    "confirmation_declined": Decline("The payer did not want to pay", retryable=False),
    "not_confirmed": Decline("The payer did not confirm the payment in time", retryable=False),
    "processing_error": Decline("The bank could not process the payment", retryable=True),
    "try_again_later": Decline("The bank is busy", retryable=True),
    "nothing_set_aside": Decline("Nothing is set aside for this payment any more", retryable=False),
    "amount_too_large": Decline("More than there is", retryable=False),
    "capture_failed": Decline("The money could not be taken", retryable=False),
    "void_failed": Decline("The money could not be released", retryable=False),
    "refund_failed": Decline("The money could not be given back", retryable=False),
    "refund_not_now": Decline("The money cannot be given back now", retryable=True),
}

# A refund of what is back already: the bank's word for it, and no refusal. The payer has the money.
ALREADY_REFUNDED: Final = "already_refunded"

# What a payer's no is booked as, and that nobody is asked any more.
PAYER_DECLINED: Final = "confirmation_declined"
CALLED_OFF: Final = "not_confirmed"

# What chance picks from when it says no.
USUAL_DECLINES: Final = ("insufficient_funds", "card_declined", "expired_card", "processing_error")


def _always(code: str) -> Script:
    return Script(f"declined: `{code}`", declines=(code,), forever=True)


SCRIPTS: Final[Mapping[str, Script]] = {
    "tok_ok": Script("approved"),
    **{
        f"tok_{code}": _always(code)
        for code in (*USUAL_DECLINES, "incorrect_cvc", "lost_card", "fraudulent", "try_again_later")
    },
    "tok_decline_then_approve": Script(
        "declined once (`insufficient_funds`), then approved", declines=("insufficient_funds",)
    ),
    "tok_decline_twice_then_approve": Script(
        "declined twice (`processing_error`), then approved", declines=("processing_error", "processing_error")
    ),
    "tok_unavailable": Script("the gateway can never be reached; nothing is sent", unavailable=-1),
    "tok_unavailable_once": Script("the gateway cannot be reached once, then approved", unavailable=1),
    "tok_lose_request": Script("sent, but never arrives the first time; the answer is not known", loses_request=True),
    "tok_charge_then_lose_reply": Script("charged, but the reply is lost", loses_reply=True),
    "tok_slow": Script("charged, but answered only after the time-out", is_slow=True),
    "tok_capture_fails": Script("approved; every capture is refused for good", capture_declined="capture_failed"),
    "tok_void_fails": Script("approved; every void is refused for good", void_declined="void_failed"),
    "tok_refund_fails": Script("approved; every refund is refused for good", refund_declined="refund_failed"),
    "tok_refund_fails_once": Script(
        "approved; the first refund is declined (`refund_not_now`), later ones are not",
        refund_declined_once="refund_not_now",
    ),
    "tok_refund_then_lose_reply": Script("approved; refunds are made, but the reply is lost", loses_refund_reply=True),
    "tok_3ds_ok": Script("the payer has to confirm it at the bank's page; then approved", asks_payer=True),
    "tok_3ds_card_declined": Script(
        "the payer has to confirm it; then declined all the same: `card_declined`",
        asks_payer=True,
        declines=("card_declined",),
        forever=True,
    ),
    "tok_3ds_lose_reply": Script(
        "the payer has to confirm it, but the reply that says so is lost", asks_payer=True, loses_reply=True
    ),
    "tok_3ds_refund_fails": Script(
        "the payer has to confirm it; then approved, and every refund is refused for good",
        asks_payer=True,
        refund_declined="refund_failed",
    ),
}
# What any token without a script does, chance aside.
ORDINARY: Final = Script("left to chance")
_UNKNOWN: Final = _always("invalid_token")
_PREFIX: Final = "tok_"


def script_of(token: str) -> Script:
    """What the bank does when it meets a token, or none (empty)."""
    known = SCRIPTS.get(token)
    if known is not None:
        return known
    return _UNKNOWN if token[: len(_PREFIX)].lower() == _PREFIX else ORDINARY
