"""The routes of the mails, and what a key must be allowed at each."""

from notify_service.mailing.api import views
from servicekit.web.routes import route

urlpatterns = [
    route(r"^api/mails/?$", views.MailsView, get="mails:read"),
]
