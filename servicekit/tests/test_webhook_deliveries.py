"""Deliveries: every event that was asked for, signed, tried again by a schedule, in order where that is asked for."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone as django_timezone
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook

from servicekit.events.models import Event, RelayLease
from servicekit.settings.webhooks import RETRY_S
from servicekit.tests.publishing import NO_TOPIC, TOO_LARGE, append
from servicekit.tests.webhooks import LOOPBACK, due_in_s, endpoint, hooks, states, statuses
from servicekit.webhooks import deliveries, endpoints, mails, sending, signing
from servicekit.webhooks.models import Attempt, Delivery, Endpoint, State
from tests.receivers import Received, Reply, always, receiver

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WEBHOOKS = settings.WEBHOOKS.__class__(**{**vars(settings.WEBHOOKS), "allowed": LOOPBACK})


def paid(subject: str = "o-1", sequence: int = 1, **data: Any) -> None:
    append("order.paid", subject=subject, sequence=sequence, **data)


# ---- what is sent


def test_an_event_is_sent_to_whoever_asks_for_it() -> None:
    """By type and pattern; to nobody else; with the payload to the letter, and the event's id."""
    with receiver() as there, receiver() as elsewhere:
        there_id = endpoint(there.url, "order.*")
        endpoint(elsewhere.url, "payment.*", "order.created")
        run = hooks()
        paid(amount=50, name="\u00fc")
        append("payment.failed", subject="p-1")
        run.publish()
        assert run.deliver() == 2
        event = Event.objects.get(type="order.paid")
        (got,) = there.received
        assert [json.loads(each.body)["type"] for each in elsewhere.received] == ["payment.failed"]
    assert got.headers["webhook-id"] == str(event.event_id)
    assert got.headers["content-type"] == "application/json"
    said = json.loads(got.body)
    assert set(said) == {"type", "timestamp", "subject", "sequence", "data"}
    assert (said["type"], said["subject"], said["sequence"]) == ("order.paid", "o-1", 1)
    assert event.payload.encode() in got.body
    (delivery,) = Delivery.objects.filter(endpoint=there_id)
    assert (delivery.state, delivery.tries, delivery.due_at) == (State.DELIVERED, 1, None)


@pytest.mark.parametrize("library", [StandardWebhook, SvixWebhook])
def test_the_libraries_of_others_verify_it(library: Any) -> None:
    """Standard Webhooks, by its own library and by Svix's; another secret or another byte is refused."""
    with receiver() as there:
        made = endpoint(there.url)
        run = hooks()
        paid(note="\u20ac")
        run.publish()
        run.deliver()
        (got,) = there.received
    headers = dict(got.headers)
    library(made.secret).verify(got.body, headers)
    with pytest.raises(WebhookVerificationError):
        library(signing.new_secret()).verify(got.body, headers)
    with pytest.raises(WebhookVerificationError):
        library(made.secret).verify(got.body + b" ", headers)


def test_two_secrets_are_good_during_a_rotation() -> None:
    """Each message carries both signatures, until the overlap is over; then the old secret is worth nothing."""
    with receiver() as there:
        old = endpoint(there.url)
        new = endpoints.rotate(old, overlap=timedelta(hours=1))
        run = hooks()
        paid()
        run.publish()
        run.deliver()
        for secret in (old.secret, new.secret):
            StandardWebhook(secret).verify(there.received[0].body, dict(there.received[0].headers))
        Endpoint.objects.update(previous_secret_until=django_timezone.now())
        paid(sequence=2)
        run.publish()
        run.deliver()
        StandardWebhook(new.secret).verify(there.received[1].body, dict(there.received[1].headers))
        with pytest.raises(WebhookVerificationError):
            StandardWebhook(old.secret).verify(there.received[1].body, dict(there.received[1].headers))


def test_a_body_stays_below_20_kilobytes() -> None:
    """Of a larger event the data are left out, and it says so."""
    with receiver() as there:
        endpoint(there.url)
        run = hooks()
        paid(text="x" * sending.MAX_BODY_BYTES)
        run.publish()
        run.deliver()
        said = json.loads(there.received[0].body)
    assert len(there.received[0].body) < sending.MAX_BODY_BYTES
    assert (said["subject"], said["data"], said["data_omitted"]) == ("o-1", None, True)


# ---- from the outbox


def test_nothing_is_sent_that_was_not_committed_and_nothing_twice() -> None:
    """An event is recorded once for each endpoint, however often the relay and the deliverer come by."""
    with receiver() as there:
        endpoint(there.url)
        run = hooks()
        paid()
        run.publish()
        run.fan_out.record(list(Event.objects.values_list("pk", flat=True)))
        run.fan_out.record_late()
        run.deliver()
        run.deliver()
        assert len(there.received) == 1
    assert states() == ["delivered"]


