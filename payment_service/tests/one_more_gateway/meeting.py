"""A gateway that answers nobody before so many ask at once: whoever lets it keep others from asking waits in vain."""

import threading
from typing import Final

from payment_service.payments.gateways.base import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
)

AT_ONCE: Final = 8
PATIENCE_S: Final = 120.0


class MeetingGateway:
    """Says yes to eight charges together."""

    has_outside_effect = True
    takes_real_money = False

    def __init__(self) -> None:
        self._all_are_here = threading.Barrier(AT_ONCE)

    def charge(self, request: ChargeRequest) -> Outcome:
        try:
            self._all_are_here.wait(PATIENCE_S)
        except threading.BrokenBarrierError as broken:
            raise OutcomeUnknown from broken
        return Approved(f"txn_{request.key}")

    def capture(self, request: CaptureRequest) -> Outcome:
        return Approved(request.transaction_id)

    def void(self, request: VoidRequest) -> Outcome:
        return Approved(request.transaction_id)

    def refund(self, request: RefundRequest) -> Outcome:
        return Approved(request.transaction_id)

    def find(self, request: Request) -> Outcome | None:
        return None
