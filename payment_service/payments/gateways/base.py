"""The port to whoever moves the money. Imports no framework.

Three things can come of asking: a yes (`Approved`), a business no (`Declined`, a value, not an error), or no answer,
and then it matters whether the gateway can have seen the request: `GatewayUnavailable` (no) or `OutcomeUnknown`
(maybe). A charge has a fourth: the payer has to confirm it first (`ActionRequired`).

Every request carries a key of ours; a gateway answers the same key always with the same outcome, and `find` tells what
became of a request without making it happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol, overload


@dataclass(frozen=True)
class ChargeRequest:
    """Take `amount`, or only set it aside when `capture` is false.

    `payment_intent_id` is the gateway's own name for it, once it has one: of a charge that waits for its payer.
    """

    key: str
    order_id: str
    amount: Decimal
    currency: str
    token: str = field(repr=False)
    capture: bool = True
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class CaptureRequest:
    """Take `amount` of what was set aside; the rest is released."""

    key: str
    transaction_id: str
    payment_intent_id: str | None
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class VoidRequest:
    """Release what was set aside; without a `transaction_id`, have a payer confirm nothing any more.

    The latter may come too late, or be refused: `find` for the charge tells what it has come to.
    """

    key: str
    transaction_id: str
    payment_intent_id: str | None


@dataclass(frozen=True)
class RefundRequest:
    """Give back `amount` of what was taken."""

    key: str
    transaction_id: str
    payment_intent_id: str | None
    amount: Decimal
    currency: str


Request = ChargeRequest | CaptureRequest | VoidRequest | RefundRequest


@dataclass(frozen=True)
class Approved:
    """Done, or done before: a refund of what the payer has back already is one too.

    `response` is what the gateway said, without anything sensitive, for people to read.
    """

    transaction_id: str
    payment_intent_id: str | None = None
    response: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declined:
    """Refused, for good as far as this key goes; `retryable` says whether a new attempt may fare better.

    Of a capture, void or refund too: "not now" (True) is asked again under a new key, "never" (False) is left to a
    person. What a gateway has no word for is never.
    """

    code: str
    message: str
    retryable: bool
    response: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionRequired:
    """The payer has to confirm the charge, in a browser, at `url`. Until then nothing is taken or set aside."""

    url: str
    payment_intent_id: str
    response: Mapping[str, str] = field(default_factory=dict)


Outcome = Approved | Declined
ChargeOutcome = Outcome | ActionRequired


@dataclass(frozen=True)
class DisputeNotice:
    """The payer's bank wants money back. `amount` is in major units; `is_won` None: it is open."""

    reference: str
    transaction_id: str
    payment_intent_id: str
    amount: Decimal
    reason: str
    is_won: bool | None


@dataclass(frozen=True)
class RefundFailedNotice:
    """A refund has failed, whatever was said of it before. `key` is ours, where the gateway has it."""

    transaction_id: str
    key: str
    code: str


@dataclass(frozen=True)
class ChargeNotice:
    """A charge has come to something, that its order's payment may be waiting for."""

    order_id: str


@dataclass(frozen=True)
class Notice:
    """What a gateway tells by itself. `about` None: nothing that matters here."""

    reference: str
    type: str
    about: DisputeNotice | RefundFailedNotice | ChargeNotice | None


class BadNotice(Exception):
    """It was not signed with our secret, or long ago, or cannot be read."""


class GatewayUnavailable(Exception):
    """Nothing was sent: the gateway has not seen the request."""


class OutcomeUnknown(Exception):
    """The request was sent and no answer came: what the gateway did is not known."""


# A charge ends with it that its payer never confirmed, and that was called off: it can take nothing any more.
NOT_CONFIRMED: Final = Declined(
    code="not_confirmed", message="The payer did not confirm the payment in time", retryable=False
)

# What a request ends with that the gateway has certainly not seen.
NOT_SENT: Final = Declined(
    code="gateway_unavailable", message="The payment gateway could not be reached", retryable=True
)


class Gateway(Protocol):
    """One payment provider. Every method may raise the two exceptions above."""

    @property
    def has_outside_effect(self) -> bool:
        """False when nothing outside our own database can change: there is nothing to be uncertain about."""
        ...

    @property
    def takes_real_money(self) -> bool:
        """False for one that is there to try things out: its yes brings nobody any money."""
        ...

    def charge(self, request: ChargeRequest) -> ChargeOutcome: ...

    def capture(self, request: CaptureRequest) -> Outcome: ...

    def void(self, request: VoidRequest) -> Outcome: ...

    def refund(self, request: RefundRequest) -> Outcome: ...

    def find(self, request: Request) -> ChargeOutcome | None:
        """What became of a request that was sent before; None when the gateway has never seen it."""
        ...


@overload
def decided(outcome: ChargeOutcome) -> Outcome: ...


@overload
def decided(outcome: None) -> None: ...


def decided(outcome: ChargeOutcome | None) -> Outcome | None:
    """What a gateway has told of a request that no payer has to confirm.

    Raises:
        OutcomeUnknown: it told of a payer all the same, which is no answer to that.
    """
    if isinstance(outcome, ActionRequired):
        raise OutcomeUnknown
    return outcome
