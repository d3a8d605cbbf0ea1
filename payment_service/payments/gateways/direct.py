"""The gateways that need nobody: every positive amount is approved at once, and nothing outside changes."""

import uuid
from dataclasses import replace

from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Declined,
    Outcome,
    RefundRequest,
    Request,
    VoidRequest,
)

# Ids are derived from the key, so that the same key has the same answer without anything being kept.
_NAMESPACE = uuid.UUID("5f0c7a0e-5d0f-4c36-9c0b-6f2c35a1f1d7")


class DirectGateway:
    """The rule of the simplest payment service there is: `amount > 0` is paid."""

    has_outside_effect = False
    takes_real_money = False

    def charge(self, request: ChargeRequest) -> Outcome:
        if request.amount <= 0:
            return Declined(code="invalid_amount", message="Amount must be positive.", retryable=False)
        return _approve(request)

    def capture(self, request: CaptureRequest) -> Outcome:
        return _approve(request)

    def void(self, request: VoidRequest) -> Outcome:
        return _approve(request)

    def refund(self, request: RefundRequest) -> Outcome:
        return _approve(request)

    def find(self, request: Request) -> Outcome | None:
        return self.charge(request) if isinstance(request, ChargeRequest) else _approve(request)


class CashGateway(DirectGateway):
    """Cash on delivery: the money is the courier's to take, and a yes here is the promise that they will."""

    takes_real_money = True

    def charge(self, request: ChargeRequest) -> Outcome:
        outcome = super().charge(request)
        return replace(outcome, response={"gateway": "cash", "result": "to be taken by the courier"})


def _approve(request: Request) -> Approved:
    return Approved(transaction_id=f"txn_{uuid.uuid5(_NAMESPACE, request.key).hex}")