@pytest.mark.parametrize("refusal", [NO_TOPIC, TOO_LARGE])
def test_webhooks_do_not_wait_for_kafka(refusal: Any) -> None:
    """An event that the broker keeps waiting, or never takes, is delivered all the same, once."""
    with receiver() as there:
        endpoint(there.url)
        run = hooks()
        run.broker.refuses = {"order.paid": refusal}
        paid()
        run.publish()
        run.publish()
        Event.objects.update(created_at=django_timezone.now() - timedelta(seconds=10))
        assert run.deliver() == 1
        run.broker.refuses = {}
        run.clock.now += 60
        run.publish()
        assert run.deliver() == 0
        assert len(there.received) == 1


def test_a_new_endpoint_has_what_happens_from_now_on() -> None:
    """Nothing of before; and nothing while it is disabled."""
    with receiver() as there:
        run = hooks()
        paid()
        run.publish()
        made = endpoint(there.url)
        paid(sequence=2)
        run.publish()
        endpoints.change(made, {"is_enabled": False})
        paid(sequence=3)
        run.publish()
        endpoints.enable(made)
        paid(sequence=4)
        run.publish()
        run.deliver()
        said = [json.loads(each.body) for each in there.received]
    # What was to be sent when it was disabled is dead; its own event was published when it was enabled again.
    assert [(each["type"], each["sequence"]) for each in said] == [("order.paid", 4)]
    assert sorted(Delivery.objects.values_list("event__sequence", "state")) == [(2, "dead"), (4, "delivered")]


# ---- the schedule


def test_it_is_tried_ten_times_and_then_dead() -> None:
    """5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; every attempt is in the log, and the last says why."""
    assert RETRY_S == (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    with receiver([Reply(400, body=b"never")]) as there:
        endpoint(there.url)
        run = hooks(disable_after_s=1e9)
        paid()
        run.publish()
        for number, wait_s in enumerate(RETRY_S, start=1):
            assert run.deliver() == 1
            delivery = Delivery.objects.get()
            assert (delivery.state, delivery.tries) == (State.WAITING, number)
            assert wait_s - 5 < due_in_s(delivery) <= wait_s
            assert run.deliver() == 0
            run.pass_s(wait_s)
        assert run.deliver() == 1
        run.pass_s(1e6)
        assert run.deliver() == 0
        assert len(there.received) == 10
        assert len(set(there.ids())) == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (State.DEAD, "it answered 400, at the last of 10 attempts")
    assert statuses(delivery) == [400] * 10
    assert {attempt.answer for attempt in Attempt.objects.all()} == {"never"}


def test_what_failed_together_does_not_come_again_together() -> None:
    """A wait is up to a fifth longer than the schedule says, and never shorter."""
    with receiver([Reply(500)]) as there:
        endpoint(there.url)
        run = hooks(jitter=1.0)
        paid()
        run.publish()
        run.deliver()
        run.pass_s(6)
        run.deliver()
    assert 355 < due_in_s(Delivery.objects.get()) <= 360


def test_a_receiver_that_recovers_has_it_all() -> None:
    """500, no answer in time, then 200: delivered at the third attempt, the endpoint is well again."""
    with receiver(always(Reply(500), Reply(wait_s=1.5), Reply(200))) as there:
        made = endpoint(there.url)
        run = hooks(timeout_s=0.3)
        paid()
        run.publish()
        for _ in range(3):
            run.deliver()
            if states() == ["waiting"]:
                assert Endpoint.objects.get(pk=made.pk).failing_since is not None
            run.pass_s(400)
    delivery = Delivery.objects.get()
    assert (delivery.state, statuses(delivery)) == (State.DELIVERED, [500, None, 200])
    assert [each["problem"] for each in deliveries.attempts_of(delivery)] == [
        "it answered 500",
        "no answer in time",
        None,
    ]
    assert Endpoint.objects.get(pk=made.pk).failing_since is None


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int) -> None:
    """Not sooner than the receiver asks for; nor sooner than the schedule says, nor later than in a day."""
    for said, at_least, at_most in (("3600", 3590, 3600), ("1", 4, 5), ("99999999", 86_390, 86_400)):
        with receiver([Reply(status, {"Retry-After": said})]) as there:
            endpoint(there.url)
            run = hooks()
            paid(sequence=Event.objects.count() + 1)
            run.publish()
            run.deliver()
            assert at_least <= due_in_s(Delivery.objects.get()) <= at_most
        Delivery.objects.all().delete()
        Endpoint.objects.all().delete()


