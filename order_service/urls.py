"""Every route of the order service."""

from django.urls import re_path

from order_service.orders import clients, metrics
from order_service.orders.api import urls as orders
from servicekit import adminsite, answers, conf, exposition, health
from servicekit.events.metrics import outbox
from servicekit.inbox.metrics import parked

urlpatterns = [
    *orders.urlpatterns,
    *health.routes(service="order_service", version=conf.VERSION, downstreams=clients.downstreams),
    *exposition.routes(outbox, metrics.outcomes, metrics.unfinished, metrics.blocked, metrics.news_of_payments, parked),
    *adminsite.routes(),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
