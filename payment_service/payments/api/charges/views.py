"""`/v1/payments`: charges and refunds by number, and the list of payments."""

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
from payment_service.payments.api.fields import number_in_path
from payment_service.payments.use_cases import charging, refunding, repair
from servicekit.idempotency.keys import creation_id, idempotent
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.paging import Place
from servicekit.web.views import View


class ChargeView(View):
    """Charges."""

    @docs.CHARGE
    @idempotent
    def post(self, request: Request) -> Response:
        charged = charging.charge_payment(ChargeIn.read(request.data, uid=creation_id(request)))
        return Response(charge_body(charged.payment), status=201 if charged.is_new else 200)


class RefundView(View):
    """Giving a payment back, or a part of it."""

    @docs.REFUND
    @idempotent
    def post(self, request: Request, number: str) -> Response:
        asked = parsed(ChargeRefundIn, request.data)
        payment = repair.look_at(reads.payment_by_number(number_in_path(number)))
        refunded = refunding.refund_charge(payment, uid=request.key_id, amount=asked.get("amount"))
        return Response(refund_body(refunded), status=REFUND_STATUSES[refunded.is_done])


class ListView(View):
    """Every payment."""

    @docs.LIST
    def get(self, request: Request) -> Response:
        asked = parsed(ListIn, request.query_params)
        place: Place = asked["place"]
        listed = listing.list_payments(asked["filters"], ascending=asked["ascending"], place=place)
        return Response(page_body(place, listed))
