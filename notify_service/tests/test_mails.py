"""Events become mails: which, with which words, and how often."""

import smtplib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from notify_service.mailing.models import Mail
from notify_service.mailing.sending import MOST_TRIES, purge_once, send_once
from notify_service.tests.conftest import Scripted, event, hear, make_due, subjects
from servicekit.inbox.models import Consumed, Parked

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("message", "subject", "body"),
    [
        (event("payment.successful"), "Payment received for order o-1", "25.50 USD was taken for order o-1.\n"),
        (
            event("payment.failed", captured=0, failure_code="expired_card"),
            "Payment failed for order o-1",
            "25.50 USD could not be taken for order o-1 (expired_card). Nothing was charged.\n",
        ),
        (
            event("payment.refunded", refund_amount=Decimal("5.25")),
            "Refund for order o-1",
            "5.25 USD was given back for order o-1.\n",
        ),
    ],
    ids=["successful", "failed", "refunded"],
)
def test_each_event_has_its_words(message: Any, subject: str, body: str) -> None:
    """To MAIL_TO, from MAIL_FROM."""
    assert hear(message) == "written"
    assert send_once() == 1
    [sent] = mail.outbox
    assert (sent.subject, sent.body, sent.to) == (subject, body, ["orders@localhost"])
    assert sent.from_email == "Shop <shop@localhost>"


@pytest.mark.parametrize("kind", ["payment.authorized", "payment.voided", "order.created"])
def test_other_events_are_no_mails(kind: str) -> None:
    """Nothing is written, nothing parked."""
    assert hear(event(kind)) == "ignored"
    assert (Mail.objects.count(), Consumed.objects.count(), Parked.objects.count()) == (0, 0, 0)


def test_an_event_that_is_delivered_twice_is_one_mail() -> None:
    """Before the mail is sent, and after."""
    first = event("payment.successful", event_id="e-1")
    assert [hear(first), hear(event("payment.successful", event_id="e-1", offset=9))] == ["written", "duplicate"]
    assert (send_once(), hear(first), send_once()) == (1, "duplicate", 0)
    assert len(subjects()) == 1


@pytest.mark.parametrize(
    "data",
    [{"order_id": None}, {"order_id": 7}, {"currency": None}, {"amount": "a lot"}, {"captured": None}],
    ids=str,
)
def test_a_payload_that_says_too_little_is_parked(data: dict[str, Any]) -> None:
    """No mail with a hole in it."""
    assert hear(event("payment.successful", **data)) == "parked"
    assert (Mail.objects.count(), Parked.objects.get().reason) == (0, "unknown_schema")


def test_a_refund_without_its_amount_is_parked() -> None:
    """The payment's sums do not say which part this one was."""
    assert hear(event("payment.refunded")) == "parked"


def test_no_event_can_write_a_header(server: type[Scripted]) -> None:
    """An order's reference is its client's own text."""
    hear(event("payment.successful", order_id="1\r\nBcc: everybody@example.org\r\n" + "x" * 200))
    assert send_once() == 1
    assert mail.outbox[0].subject.startswith("Payment received for order 1 Bcc: everybody@example.org xxx")
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].recipients() == ["orders@localhost"]


@pytest.mark.parametrize("failure", [smtplib.SMTPServerDisconnected("gone"), ConnectionRefusedError()], ids=repr)
def test_a_mail_server_that_is_away_delays_mails(server: type[Scripted], failure: Exception) -> None:
    """In their order, each once; the round ends at the first, which is tried again after a wait."""
    hear(event("payment.successful", order_id="first"))
    hear(event("payment.successful", order_id="second"))
    server.failures = [failure]
    assert (send_once(), subjects()) == (0, [])
    assert send_once() == 1  # the other's time has come, the first one's not yet
    make_due()
    assert (send_once(), send_once()) == (1, 0)
    assert subjects() == ["Payment received for order second", "Payment received for order first"]


def test_a_mail_that_cannot_be_written_keeps_no_other_waiting(server: type[Scripted]) -> None:
    """It is tried again later; the next goes out in the same round."""
    hear(event("payment.successful", order_id="first"))
    hear(event("payment.successful", order_id="second"))
    Mail.objects.filter(pk=Mail.objects.order_by("number")[0].pk).update(subject="two\nlines")
    assert (send_once(), subjects()) == (1, ["Payment received for order second"])
    assert (send_once(), Mail.objects.filter(sent_at=None).count()) == (0, 1)


def test_a_mail_that_never_goes_out_is_given_up(server: type[Scripted]) -> None:
    """It is kept, and kept from being tried for ever."""
    hear(event("payment.successful"))
    server.failures = [smtplib.SMTPRecipientsRefused({})] * 100
    for _ in range(100):
        make_due()
        send_once()
    written = Mail.objects.get()
    assert (written.tries, written.due_at, written.sent_at) == (MOST_TRIES, None, None)


def test_a_process_that_dies_after_sending_sends_once_more(server: type[Scripted]) -> None:
    """At least once: the second has the first one's Message-ID."""
    hear(event("payment.successful"))
    server.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        send_once()
    assert send_once() == 0  # until the lease runs out
    make_due()
    assert send_once() == 1
    ids = [sent.message()["Message-ID"] for sent in mail.outbox]
    assert ids == [ids[0]] * 2
    assert ids[0].endswith("@notify.invalid>")


def test_old_mails_are_forgotten() -> None:
    """Sent ones; what waits is kept."""
    hear(event("payment.successful"))
    hear(event("payment.failed"))
    assert send_once(batch=1) == 1
    Mail.objects.filter(sent_at__isnull=False).update(sent_at=timezone.now() - timedelta(days=15))
    assert [purge_once(), purge_once()] == [1, 0]
    assert Mail.objects.get().sent_at is None
