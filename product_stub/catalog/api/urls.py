"""The routes of the catalogue, each with and without the trailing slash, and what a key must be allowed at each."""

from django.urls import re_path

from product_stub.catalog.api import views
from servicekit.web.routes import route

# No leading zeros, and within a BIGINT.
PRODUCT = r"^api/products/(?P<product_id>[1-9][0-9]{0,17})"
RESERVATION = r"^api/reservations/(?P<reservation_id>[A-Za-z0-9-]{1,64})"

urlpatterns = [
    # First, because each order comes here. `confirm` is what is asked for many, and no id.
    route(r"^api/reservations/confirm/?$", views.ConfirmManyView, post="reservations"),
    route(RESERVATION + r"/?$", views.ReservationView, get="reservations", put="reservations", delete="reservations"),
    route(RESERVATION + r"/confirm/?$", views.ConfirmView, post="reservations"),
    route(r"^api/products/?$", views.ProductsView, get="products:read", post="products:write"),
    route(PRODUCT + r"/?$", views.ProductView, get="products:read"),
    route(PRODUCT + r"/restock/?$", views.RestockView, post="products:write"),
    re_path(r"^api/products/[^/]+(?:/restock)?/?$", views.NoProductView.as_view()),
    re_path(r"^api/reservations/[^/]+(?:/confirm)?/?$", views.NoReservationView.as_view()),
]
