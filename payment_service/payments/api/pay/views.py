"""`/pay`: pays an order of the order service, which is asked what it costs and told when it is paid."""

from django.conf import settings

from payment_service.payments.api.fields import method_in, order_id_on_wire, token_in
from payment_service.payments.api.pay import docs
from payment_service.payments.api.pay.schemas import PayIn, pay_answer
from payment_service.payments.use_cases import paying
from servicekit.idempotency.keys import creation_id, idempotent
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class PayView(View):
    """Paying for an order."""

    @docs.PAY
    @idempotent
    def post(self, request: Request) -> Response:
        asked = parsed(PayIn, request.data)
        payment = paying.pay_order(
            asked["order_id"],
            uid=creation_id(request),
            amount=asked["amount"],
            currency=asked.get("currency"),
            method=method_in(asked, default=settings.DEFAULT_PAYMENT_METHOD),
            token=token_in(asked),
        )
        body, status = pay_answer(payment, order_id_on_wire(asked["order_id"]))
        return Response(body, status=status)
