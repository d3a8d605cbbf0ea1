"""The kinds of differences, each with what it means and what to do about it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from payment_service.payments.models import Payment
from payment_service.payments.reconciling.settlements import Settlement, Unreadable
from payment_service.payments.states import Status

# Kind → what it means and what to do. In the order in which they are counted for people.
KINDS: Final[Mapping[str, str]] = {
    "missing": "The ledger has it, the file does not. If the file is of that time, money that the ledger counts on "
    "was never taken: ask the gateway.",
    "extra": "The gateway has it, the ledger does not. If it took money, give it back at the gateway, or find out "
    "which order it was for.",
    "duplicate": "The file has this transaction more than once. If it was settled twice, ask the gateway.",
    "wrong_amount": "Another amount was taken. The gateway's is the one that moved.",
    "wrong_currency": "The same number of another money. Correct it at the gateway before anything else is refunded.",
    "wrong_status": "One of the two does not know what happened. Look at the payment's events, and start the worker.",
    "wrong_refunded": "Another amount was given back. Compare the refunds one by one.",
    "wrong_order": "The money was taken for another order. Look which of the two was charged.",
    "disputed": "The payer's bank wants this money back, or has it. Answer the dispute at the gateway.",
    "unreadable": "The row cannot be compared. Correct the file and run this again.",
}
_WAITING: Final = "The ledger is still waiting for an answer: let the worker finish, then run this again. "


class Difference(NamedTuple):
    """One difference. `line` is that of the file, None where the file has none."""

    kind: str
    line: int | None
    transaction_id: str
    order_id: str
    at_the_gateway: str
    in_the_ledger: str
    message: str


def only_in_the_ledger(payment: Payment) -> Difference:
    found = _payment(payment)
    return Difference(
        "missing", None, payment.transaction_id or "", payment.order_id, "", found, _advice("missing", payment)
    )


def only_at_the_gateway(row: Settlement, payment: Payment | None) -> Difference:
    """Args:
    payment: What the ledger has in its place: of the same order, or of another gateway.
    """
    found = "" if payment is None else f"{_payment(payment)} as {payment.transaction_id or 'no transaction'}"
    found += f" at gateway {payment.gateway}" if payment is not None and payment.gateway else ""
    order_id = row.order_id or ("" if payment is None else payment.order_id)
    return Difference(
        "extra", row.line, row.transaction_id, order_id, _settlement(row), found, _advice("extra", payment)
    )


def duplicate(row: Settlement, earlier: int) -> Difference:
    message = f"It is on line {earlier} already. {KINDS['duplicate']}"
    return Difference("duplicate", row.line, row.transaction_id, row.order_id or "", _settlement(row), "", message)


def wrong(name: str, row: Settlement, payment: Payment, *, at_the_gateway: str, in_the_ledger: str) -> Difference:
    kind = f"wrong_{name}"
    message = _advice(kind, payment)
    return Difference(kind, row.line, row.transaction_id, payment.order_id, at_the_gateway, in_the_ledger, message)


def disputed(payment: Payment) -> Difference:
    """The ledger's own word: files of settlements know nothing of disputes, or have them as other rows."""
    at_the_gateway, transaction_id = f"{payment.disputed} {payment.currency} disputed", payment.transaction_id or ""
    message = _advice("disputed", payment)
    return Difference("disputed", None, transaction_id, payment.order_id, at_the_gateway, _payment(payment), message)


def unreadable(row: Unreadable) -> Difference:
    return Difference("unreadable", row.line, row.transaction_id, "", "", "", f"{row.message} {KINDS['unreadable']}")


def _advice(kind: str, payment: Payment | None) -> str:
    is_waiting = payment is not None and (payment.status == Status.PROCESSING or payment.due_at is not None)
    return f"{_WAITING if is_waiting else ''}{KINDS[kind]}"


def _settlement(row: Settlement) -> str:
    return f"{row.amount} {row.currency} {row.status}"


def _payment(payment: Payment) -> str:
    return f"{payment.captured or payment.amount} {payment.currency} {payment.status}"
