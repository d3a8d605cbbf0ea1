"""Every route of the product stub."""

from django.urls import re_path

from product_stub.catalog import clients
from product_stub.catalog.api import urls as catalog
from servicekit import adminsite, answers, conf, exposition, health

urlpatterns = [
    *catalog.urlpatterns,
    *health.routes(service="product_stub", version=conf.VERSION, downstreams=lambda: [clients.downstream()]),
    *exposition.routes(),
    *adminsite.routes(),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
