"""The doors of the payment service."""

from django.urls import re_path

from payment_service.payments.api import payments

urlpatterns = [
    re_path(r"^api/payments/?$", payments.PaymentsView.as_view()),
    re_path(r"^api/payments/(?P<order_id>[^/]+)/?$", payments.PaymentView.as_view()),
    re_path(r"^api/payments/(?P<order_id>[^/]+)/void/?$", payments.VoidView.as_view()),
]
