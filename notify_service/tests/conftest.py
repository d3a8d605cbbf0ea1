"""Events as the payment service publishes them, and a mail server that refuses as scripted."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from nightly import pytest_collection_modifyitems, pytest_configure  # noqa: F401
from notify_service.mailing import event_handlers
from notify_service.mailing.models import Mail
from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.inbox.messages import Message
from servicekit.inbox.receive import receive


def event(kind: str, *, event_id: str = "", offset: int = 0, **data: Any) -> Message:
    """A payment of 25.50 USD, unless `data` says otherwise."""
    payload = {
        "order_id": "o-1",
        "amount": Decimal("25.50"),
        "captured": Decimal("25.50"),
        "refunded": 0,
        "currency": "USD",
        **data,
    }
    names = {"specversion": "1.0", "id": event_id or str(uuid4()), "source": "/payment_service", "type": kind}
    headers = [(f"ce_{name}", text.encode()) for name, text in names.items()]
    value = exactjson.encode({name: each for name, each in payload.items() if each is not None})
    return Message("payments", 0, offset, b"o-1", headers, value)


def hear(message: Message) -> str:
    return receive(message, event_handlers.subscription())


def make_due() -> None:
    Mail.objects.filter(due_at__isnull=False).update(due_at=seconds_from_now(-1))


class Scripted(EmailBackend):
    """A mail server that takes everything, except where a failure is scripted."""

    failures: list[BaseException] = []

    def send_messages(self, messages: Any) -> int:
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, KeyboardInterrupt):
                super().send_messages(messages)  # taken, and then our process dies
            raise failure
        return super().send_messages(messages)


@pytest.fixture
def server(settings: Any) -> Iterator[type[Scripted]]:
    settings.EMAIL_BACKEND = "notify_service.tests.conftest.Scripted"
    Scripted.failures = []
    yield Scripted
    Scripted.failures = []


def subjects() -> list[str]:
    return [str(each.subject) for each in mail.outbox]
