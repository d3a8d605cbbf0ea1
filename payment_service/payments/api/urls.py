"""The doors of the payment service, and what a key must be allowed at each route."""

from django.urls import re_path

from payment_service.payments.api.charges import views as charges
from payment_service.payments.api.pay import views as pay
from payment_service.payments.api.payments import views as payments
from payment_service.payments.api.process import views as process
from payment_service.payments.api.stripe import views as stripe
from servicekit.web.routes import route

_PAYMENT = r"^api/v1/payments/payment/(?P<payment_id>[^/]+)"

urlpatterns = [
    re_path(r"^webhooks/stripe/?$", stripe.StripeView.as_view()),
    route(r"^api/payments/?$", payments.PaymentsView, post="payments:charge"),
    route(r"^api/payments/(?P<order_id>[^/]+)/?$", payments.PaymentView, get="payments:read"),
    route(r"^api/payments/(?P<order_id>[^/]+)/void/?$", payments.VoidView, post="payments:refund"),
    route(r"^pay/?$", pay.PayView, post="payments:charge"),
    route(r"^v1/payments/?$", charges.ListView, get="payments:read"),
    route(r"^v1/payments/charge/?$", charges.ChargeView, post="payments:charge"),
    route(r"^v1/payments/(?P<number>[^/]+)/refund/?$", charges.RefundView, post="payments:refund"),
    route(r"^api/v1/payments/process/?$", process.ProcessView, post="payments:charge"),
    route(r"^api/v1/payments/capture/?$", process.CaptureView, post="payments:capture"),
    route(r"^api/v1/payments/void/?$", process.VoidView, post="payments:refund"),
    route(r"^api/v1/payments/refund/?$", process.RefundView, post="payments:refund"),
    route(r"^api/v1/payments/blocked/?$", process.BlockedView, get="payments:read"),
    route(_PAYMENT + r"/events/?$", process.EventsView, get="payments:read"),
    route(_PAYMENT + r"/progress/?$", process.ProgressView, get="payments:read"),
    route(_PAYMENT + r"/take-up/?$", process.TakeUpView, post="payments:refund"),
    route(_PAYMENT + r"/?$", process.PaymentView, get="payments:read"),
    route(r"^api/v1/payments/order/(?P<order_id>[^/]+)/?$", process.OrderView, get="payments:read"),
    route(r"^api/v1/payments/transaction/(?P<transaction_id>[^/]+)/?$", process.TransactionView, get="payments:read"),
]
