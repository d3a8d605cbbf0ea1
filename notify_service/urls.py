"""Every route of the notify service. All of them only read: mails are written by its consumer."""

from django.urls import re_path

from notify_service.mailing.api import urls as mailing
from servicekit.inbox import metrics
from servicekit.settings import base
from servicekit.web import error_responses, health, metrics_endpoint
from servicekit.web.admin import site

urlpatterns = [
    *mailing.urlpatterns,
    *health.routes(service="notify_service", version=base.VERSION),
    *metrics_endpoint.routes(metrics.parked),
    *site.routes(),
    re_path(r"", error_responses.unknown_route),
]

handler400 = error_responses.refused
handler403 = error_responses.refused
handler404 = error_responses.refused
handler500 = error_responses.server_error
