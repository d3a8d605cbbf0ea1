"""The life of a payment and of a refund, as data. Imports no framework; docs and tests read it as they are.

A row's insert already is the recorded intent, so no door ever commits a PENDING payment: it is where the table starts.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Status(str, Enum):
    """Where a payment stands."""

    PENDING = "PENDING"  # wanted, nobody asked yet
    PROCESSING = "PROCESSING"  # asked, answer not known yet
    REQUIRES_ACTION = "REQUIRES_ACTION"  # asked, and the payer has to confirm it first
    AUTHORIZED = "AUTHORIZED"  # money set aside, not taken
    CAPTURED = "CAPTURED"  # money taken
    FAILED = "FAILED"  # this attempt took nothing; another may follow
    VOIDED = "VOIDED"  # never to be charged, nothing is held
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"  # some of it went back
    REFUNDED = "REFUNDED"  # all of it went back

    def __str__(self) -> str:
        return self.value


class RefundStatus(str, Enum):
    """Where a refund stands."""

    PENDING = "PENDING"  # booked and asked for, answer not known yet
    SUCCEEDED = "SUCCEEDED"  # the money went back
    FAILED = "FAILED"  # it did not; its amount can be refunded again

    def __str__(self) -> str:
        return self.value


class DisputeStatus(str, Enum):
    """Where a dispute stands: the payer's bank wants the money back, and has it unless the dispute is won."""

    OPEN = "OPEN"
    WON = "WON"  # the money is ours again
    LOST = "LOST"  # it is not

    def __str__(self) -> str:
        return self.value


class Operation(str, Enum):
    """What can be wanted of money that a payment holds, and what a gateway can refuse for good."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"

    def __str__(self) -> str:
        return self.value


TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.VOIDED}),
    Status.PROCESSING: frozenset({Status.REQUIRES_ACTION, Status.AUTHORIZED, Status.CAPTURED, Status.FAILED}),
    Status.REQUIRES_ACTION: frozenset({Status.AUTHORIZED, Status.CAPTURED, Status.FAILED, Status.VOIDED}),
    Status.AUTHORIZED: frozenset({Status.CAPTURED, Status.VOIDED}),
    Status.CAPTURED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    Status.FAILED: frozenset({Status.PROCESSING}),  # a new attempt
    Status.VOIDED: frozenset(),
    Status.PARTIALLY_REFUNDED: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),  # one more part, or the rest
    Status.REFUNDED: frozenset(),
}

REFUND_TRANSITIONS: Final[Mapping[RefundStatus, frozenset[RefundStatus]]] = {
    RefundStatus.PENDING: frozenset({RefundStatus.SUCCEEDED, RefundStatus.FAILED}),
    RefundStatus.SUCCEEDED: frozenset({RefundStatus.FAILED}),  # the gateway says later that it came back
    RefundStatus.FAILED: frozenset({RefundStatus.PENDING}),  # refused for good, and taken up again all the same
}

# What is told to the world when a payment gets there. PENDING and PROCESSING are nobody else's business.
EVENTS: Final[Mapping[Status, str]] = {
    Status.REQUIRES_ACTION: "payment.requires_action",
    Status.AUTHORIZED: "payment.authorized",
    Status.CAPTURED: "payment.successful",
    Status.FAILED: "payment.failed",
    Status.VOIDED: "payment.voided",
    Status.PARTIALLY_REFUNDED: "payment.refunded",
    Status.REFUNDED: "payment.refunded",
}

# What is told when a gateway refuses for good what is still wanted, and when somebody has it tried again.
BLOCKED_EVENTS: Final[Mapping[Operation, str]] = {operation: f"payment.{operation}_blocked" for operation in Operation}
TAKEN_UP: Final = "payment.taken_up"
# What the gateway says later: the payer's bank wants money back, that has ended, and a refund that was made has failed.
DISPUTED: Final = "payment.disputed"
DISPUTE_CLOSED: Final = "payment.dispute_closed"
REFUND_FAILED: Final = "payment.refund_failed"
# The operations whose refusal leaves money held that is to go back.
KEEPS_MONEY: Final = frozenset({Operation.VOID, Operation.REFUND})

# What has money that a refund can return.
REFUNDABLE: Final = frozenset({Status.CAPTURED, Status.PARTIALLY_REFUNDED})
# Where a void still has something to do, now or once the answer is known.
VOIDABLE: Final = frozenset({Status.PROCESSING, Status.REQUIRES_ACTION, Status.AUTHORIZED, *REFUNDABLE})
# Where the gateway has been asked for a charge and has not said yes or no yet.
UNDECIDED: Final = frozenset({Status.PROCESSING, Status.REQUIRES_ACTION})

# What clients of `/api/payments` see.
PAYMENTS_NAMES: Final[Mapping[Status, str]] = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PENDING",
    Status.REQUIRES_ACTION: "REQUIRES_ACTION",
    Status.AUTHORIZED: "PENDING",
    Status.CAPTURED: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.VOIDED: "VOIDED",
    Status.PARTIALLY_REFUNDED: "PARTIALLY_REFUNDED",
    Status.REFUNDED: "REFUNDED",
}
# Whether a payment took money; None: not known yet, or never wanted. It stays True when the money goes back later.
TAKEN: Final[Mapping[Status, bool | None]] = {
    Status.PENDING: None,
    Status.PROCESSING: None,
    Status.REQUIRES_ACTION: None,
    Status.AUTHORIZED: None,
    Status.CAPTURED: True,
    Status.FAILED: False,
    Status.VOIDED: None,
    Status.PARTIALLY_REFUNDED: True,
    Status.REFUNDED: True,
}
# What clients of `/v1/payments` see: SUCCESS is what has taken money, FAILED what has not.
CHARGES_NAMES: Final[Mapping[Status, str]] = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PENDING",
    Status.REQUIRES_ACTION: "PENDING",
    Status.AUTHORIZED: "PENDING",
    Status.CAPTURED: "SUCCESS",
    Status.FAILED: "FAILED",
    Status.VOIDED: "VOIDED",
    Status.PARTIALLY_REFUNDED: "SUCCESS",
    Status.REFUNDED: "SUCCESS",
}
# What clients of `/api/v1/payments` see.
PROCESS_NAMES: Final[Mapping[Status, str]] = {status: status.value.lower() for status in Status}

_SOURCES: Final[Mapping[Status, frozenset[Status]]] = {
    to: frozenset(source for source, targets in TRANSITIONS.items() if to in targets) for to in Status
}


def sources_of(to: Status) -> frozenset[Status]:
    """The statuses from which a payment may move to `to`."""
    return _SOURCES[to]


def diagram() -> str:
    """The life of a payment as a Mermaid state diagram: docs/payment-states.md shows it, a test keeps it current."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.PENDING}"]
    for source in Status:
        lines += [f"    {source} --> {to}" for to in Status if to in TRANSITIONS[source]]
        if not TRANSITIONS[source]:
            lines.append(f"    {source} --> [*]")
    return "\n".join(lines)
