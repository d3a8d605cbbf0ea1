"""Every route of the order service."""

from django.urls import re_path

from order_service.orders import clients, event_handlers
from order_service.orders.api import urls as orders
from order_service.orders.ops import metrics
from order_service.orders.ops.audit import invariants
from servicekit.events.metrics import outbox
from servicekit.inbox.metrics import parked
from servicekit.operations import checks, inbox
from servicekit.operations import outbox as dead_letters
from servicekit.settings import base
from servicekit.web import error_responses, health, metrics_endpoint
from servicekit.web.admin import site
from servicekit.webhooks.api import urls as webhooks
from servicekit.webhooks.metrics import webhooks as webhook_gauges

urlpatterns = [
    *orders.urlpatterns,
    *webhooks.urlpatterns,
    *checks.routes(invariants.passes),
    *dead_letters.routes(),
    *inbox.routes(event_handlers.CONSUMER),
    *health.routes(service="order_service", version=base.VERSION, dependencies=clients.dependencies),
    *metrics_endpoint.routes(
        outbox, metrics.outcomes, metrics.unfinished, metrics.blocked, metrics.news_of_payments, parked, webhook_gauges
    ),
    *site.routes(),
    re_path(r"", error_responses.unknown_route),
]

handler400 = error_responses.refused
handler403 = error_responses.refused
handler404 = error_responses.refused
handler500 = error_responses.server_error
