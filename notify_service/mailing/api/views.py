"""HTTP in, one look, HTTP out."""

from notify_service.mailing import reads
from notify_service.mailing.api import docs
from notify_service.mailing.api.schemas import MailListIn, page_body
from servicekit.web.fields import parsed
from servicekit.web.messages import Request, Response
from servicekit.web.views import View


class MailsView(View):
    """What was sent, what waits, and what was given up."""

    @docs.LIST_MAILS
    def get(self, request: Request) -> Response:
        asked = parsed(MailListIn, request.query_params)
        return Response(page_body(asked["place"], reads.list_mails(asked["place"], asked["filters"])))
