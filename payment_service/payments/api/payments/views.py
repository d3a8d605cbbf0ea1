"""`/api/payments`: what the order service uses, and whoever else just wants an order paid."""

from collections.abc import Callable

from payment_service.payments import reads
from payment_service.payments.api.fields import order_in_path
from payment_service.payments.api.payments import docs
from payment_service.payments.api.payments.schemas import PaymentIn, VoidIn, payment_body
from payment_service.payments.use_cases import charging, repair
from servicekit.idempotency.keys import creation_id, idempotent, idempotent_at_once
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


def charge_at_once(request: Request) -> Callable[[], Response] | None:
    """The short way of most charges: one transaction in all."""
    asked = PaymentIn.read(request.data, uid=creation_id(request))
    if not charging.is_one_write(asked):
        return None
    return lambda: Response(payment_body(charging.charge_at_once(asked)), status=201)


class PaymentsView(View):
    """Charges."""

    @docs.CREATE_PAYMENT
    @idempotent_at_once(charge_at_once)
    def post(self, request: Request) -> Response:
        charged = charging.charge_payment(PaymentIn.read(request.data, uid=creation_id(request)))
        return Response(payment_body(charged.payment), status=201 if charged.is_new else 200)


class PaymentView(View):
    """One order's payment."""

    @docs.READ_PAYMENT
    def get(self, _request: Request, order_id: str) -> Response:
        return Response(payment_body(repair.look_at(reads.payment_of_order(order_in_path(order_id)))))


class VoidView(View):
    """Holding no money for an order."""

    @docs.VOID_PAYMENT
    @idempotent
    def post(self, request: Request, order_id: str) -> Response:
        asked = parsed(VoidIn, request.data)
        voided = repair.void_payment(order_in_path(order_id), amount=asked.get("amount"))
        return Response(payment_body(voided.payment), status=200 if voided.is_done else 202)
