"""Every route of the payment service."""

from django.urls import re_path

from payment_service.payments import metrics, wiring
from payment_service.payments.api import urls as payments
from servicekit import adminsite, answers, conf, exposition, health
from servicekit.events.metrics import outbox

urlpatterns = [
    *payments.urlpatterns,
    *health.routes(service="payment_service", version=conf.VERSION, downstreams=wiring.downstreams),
    *exposition.routes(outbox, metrics.outcomes, metrics.unfinished),
    *adminsite.routes(),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
