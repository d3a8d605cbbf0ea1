"""Sending mails: each at least once.

A mail server cannot be made part of a transaction. A process that dies between its answer and our note of it has the
mail sent again, under the same Message-ID, by which a mailbox can tell.
"""

import smtplib
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.db.models.functions import Now

from notify_service.mailing import addresses
from notify_service.mailing.models import MAX_ERROR_LENGTH, MAX_SENT_TO_LENGTH, Mail
from servicekit.db import clock, purge
from servicekit.retry import Backoff
from servicekit.runtime import workers

log = structlog.get_logger()

# One round: few enough to stop soon when asked to.
BATCH: Final = 20
# Waits after a mail server that refused or was away: 1, 2, 4 ... seconds.
SERVER_DOWN: Final = Backoff(first_s=1.0, longest_s=3600.0)
# After some two days a mail is no news any more.
MOST_TRIES: Final = 60
# By RFC 2606 nobody's domain, so no other mail has the same Message-ID.
MESSAGE_ID: Final = "<{uid}@notify.invalid>"


def send_once(*, batch: int = BATCH) -> int:
    """Send mails that are due, oldest first; return how many were sent. Ends at the first that the server refuses."""
    sent = 0
    for mail in Mail.objects.filter(due_at__lte=Now()).order_by("due_at", "number")[:batch]:
        is_sent = workers.isolated("send", mail.number, partial(_send, mail), retry_later=partial(_put_off, mail))
        if is_sent is False:
            break
        sent += bool(is_sent)
    return sent


def _send(mail: Mail) -> bool | None:
    """Whether it was sent; None when somebody else has it."""
    if not _claim(mail):
        return None
    try:
        _message(mail).send()
    except (smtplib.SMTPException, OSError) as problem:
        _put_off(mail, type(problem).__name__)
        return False
    to = addresses.masked(settings.MAIL_TO)[:MAX_SENT_TO_LENGTH]
    Mail.objects.filter(pk=mail.pk).update(sent_at=Now(), due_at=None, sent_to=to)
    log.info("mail.sent", number=mail.number)
    return True


def purge_once() -> int:
    """Forget mails that were sent longer ago than their events are remembered; return how many."""
    than_s = timedelta(days=settings.CONSUMED_KEPT_DAYS).total_seconds()
    return purge.delete_older(Mail.objects.all(), "sent_at", than_s=than_s)


def _claim(mail: Mail) -> bool:
    """Take a mail for as long as a lease lasts; the number of tries fences out an earlier lease."""
    taken = Mail.objects.filter(pk=mail.pk, tries=mail.tries, due_at__lte=Now()).update(
        tries=F("tries") + 1, due_at=clock.seconds_from_now(settings.MAIL_LEASE_S)
    )
    mail.tries += taken
    return bool(taken)


def _message(mail: Mail) -> EmailMessage:
    headers = {"Message-ID": MESSAGE_ID.format(uid=mail.uid)}
    return EmailMessage(mail.subject, mail.body, to=settings.MAIL_TO, headers=headers)


def _put_off(mail: Mail, problem: str) -> None:
    """Send it later, each time a little later; some day never."""
    due_at = None if mail.tries >= MOST_TRIES else clock.seconds_from_now(SERVER_DOWN.wait_s(mail.tries - 1))
    told = {"due_at": due_at, "last_error": problem[:MAX_ERROR_LENGTH]}
    Mail.objects.filter(pk=mail.pk, tries=mail.tries, sent_at=None).update(**told)
    event = "mail.given_up" if due_at is None else "mail.put_off"
    log.warning(event, number=mail.number, tries=mail.tries, problem=problem)
