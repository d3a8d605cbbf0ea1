"""`/webhooks/stripe/`: what Stripe tells by itself. It has no key of ours; its signature says who it is."""

from django.conf import settings
from drf_spectacular.utils import extend_schema

from payment_service.payments.errors import BadSignature, StripeNotExpected
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import BadNotice
from payment_service.payments.writes import disputes
from servicekit.web.messages import Request, Response
from servicekit.web.views import View

_SIGNATURE = "HTTP_STRIPE_SIGNATURE"


class StripeView(View):
    """Answers 2xx only when what was told is written down: else Stripe tells it again."""

    parser_classes = []

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        if not settings.STRIPE_WEBHOOK_SECRETS:
            raise StripeNotExpected
        try:
            notice = registry.stripe_notice(request.body, request.META.get(_SIGNATURE, ""))
        except BadNotice:
            raise BadSignature from None
        return Response({"received": notice.reference, "is_new": disputes.record(notice)})
