"""Every route of the payment service."""

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from payment_service.payments import metrics, wiring
from payment_service.payments.api import urls as payments
from servicekit import answers, conf, exposition, health
from servicekit.events.metrics import outbox

urlpatterns = [
    *payments.urlpatterns,
    *health.routes(service="payment_service", version=conf.VERSION, downstreams=wiring.downstreams),
    *exposition.routes(outbox, metrics.outcomes, metrics.unfinished),
    re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
