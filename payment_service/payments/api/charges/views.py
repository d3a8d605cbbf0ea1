"""`/v1/payments`: charges and refunds by number, and the list of payments."""

from django.conf import settings

from payment_service.payments import reads
from payment_service.payments.api import listing
from payment_service.payments.api.charges import docs
from payment_service.payments.api.charges.schemas import (
    REFUND_STATUSES,
    ChargeIn,
    ChargeRefundIn,
    ListIn,
    charge_body,
    page_body,
    refund_body,
)
from payment_service.payments.api.fields import number_in_path, token_in
from payment_service.payments.use_cases import charging, refunding, repair
from payment_service.payments.writes.attempts import Asked
from servicekit.idempotency.keys import creation_id, id_of_key, idempotent
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class ChargeView(View):
    """Charges."""

    @docs.CHARGE
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(ChargeIn, request.data)
        charged = charging.charge_payment(
            Asked(
                uid=creation_id(request),
                order_id=asked["order_id"],
                amount=asked["amount"],
                currency=asked["currency"],
                method=asked["method"],
                token=token_in(asked),
                notify_order=settings.ORDER_NOTICES,
            )
        )
        return Response(charge_body(charged.payment), status=201 if charged.is_new else 200)


class RefundView(View):
    """Giving a payment back, or a part of it."""

    @docs.REFUND
    @idempotent
    def post(self, request: Request, number: str) -> Response:
        asked = parsed(ChargeRefundIn, request.data)
        payment = repair.look_at(reads.payment_by_number(number_in_path(number)))
        refunded = refunding.refund_charge(payment, uid=id_of_key(request), amount=asked.get("amount"))
        return Response(refund_body(refunded), status=REFUND_STATUSES[refunded.is_done])


class ListView(View):
    """Every payment."""

    @docs.LIST
    def get(self, request: Request) -> Response:
        asked = parsed(ListIn, request.query_params)
        return Response(page_body(asked["place"], listing.list_payments(**asked)))
