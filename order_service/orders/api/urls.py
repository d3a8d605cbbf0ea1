"""Routes of the order API, and what a key must be allowed at each. With and without a trailing slash: a redirect would
lose a POST's body."""

from order_service.orders.api import views
from servicekit.web.routes import route

_ORDER = r"^api/orders/(?P<reference>[^/]+)"

urlpatterns = [
    route(r"^api/orders/?$", views.OrdersView, get="orders:read", post="orders:write"),
    route(_ORDER + r"/?$", views.OrderView, get="orders:read"),
    route(_ORDER + r"/events/?$", views.OrderEventsView, get="orders:read"),
    route(_ORDER + r"/progress/?$", views.OrderProgressView, get="orders:read"),
    route(_ORDER + r"/cancel/?$", views.CancelOrderView, post="orders:cancel"),
    route(_ORDER + r"/payment/?$", views.LookAgainView, post="orders:write"),
]
