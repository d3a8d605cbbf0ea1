"""Every route of the product stub."""

from django.urls import re_path

from product_stub.catalog import clients
from product_stub.catalog.api import urls as catalog
from product_stub.catalog.ops.audit import invariants
from servicekit.operations import checks
from servicekit.settings import base
from servicekit.web import error_responses, health, metrics_endpoint
from servicekit.web.admin import site

urlpatterns = [
    *catalog.urlpatterns,
    *checks.routes(invariants.passes),
    *health.routes(service="product_stub", version=base.VERSION, dependencies=lambda: [clients.dependency()]),
    *metrics_endpoint.routes(),
    *site.routes(),
    re_path(r"", error_responses.unknown_route),
]

handler400 = error_responses.refused
handler403 = error_responses.refused
handler404 = error_responses.refused
handler500 = error_responses.server_error
