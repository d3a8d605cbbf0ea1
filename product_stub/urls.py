"""Every route of the product stub."""

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from product_stub.catalog import clients
from product_stub.catalog.api import urls as catalog
from servicekit import answers, conf, exposition, health

urlpatterns = [
    *catalog.urlpatterns,
    *health.routes(service="product_stub", version=conf.VERSION, downstreams=lambda: [clients.downstream()]),
    *exposition.routes(),
    re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
