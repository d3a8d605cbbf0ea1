"""Routes of the order API, each with and without a trailing slash: a redirect would lose a POST's body."""

from django.urls import re_path

from order_service.orders.api import views

_ORDER = r"^api/orders/(?P<reference>[^/]+)"

urlpatterns = [
    re_path(r"^api/orders/?$", views.OrdersView.as_view()),
    re_path(_ORDER + r"/?$", views.OrderView.as_view()),
    re_path(_ORDER + r"/events/?$", views.OrderEventsView.as_view()),
    re_path(_ORDER + r"/cancel/?$", views.CancelOrderView.as_view()),
    re_path(_ORDER + r"/payment/?$", views.LookAgainView.as_view()),
]
