"""The doors of the payment service."""

from django.urls import re_path

from payment_service.payments.api.charges import views as charges
from payment_service.payments.api.pay import views as pay
from payment_service.payments.api.payments import views as payments
from payment_service.payments.api.process import views as process

urlpatterns = [
    re_path(r"^api/payments/?$", payments.PaymentsView.as_view()),
    re_path(r"^api/payments/(?P<order_id>[^/]+)/?$", payments.PaymentView.as_view()),
    re_path(r"^api/payments/(?P<order_id>[^/]+)/void/?$", payments.VoidView.as_view()),
    re_path(r"^pay/?$", pay.PayView.as_view()),
    re_path(r"^v1/payments/?$", charges.ListView.as_view()),
    re_path(r"^v1/payments/charge/?$", charges.ChargeView.as_view()),
    re_path(r"^v1/payments/(?P<number>[^/]+)/refund/?$", charges.RefundView.as_view()),
    re_path(r"^api/v1/payments/process/?$", process.ProcessView.as_view()),
    re_path(r"^api/v1/payments/capture/?$", process.CaptureView.as_view()),
    re_path(r"^api/v1/payments/void/?$", process.VoidView.as_view()),
    re_path(r"^api/v1/payments/refund/?$", process.RefundView.as_view()),
    re_path(r"^api/v1/payments/payment/(?P<payment_id>[^/]+)/?$", process.PaymentView.as_view()),
    re_path(r"^api/v1/payments/order/(?P<order_id>[^/]+)/?$", process.OrderView.as_view()),
    re_path(r"^api/v1/payments/transaction/(?P<transaction_id>[^/]+)/?$", process.TransactionView.as_view()),
]
