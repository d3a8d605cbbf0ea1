"""Routes of the webhooks, the same in each service that has any. All ask for one scope."""

from typing import Final

from servicekit.web.routes import route
from servicekit.webhooks.api import views

SCOPE: Final = "webhooks"
_ENDPOINT: Final = r"^api/webhooks/(?P<endpoint>[^/]+)"
_DELIVERY: Final = _ENDPOINT + r"/deliveries/(?P<delivery>[^/]+)"

urlpatterns = [
    route(r"^api/webhooks/?$", views.WebhooksView, get=SCOPE, post=SCOPE),
    route(_ENDPOINT + r"/?$", views.WebhookView, get=SCOPE, patch=SCOPE, delete=SCOPE),
    route(_ENDPOINT + r"/rotate/?$", views.RotateView, post=SCOPE),
    route(_ENDPOINT + r"/example/?$", views.ExampleView, post=SCOPE),
    route(_ENDPOINT + r"/recover/?$", views.RecoverView, post=SCOPE),
    route(_ENDPOINT + r"/deliveries/?$", views.DeliveriesView, get=SCOPE),
    route(_DELIVERY + r"/?$", views.DeliveryView, get=SCOPE),
    route(_DELIVERY + r"/resend/?$", views.ResendView, post=SCOPE),
]