# ---- the end of an endpoint


def test_410_disables() -> None:
    """At once, with what waits for it: its owner is told by an event, a metric and a mail."""
    with receiver([Reply(410)]) as there:
        made = endpoint(there.url, "order.*", contact="owner@example.org")
        run = hooks(at_once=1)
        for sequence in (1, 2, 3):
            paid(sequence=sequence)
        run.publish()
        assert run.deliver() == 1
    assert states() == ["dead"] * 3
    reasons = set(Delivery.objects.values_list("reason", flat=True))
    assert reasons == {"it answered 410", "the endpoint is disabled: it answered 410 Gone"}
    now = Endpoint.objects.get(pk=made.pk)
    assert (now.is_enabled, now.disabled_reason) == (False, "it answered 410 Gone")
    event = Event.objects.get(type="webhook.disabled")
    said = json.loads(event.payload)
    assert (said["endpoint_id"], said["host"], said["reason"]) == (str(made.uid), "127.0.0.1", "it answered 410 Gone")
    assert mails.send_once() == 1
    assert mails.send_once() == 0
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["owner@example.org"], "servicekit: no more webhooks for 127.0.0.1")
    assert "it answered 410 Gone" in sent.body


def test_an_endpoint_that_fails_for_days_is_disabled() -> None:
    """Not before; what is recorded then is dead with its reason, and can be recovered."""
    with receiver([Reply(500)]) as there:
        made = endpoint(there.url)
        run = hooks(disable_after_s=3 * 86_400.0)
        paid()
        run.publish()
        run.deliver()
        run.pass_s(2 * 86_400)
        run.deliver()
        assert Endpoint.objects.get(pk=made.pk).is_enabled
        run.pass_s(86_400 + 10)
        run.deliver()
        now = Endpoint.objects.get(pk=made.pk)
        assert (now.is_enabled, now.disabled_reason) == (False, "it has failed for 3 days: it answered 500")
        assert Delivery.objects.get(type="order.paid").state == State.DEAD
        there.script = always(Reply())
        with pytest.raises(endpoints.NotEnabled):
            deliveries.recover(now, datetime(2020, 1, 1, tzinfo=timezone.utc))
        endpoints.enable(now)
        now = endpoints.get(str(made.uid))
        assert now.failing_since is None
        assert deliveries.recover(now, datetime(2020, 1, 1, tzinfo=timezone.utc)) == 1
        assert run.deliver() == 1
    assert states() == ["delivered"]


# ---- order


def failing_first(type_: str) -> Any:
    """500 to the first message of a type, then 200 to everything."""
    seen: list[str] = []

    def script(_: int, got: Received) -> Reply:
        kind = json.loads(got.body)["type"]
        is_first = kind == type_ and kind not in seen
        seen.append(kind)
        return Reply(500 if is_first else 200)

    return script


@pytest.mark.parametrize("is_ordered", [True, False])
def test_later_events_of_an_order_wait_where_order_is_asked_for(is_ordered: bool) -> None:
    """Behind one that is not delivered; those of other orders go on. Without it all go on."""
    with receiver(failing_first("order.created")) as there:
        endpoint(there.url, "order.*", is_ordered=is_ordered)
        run = hooks()
        append("order.created", subject="o-1", sequence=1)
        append("order.paid", subject="o-1", sequence=2)
        append("order.paid", subject="o-2", sequence=1)
        run.publish()
        run.deliver()
        first = [(said["subject"], said["type"]) for said in map(json.loads, (each.body for each in there.received))]
        assert (("o-1", "order.paid") in first) is not is_ordered
        assert ("o-2", "order.paid") in first
        run.pass_s(10)
        run.deliver()
        of_one = [said["type"] for each in there.received if (said := json.loads(each.body))["subject"] == "o-1"]
    if is_ordered:
        assert of_one == ["order.created", "order.created", "order.paid"]
    assert states() == ["delivered"] * 3


def test_order_is_kept_by_the_order_where_events_are_of_payments() -> None:
    """By the field that Kafka's key is, too."""
    with receiver(failing_first("order.created")) as there:
        endpoint(there.url, is_ordered=True)
        run = hooks(key="order_id")
        append("order.created", subject="p-1", sequence=1, order_id=7)
        append("order.paid", subject="p-2", sequence=1, order_id=7)
        run.publish()
        assert run.deliver() == 1
    assert set(Delivery.objects.values_list("subject", flat=True)) == {"7"}


# ---- how many at once, and by whom


