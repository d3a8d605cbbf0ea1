"""Every route of the payment service."""

from django.urls import re_path

from payment_service.bank import pages as bank
from payment_service.payments import composition
from payment_service.payments.api import urls as payments
from payment_service.payments.ops import metrics
from payment_service.payments.ops.audit import passes
from payment_service.payments.use_cases import confirming
from servicekit.events.metrics import outbox
from servicekit.operations import checks
from servicekit.operations import outbox as dead_letters
from servicekit.settings import base
from servicekit.web import error_responses, health, metrics_endpoint
from servicekit.web.admin import site
from servicekit.webhooks.api import urls as webhooks
from servicekit.webhooks.metrics import webhooks as webhook_gauges

urlpatterns = [
    *payments.urlpatterns,
    *bank.routes(confirming.hear_of_payer),
    *webhooks.urlpatterns,
    *checks.routes(passes.passes, passes.waiting),
    *dead_letters.routes(),
    *health.routes(service="payment_service", version=base.VERSION, dependencies=composition.dependencies),
    *metrics_endpoint.routes(outbox, metrics.outcomes, metrics.unfinished, webhook_gauges),
    *site.routes(),
    re_path(r"", error_responses.unknown_route),
]

handler400 = error_responses.refused
handler403 = error_responses.refused
handler404 = error_responses.refused
handler500 = error_responses.server_error
