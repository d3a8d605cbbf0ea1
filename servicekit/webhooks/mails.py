"""Telling the owner of an endpoint that it was disabled: a mail, at least once."""

import smtplib
from functools import partial
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.db.models.functions import Now

from servicekit.db import clock
from servicekit.retry import Backoff
from servicekit.runtime import workers
from servicekit.webhooks import endpoints
from servicekit.webhooks.models import Endpoint

log = structlog.get_logger()

BATCH: Final = 10
# How long a process has for one mail before another takes it over; several times EMAIL_TIMEOUT.
LEASE_S: Final = 120.0
SERVER_DOWN: Final = Backoff(first_s=10.0, longest_s=3600.0)
# After some two days it is no news any more.
MOST_TRIES: Final = 55
SUBJECT: Final = "{service}: no more webhooks for {host}"
BODY: Final = """\
{service} sends nothing to {host} any more: {reason}.

Its webhook is disabled. When it works again, enable it and have what failed sent again:

  manage.py webhooks enable {uid}
  manage.py webhooks recover {uid} --since {since}
"""


def send_once(*, batch: int = BATCH) -> int:
    """Send mails that are due; return how many. Ends at the first that the server refuses."""
    sent = 0
    for endpoint in Endpoint.objects.filter(mail_due_at__lte=Now()).order_by("mail_due_at")[:batch]:
        later = partial(_put_off, endpoint)
        is_sent = workers.isolated("webhook mails", endpoint.uid, partial(_send, endpoint), retry_later=later)
        if is_sent is False:
            break
        sent += bool(is_sent)
    return sent


def _send(endpoint: Endpoint) -> bool | None:
    """Whether it was sent; None when somebody else has it."""
    ours = Endpoint.objects.filter(pk=endpoint.pk, mail_tries=endpoint.mail_tries, mail_due_at__lte=Now())
    if not ours.update(mail_tries=F("mail_tries") + 1, mail_due_at=clock.seconds_from_now(LEASE_S)):
        return None
    endpoint.mail_tries += 1
    to = [endpoint.contact] if endpoint.contact else list(settings.WEBHOOKS.mail_to)
    try:
        if to:
            _mail(endpoint, to).send()
    except (smtplib.SMTPException, OSError) as problem:
        _put_off(endpoint, type(problem).__name__)
        return False
    Endpoint.objects.filter(pk=endpoint.pk, mail_tries=endpoint.mail_tries).update(mail_due_at=None)
    log.info("webhook.owner_told", webhook_id=str(endpoint.uid), by_mail=bool(to))
    return True


def _mail(endpoint: Endpoint, to: list[str]) -> EmailMessage:
    said = {
        "service": settings.SERVICE_NAME,
        "host": endpoints.host_of(endpoint),
        "reason": endpoint.disabled_reason,
        "uid": endpoint.uid,
        "since": f"{endpoint.failing_since or endpoint.disabled_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    headers = {"Message-ID": f"<{endpoint.uid}-{endpoint.version}@webhooks.invalid>"}
    return EmailMessage(SUBJECT.format(**said), BODY.format(**said), to=to, headers=headers)


def _put_off(endpoint: Endpoint, problem: str) -> None:
    """Send it later, each time a little later; some day never."""
    is_over = endpoint.mail_tries >= MOST_TRIES
    due_at = None if is_over else clock.seconds_from_now(SERVER_DOWN.wait_s(endpoint.mail_tries - 1))
    Endpoint.objects.filter(pk=endpoint.pk, mail_tries=endpoint.mail_tries).update(mail_due_at=due_at)
    event = "webhook.mail_given_up" if is_over else "webhook.mail_put_off"
    log.warning(event, webhook_id=str(endpoint.uid), tries=endpoint.mail_tries, problem=problem)
