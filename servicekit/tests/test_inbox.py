"""Taking messages: one effect for each event, nothing lost that cannot be taken."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError
from django.utils import timezone

from servicekit.idempotency.models import IdempotencyKey
from servicekit.inbox import parking
from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.errors import Refused
from servicekit.inbox.messages import Message
from servicekit.inbox.models import Consumed, Parked
from servicekit.inbox.purge import purge_once
from servicekit.inbox.receive import Subscription, receive, replay_once
from servicekit.tests.conftest import LogLines
from servicekit.tests.deliveries import message

pytestmark = pytest.mark.django_db


class Effects:
    """A handler with an effect in the database: any row will do."""

    def __init__(self) -> None:
        self.fails_with: Exception | None = None
        self.fails_once = False

    def __call__(self, event: CloudEvent) -> str:
        IdempotencyKey.objects.create(digest=event.id, scope="effect", key=event.id, fingerprint="")
        if (problem := self.fails_with) is not None:
            self.fails_with = None if self.fails_once else problem
            raise problem
        return "done"

    @staticmethod
    def count() -> int:
        return IdempotencyKey.objects.filter(scope="effect").count()


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def subscription(effects: Effects) -> Subscription:
    return Subscription("tests", ("payments",), {"payment.successful": effects})


def test_an_event_has_its_effect_once(subscription: Subscription, effects: Effects) -> None:
    """However often it is delivered, also at another offset, after a relay that was killed before its mark."""
    sent = message(1)
    assert [receive(each, subscription) for each in (sent, sent, replace(sent, offset=2))] == [
        "done",
        "duplicate",
        "duplicate",
    ]
    assert (effects.count(), Consumed.objects.count()) == (1, 1)


def test_each_consumer_has_its_own_effect(subscription: Subscription, effects: Effects) -> None:
    """Two consumers of one database both take an event; a second source may use the same id."""
    sent = message(id="e-1")
    assert receive(sent, subscription) == "done"
    other = Subscription("others", ("payments",), {"payment.successful": lambda _: "done too"})
    assert receive(sent, other) == "done too"
    assert receive(message(id="e-1", source="/elsewhere"), other) == "done too"
    assert effects.count() == 1


def test_the_note_goes_with_the_effect(subscription: Subscription, effects: Effects) -> None:
    """What fails leaves neither behind, and the next delivery has the effect."""
    sent = message()
    effects.fails_with = OperationalError("database is locked")
    with pytest.raises(OperationalError):
        receive(sent, subscription)
    assert (effects.count(), Consumed.objects.count(), Parked.objects.count()) == (0, 0, 0)
    effects.fails_with = None
    assert receive(sent, subscription) == "done"


def test_events_of_no_interest_leave_nothing(subscription: Subscription) -> None:
    """No row for each of them, and nothing parked, whatever they carry."""
    assert receive(message(type="payment.authorized"), subscription) == "ignored"
    assert (Consumed.objects.count(), Parked.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "refusal", [Refused("unknown_schema", "no order_id"), DataError("value too long")], ids=["refused", "does not fit"]
)
def test_what_the_handler_cannot_take_is_parked(
    subscription: Subscription, effects: Effects, refusal: Exception
) -> None:
    """Without an effect, and not noted as consumed."""
    effects.fails_with = refusal
    sent = message(7)
    assert receive(sent, subscription) == "parked"
    assert (effects.count(), Consumed.objects.count()) == (0, 0)
    row = Parked.objects.get()
    assert (row.topic, row.partition, row.offset) == ("payments", 0, 7)


def test_a_parked_message_is_kept_as_it_came(subscription: Subscription) -> None:
    """Any bytes at all; delivered twice, parked once."""
    strange = Message("payments", 3, 9, b"\x00\xff", [("ce_id", b"\x00\xfe"), ("none", None), ("ce_id", b"2")], b"\xff")
    for _ in range(2):
        assert receive(strange, subscription) == "parked"
    row = Parked.objects.get()
    assert row.reason == "not_a_cloudevent"
    assert parking.message_of(row) == strange


def test_a_replay_has_the_effect_and_parks_no_more(subscription: Subscription, effects: Effects) -> None:
    """Only what was asked for; what is refused again stays, with its new reason."""
    effects.fails_with = Refused("unknown_schema", "not yet")
    for offset in range(3):
        receive(message(offset), subscription)
    assert replay_once(subscription) == 0
    effects.fails_with = None
    first, second, third = Parked.objects.all()
    assert parking.request_replay([first]) == 1
    assert replay_once(subscription) == 1
    assert (effects.count(), list(Parked.objects.all())) == (1, [second, third])
    effects.fails_with = Refused("still_unknown", "nor now")
    parking.request_replay([second])
    assert [replay_once(subscription), replay_once(subscription)] == [1, 0]
    second.refresh_from_db()
    assert (second.reason, second.replay_at) == ("still_unknown", None)


def test_a_replay_that_cannot_be_done_now_is_done_later(subscription: Subscription, effects: Effects) -> None:
    """It stays parked, and asked for."""
    effects.fails_with = Refused("unknown_schema", "not yet")
    receive(message(), subscription)
    parking.request_replay(parking.parked())
    effects.fails_with = OperationalError("database is locked")
    with pytest.raises(OperationalError):
        replay_once(subscription)
    effects.fails_with = None
    assert replay_once(subscription) == 1
    assert (effects.count(), Parked.objects.count()) == (1, 0)


def test_a_replay_that_fails_for_another_reason_keeps_no_other_waiting(
    subscription: Subscription, effects: Effects
) -> None:
    """A mistake in a handler, or a row that nobody can read: it stays parked with that reason, the next is taken."""
    effects.fails_with = Refused("unknown_schema", "not yet")
    for offset in range(3):
        receive(message(offset), subscription)
    unreadable, puzzling, good = Parked.objects.all()
    Parked.objects.filter(pk=unreadable.pk).update(headers="no json")
    parking.request_replay(Parked.objects.all())
    effects.fails_with, effects.fails_once = KeyError("a mistake of ours"), True
    assert replay_once(subscription) == 3
    assert (effects.count(), list(Parked.objects.all())) == (1, [unreadable, puzzling])
    assert {(row.reason, row.replay_at) for row in Parked.objects.all()} == {("handler_failed", None)}
    assert replay_once(subscription) == 0
    assert good.number > puzzling.number


def test_the_replay_of_an_event_that_was_taken_meanwhile_does_nothing(
    subscription: Subscription, effects: Effects
) -> None:
    """Sent again by its producer, say."""
    sent = message()
    effects.fails_with = Refused("unknown_schema", "not yet")
    receive(sent, subscription)
    effects.fails_with = None
    receive(replace(sent, offset=5), subscription)
    parking.request_replay(parking.parked())
    assert replay_once(subscription) == 1
    assert (effects.count(), Parked.objects.count()) == (1, 0)


def parked(*arguments: str) -> str:
    output = io.StringIO()
    call_command("parked", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_lists_shows_and_replays(subscription: Subscription, effects: Effects) -> None:
    """What is parked, why, where it came from, and all of it."""
    assert parked() == ""
    receive(message(4, value=b'{"oops"'), subscription)
    row = Parked.objects.get()
    assert f"{row.number} " in parked()
    assert "tests payments[0]@4: not_json" in parked("--consumer", "tests")
    assert parked("--consumer", "others") == ""
    shown = parked("--show", str(row.number))
    assert "ce_type: b'payment.successful'" in shown
    assert shown.endswith('{"oops"\n')
    assert parked("--replay", str(row.number + 1)) == "To be taken again: 0\n"
    assert parked("--replay", str(row.number)) == "To be taken again: 1\n"
    assert "(to be taken again)" in parked()
    assert parked("--replay-all", "--consumer", "others") == "To be taken again: 0\n"
    with pytest.raises(CommandError, match="Nothing is parked under 0"):
        parked("--show", "0")


def test_old_notes_are_forgotten(subscription: Subscription) -> None:
    """Those older than they are kept, and no others."""
    old, young = message(1), message(2)
    receive(old, subscription)
    Consumed.objects.update(consumed_at=timezone.now() - timedelta(days=14, minutes=1))
    receive(young, subscription)
    assert [purge_once(14), purge_once(14)] == [1, 0]
    assert [receive(each, subscription) for each in (young,)] == ["duplicate"]


def test_refusals_are_logged_without_what_is_in_them(subscription: Subscription, log_lines: LogLines) -> None:
    """Where it came from and why; the payload stays in the table."""
    receive(message(4, value=b'["secret"]'), subscription)
    line = next(line for line in log_lines() if line["event"] == "event.parked")
    assert (line["reason"], line["topic"], line["offset"]) == ("not_an_object", "payments", 4)
    assert "secret" not in str(log_lines())
