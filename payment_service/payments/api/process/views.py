"""`/api/v1/payments`: authorise, capture, void and refund by transaction, and the whole record of a payment."""

from typing import Any

from payment_service.payments import reads
from payment_service.payments.api.fields import number_in_path, order_in_path, uid_in_path
from payment_service.payments.api.process import docs
from payment_service.payments.api.process.schemas import (
    CaptureIn,
    ProcessIn,
    RefundIn,
    TransactionVoidIn,
    blocked_row,
    progress,
    record,
    refund_answer,
    step_answer,
)
from payment_service.payments.models import Payment
from payment_service.payments.ops.audit import ledger
from payment_service.payments.use_cases import capturing, charging, refunding, repair
from payment_service.payments.writes import blocking
from servicekit.idempotency.keys import creation_id, has_key, idempotent
from servicekit.invariants.commands import QUIET_FOR_S
from servicekit.observability import actor
from servicekit.operations import checks
from servicekit.operations.shared import MAX_ROWS
from servicekit.web.fields import parsed, refuse_parameters
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class ProcessView(View):
    """Charging, or setting money aside."""

    @docs.PROCESS
    @idempotent
    def post(self, request: Request) -> Response:
        charged = charging.charge_payment(ProcessIn.read(request.data, uid=creation_id(request)))
        return _answer(step_answer(charged.payment))


class CaptureView(View):
    """Taking what was set aside."""

    @docs.CAPTURE
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(CaptureIn, request.data)
        payment = _looked_up(asked["transaction_id"])
        return _answer(step_answer(capturing.capture_payment(payment, amount=asked.get("amount"))))


class VoidView(View):
    """Releasing what was set aside."""

    @docs.VOID
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(TransactionVoidIn, request.data)
        payment = _looked_up(asked["transaction_id"])
        return _answer(step_answer(repair.void_authorization(payment, amount=asked.get("amount"))))


class RefundView(View):
    """Giving back what was taken, or a part of it."""

    @docs.REFUND
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(RefundIn, request.data)
        refund = refunding.refund_payment(
            _looked_up(asked["transaction_id"]),
            uid=creation_id(request),
            amount=asked.get("amount"),
            reason=asked.get("reason") or "",
            refuses_twin=not has_key(request),
        )
        return _answer(refund_answer(refund))


class PaymentView(View):
    """A payment by its own id."""

    @docs.READ_PAYMENT
    def get(self, _request: Request, payment_id: str) -> Response:
        return _shown(_by_id(payment_id))


class EventsView(View):
    """What happened to a payment."""

    @docs.PAYMENT_EVENTS
    def get(self, request: Request, payment_id: str) -> Response:
        refuse_parameters(request.query_params)
        return Response({"items": reads.trail_of(_by_id(payment_id))})


class ProgressView(View):
    """What the gateway was asked for, and what comes next."""

    @docs.PAYMENT_PROGRESS
    def get(self, _request: Request, payment_id: str) -> Response:
        payment = _by_id(payment_id)
        about, findings = ledger.of_payment(payment.number, quiet_for_s=QUIET_FOR_S)
        verdicts = checks.verdicts(about, findings, rows="this payment")
        return Response(progress(payment, reads.refunds_of(payment), reads.trail_of(payment), verdicts))


class BlockedView(View):
    """What waits for a person."""

    @docs.LIST_BLOCKED
    def get(self, request: Request) -> Response:
        refuse_parameters(request.query_params)
        found = reads.blocked()
        return Response({"items": [blocked_row(each) for each in found[:MAX_ROWS]], "total": len(found)})


class TakeUpView(View):
    """What a person has tried again."""

    @docs.TAKE_UP
    @idempotent
    def post(self, _request: Request, payment_id: str) -> Response:
        payment = blocking.take_up(_by_id(payment_id), by=actor.current())
        return Response(record(payment, reads.refunds_of(payment)), status=202)


class OrderView(View):
    """A payment by its order."""

    @docs.READ_ORDER
    def get(self, _request: Request, order_id: str) -> Response:
        return _shown(reads.payment_of_order(order_in_path(order_id)))


class TransactionView(View):
    """A payment by the gateway's transaction."""

    @docs.READ_TRANSACTION
    def get(self, _request: Request, transaction_id: str) -> Response:
        return _shown(reads.payment_by_transaction(transaction_id))


def _by_id(payment_id: str) -> Payment:
    uid = uid_in_path(payment_id)
    return reads.payment_by_uid(uid) if uid else reads.payment_by_number(number_in_path(payment_id))


def _answer(answer: tuple[dict[str, Any], int]) -> Response:
    body, status = answer
    return Response(body, status=status)


def _looked_up(transaction_id: str) -> Payment:
    return repair.look_at(reads.payment_by_transaction(transaction_id))


def _shown(found: Payment) -> Response:
    payment = repair.look_at(found)
    return Response(record(payment, reads.refunds_of(payment)))