def test_no_more_than_so_many_at_once_to_a_host() -> None:
    """However many endpoints it has; and a host that is slow keeps no other waiting."""
    with receiver([Reply(wait_s=0.1)]) as there:
        endpoint(there.url)
        endpoint(there.url + "/2")
        run = hooks(at_once=3)
        for sequence in range(1, 11):
            paid(sequence=sequence)
        run.publish()
        run.deliver()
        assert (len(there.received), there.most_at_once) == (20, 3)


def test_an_endpoint_that_fails_leaves_room_for_others_at_its_host() -> None:
    """It has one request at a time until it has taken one again."""
    with receiver([Reply(500, wait_s=0.2)]) as bad, receiver() as good:
        failing, well = endpoint(bad.url), endpoint(good.url)
        Endpoint.objects.filter(pk=failing.pk).update(failing_since=django_timezone.now())
        run = hooks(at_once=2)
        for sequence in range(1, 7):
            paid(sequence=sequence)
        run.publish()
        run.deliver()
        assert bad.most_at_once == 1
        assert len(good.received) == 6
    assert set(Delivery.objects.filter(endpoint=well).values_list("state", flat=True)) == {"delivered"}


def test_two_workers_send_nothing_twice() -> None:
    """One delivers, the other finds the lease taken; killed, it is followed when the lease runs out."""
    with receiver([Reply(wait_s=0.3)]) as there:
        endpoint(there.url)
        first, second = hooks(), hooks()
        paid()
        first.publish()
        first.clock.now += 2
        assert first.deliverer._may_work()
        first.deliverer._begin()
        assert (second.deliver(), second.deliverer._under_way) == (0, {})
        assert first.deliver() == 1
        assert second.deliver() == 0
        assert len(there.received) == 1


def test_who_has_lost_the_lease_writes_nothing() -> None:
    """A worker that stood still for too long: what it has sent is sent again by the next, under the same id."""
    with receiver([Reply(wait_s=0.2)]) as there:
        endpoint(there.url)
        frozen, following = hooks(), hooks()
        paid()
        frozen.publish()
        assert frozen.deliverer._may_work()
        frozen.deliverer._begin()
        RelayLease.objects.filter(pk=RelayLease.WEBHOOKS).update(held_until=django_timezone.now())
        following.clock.now += 2
        following.deliver()
        frozen.clock.now += 2
        frozen.deliver()
        assert len(set(there.ids())) == 1
    assert states() == ["delivered"]
    assert Attempt.objects.count() == 1


# ---- by hand


def test_one_is_sent_again() -> None:
    """One that has arrived, and one that is dead: at once, with all its retries."""
    with receiver() as there:
        made = endpoint(there.url)
        run = hooks()
        paid()
        run.publish()
        run.deliver()
        delivery = deliveries.resend(made, Delivery.objects.get())
        assert (delivery.state, delivery.failures) == (State.WAITING, 0)
        run.deliver()
        assert len(there.received) == 2
        assert len(set(there.ids())) == 1
    assert statuses(Delivery.objects.get()) == [204, 204]


def test_an_example_tells_of_nothing() -> None:
    """It is signed like any other, and not to be taken for an event; docs/webhooks.md shows it."""
    with receiver() as there:
        made = endpoint(there.url, "order.*")
        run = hooks()
        deliveries.send_example(made, "order.paid")
        run.deliver()
        said = StandardWebhook(made.secret).verify(there.received[0].body, dict(there.received[0].headers))
    assert (said["type"], said["data"]) == ("order.paid", {"example": True})
    (shown,) = re.findall(r'^\{"type": "webhook\.example".*$', PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert said == json.loads(shown) | {name: said[name] for name in ("type", "timestamp")}


def test_the_log_is_kept_for_thirty_days() -> None:
    """What ended longer ago is forgotten, with its attempts; what waits never is."""
    with receiver(always(Reply(), Reply(500))) as there:
        endpoint(there.url)
        run = hooks(at_once=1)
        paid()
        paid(sequence=2)
        run.publish()
        run.deliver()
        run.pass_s(29 * 86_400)
        assert deliveries.purge_once(30 * 86_400.0) == 0
        run.pass_s(2 * 86_400)
        assert deliveries.purge_once(30 * 86_400.0) == 1
    assert states() == ["waiting"]
    assert Attempt.objects.count() == 1


def test_a_refused_address_is_dead_at_once() -> None:
    """Nobody is connected to, and it is not tried again."""
    made = endpoint("https://127.0.0.1/hooks")
    Endpoint.objects.filter(pk=made.pk).update(url="https://10.0.0.1/hooks")
    run = hooks()
    paid()
    run.publish()
    run.deliver()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason) == (State.DEAD, "not sent: 10.0.0.1 is no public address")
