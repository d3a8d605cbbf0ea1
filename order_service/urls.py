"""Every route of the order service."""

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from order_service.orders import clients, metrics
from order_service.orders.api import urls as orders
from servicekit import answers, conf, exposition, health
from servicekit.events.metrics import outbox
from servicekit.inbox.metrics import parked

urlpatterns = [
    *orders.urlpatterns,
    *health.routes(service="order_service", version=conf.VERSION, downstreams=clients.downstreams),
    *exposition.routes(outbox, metrics.outcomes, metrics.unfinished, metrics.blocked, metrics.news_of_payments, parked),
    re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    re_path(r"", answers.unknown_route),
]

handler400 = answers.refused
handler403 = answers.refused
handler404 = answers.refused
handler500 = answers.server_error
