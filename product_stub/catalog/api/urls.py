"""The routes of the catalogue, each with and without the trailing slash."""

from django.urls import re_path

from product_stub.catalog.api import views

# No leading zeros, and within a BIGINT.
PRODUCT = r"^api/products/(?P<product_id>[1-9][0-9]{0,17})"
RESERVATION = r"^api/reservations/(?P<reservation_id>[A-Za-z0-9-]{1,64})"

urlpatterns = [
    # First, because each order comes here twice.
    re_path(RESERVATION + r"/?$", views.ReservationView.as_view()),
    re_path(RESERVATION + r"/confirm/?$", views.ConfirmView.as_view()),
    re_path(r"^api/products/?$", views.ProductsView.as_view()),
    re_path(PRODUCT + r"/?$", views.ProductView.as_view()),
    re_path(PRODUCT + r"/restock/?$", views.RestockView.as_view()),
    re_path(r"^api/products/[^/]+(?:/restock)?/?$", views.NoProductView.as_view()),
    re_path(r"^api/reservations/[^/]+(?:/confirm)?/?$", views.NoReservationView.as_view()),
]
