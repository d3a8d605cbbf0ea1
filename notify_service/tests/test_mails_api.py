"""What is told of the mails: those of an order, page by page, with what became of each and nothing that is secret."""

import smtplib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from notify_service.mailing import addresses
from notify_service.mailing.models import Mail
from notify_service.mailing.sending import MOST_TRIES, purge_once, send_once
from notify_service.tests.conftest import Scripted, event, hear, make_due
from servicekit import exactjson
from servicekit.tests.looking import assert_nothing_hidden_can_be_probed

pytestmark = pytest.mark.django_db
PATH = "/api/mails/"


def listed(client: Client, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(PATH, asked)
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_mail_is_told_of_from_its_event_to_its_end(client: Client, server: type[Scripted]) -> None:
    """Waiting, refused once, then sent: with its order, its event, whom it went to, and no word of its body."""
    hear(event("payment.successful", event_id="e-1", order_id="o-7"))
    (waiting,) = listed(client, order_id="o-7")
    row = Mail.objects.get()
    assert waiting == {
        "id": str(row.uid),
        "order_id": "o-7",
        "event_id": "e-1",
        "subject": "Payment received for order o-7",
        "to": "o***@localhost",
        "state": "waiting",
        "tries": 0,
        "last_error": None,
        "next_attempt_at": exactjson.utc_text(row.due_at),
        "created_at": exactjson.utc_text(row.created_at),
        "sent_at": None,
    }
    server.failures = [smtplib.SMTPResponseException(451, "for jane@example.org: password is hunter2")]
    send_once()
    (refused,) = listed(client, order_id="o-7")
    assert (refused["state"], refused["tries"], refused["last_error"]) == ("waiting", 1, "SMTPResponseException")
    assert refused["next_attempt_at"] > waiting["next_attempt_at"]
    make_due()
    assert send_once() == 1
    answer = client.get(PATH, {"order_id": "o-7"})
    (sent,) = answer.json()["items"]
    assert (sent["state"], sent["tries"], sent["next_attempt_at"]) == ("sent", 2, None)
    assert sent["sent_at"] is not None
    assert (sent["last_error"], sent["to"]) == ("SMTPResponseException", "o***@localhost")
    text = answer.content.decode()
    assert not {word for word in ("25.50", "jane", "hunter2", "orders@localhost") if word in text}


def test_one_that_is_given_up_says_so(client: Client, server: type[Scripted]) -> None:
    """And is not tried any more."""
    hear(event("payment.failed"))
    Mail.objects.update(tries=MOST_TRIES - 1)
    server.failures = [ConnectionRefusedError()]
    send_once()
    (mail,) = listed(client)
    assert (mail["state"], mail["next_attempt_at"], mail["sent_at"]) == ("given_up", None, None)
    assert (mail["tries"], mail["last_error"]) == (MOST_TRIES, "ConnectionRefusedError")


def test_whom_it_went_to_stays_as_it_was(client: Client, server: type[Scripted], settings: Any) -> None:
    """A waiting mail goes to `MAIL_TO` as it is now; a mail that was sent before addresses were kept names nobody."""
    hear(event("payment.successful"))
    send_once()
    settings.MAIL_TO = ["Ann <ann@example.org>", "x@example.com"]
    hear(event("payment.refunded", refund_amount=Decimal("1.00")))
    assert [each["to"] for each in listed(client)] == ["a***@example.org, x***@example.com", "o***@localhost"]
    Mail.objects.filter(sent_at__isnull=False).update(sent_to="", order_id="", event_id="")
    before = listed(client)[1]
    assert (before["to"], before["order_id"], before["event_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("jane@example.org", "j***@example.org"),
        ("Jane Roe <jane@example.org>", "j***@example.org"),
        ('"a@b"@example.org', '"***@example.org'),
        ("@example.org", "***@example.org"),
        ("jane", "***"),
        ("", "***"),
    ],
)
def test_an_address_is_not_to_be_read(address: str, shown: str) -> None:
    """Its first letter and its domain; of what is none, nothing."""
    assert addresses.masked([address]) == shown


def test_mails_are_of_one_order_and_page_by_page(client: Client) -> None:
    """Newest first, by number or by cursor; nothing twice and nothing left out while new ones come."""
    for number in range(5):
        hear(event("payment.failed", event_id=f"e-{number}", order_id="o-1", failure_code="x"))
    hear(event("payment.failed", event_id="other", order_id="o-2"))
    newest_first = [f"e-{number}" for number in range(4, -1, -1)]
    assert [each["event_id"] for each in listed(client, order_id="o-1")] == newest_first
    numbered = client.get(f"{PATH}?order_id=o-1&page=2&per_page=2").json()
    assert ([each["event_id"] for each in numbered["items"]], numbered["total"]) == (newest_first[2:4], 5)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"{PATH}?order_id=o-1&cursor={cursor}&per_page=2").json()
        hear(event("payment.failed", event_id=f"new-{len(found)}", order_id="o-1"))
        found += [each["event_id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert found == newest_first
    assert listed(client, order_id="nobody") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("order_id=" + "x" * 65, "order_id"),
        ("order_id=", "order_id"),
        ("order_id=a&order_id=b", "order_id"),
        ("per_page=201", "per_page"),
        ("page=0", "page"),
        ("cursor=x", "cursor"),
        ("page=1&cursor=", "cursor"),
    ],
)
def test_a_wrong_filter_is_refused_by_its_name(client: Client, query: str, field: str) -> None:
    answer = client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["fields"]) == {field}


def test_an_order_id_of_any_length_is_no_trouble(client: Client) -> None:
    """It is somebody else's word; it is kept as far as there is room."""
    assert hear(event("payment.successful", order_id="x" * 300)) == "written"
    assert [each["order_id"] for each in listed(client, order_id="x" * 64)] == ["x" * 64]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_changed_over_http(client: Client, method: str) -> None:
    answer = getattr(client, method)(PATH)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_it_says_who_it_is_and_how_it_is(client: Client) -> None:
    """As every service: `/`, health, metrics, the documentation, and JSON where there is nothing."""
    assert client.get("/").json()["service"] == "notify_service"
    assert client.get("/health").json()["checks"] == {"database": "ok"}
    assert client.get("/health/live/").json() == {"status": "ok"}
    assert "events_parked" in client.get("/metrics").content.decode()
    assert client.get("/openapi.json").json()["info"]["title"] == "Notify service"
    assert [client.get(path).status_code for path in ("/docs", "/redoc/")] == [200, 200]
    assert client.get("/nothing").json()["code"] == "not_found"


def test_the_admin_shows_mails_to_be_read(client: Client) -> None:
    """No column is found out letter by letter, and none is changed."""
    hear(event("payment.successful", order_id="o-9"))
    root = get_user_model().objects.create_superuser("root", "", "pw")
    client.force_login(root)
    assert "Payment received for order o-9" in client.get("/admin/mailing/mail/", {"q": "o-9"}).content.decode()
    assert client.post("/admin/mailing/mail/add/").status_code == 403
    assert_nothing_hidden_can_be_probed(client)


def test_what_is_forgotten_is_not_told_of(client: Client, server: type[Scripted]) -> None:
    """Sent longer ago than is kept."""
    hear(event("payment.successful"))
    send_once()
    Mail.objects.update(sent_at=timezone.now() - timedelta(days=15))
    assert purge_once() == 1
    assert listed(client) == []
