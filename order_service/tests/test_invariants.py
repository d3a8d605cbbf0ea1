"""`manage.py check_invariants` passes on a healthy database and finds each planted violation by name, with its id."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from order_service.orders import states, use_cases
from order_service.orders.models import Order, OrderLine
from order_service.orders.ops.audit import replay
from order_service.orders.states import Status, Step
from order_service.tests.conftest import Shop
from order_service.tests.fakes import Fault
from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.checking import check

Plant = Callable[[Order], object]


def events_of(order: Order) -> "list[Event]":
    return list(Event.objects.filter(aggregateid=str(order.uid)).order_by("sequence"))


def row(order: Order, **changes: object) -> None:
    """Write past the one door."""
    Order.objects.filter(pk=order.pk).update(**changes)


def tell(order: Order, kind: str, sequence: int, **data: object) -> None:
    Event.objects.create(
        aggregatetype="order",
        aggregateid=str(order.uid),
        type=kind,
        sequence=sequence,
        payload=exactjson.encode(data).decode(),
        published_at=timezone.now(),
    )


def publish() -> None:
    Event.objects.update(published_at=timezone.now())


@pytest.fixture
def healthy(shop: Shop) -> Shop:
    """Orders of every kind: paid, waiting, cancelled and refunded ones."""
    shop.place()
    shop.place(pay_later=True)
    cancelled = shop.place(pay_later=True)
    use_cases.cancel_order(str(cancelled.uid), shop.run())
    refunded = shop.place()
    use_cases.cancel_order(str(refunded.uid), shop.run())
    publish()
    return shop


def paid_order() -> Order:
    return Order.objects.filter(status=Status.PAID.value).get()


def waiting_order() -> Order:
    return Order.objects.filter(status=Status.PENDING.value).get()


def test_a_healthy_database_passes(healthy: Shop) -> None:
    """Every invariant that has rows holds, and it says how many it looked at."""
    checked = check()
    assert (checked.status, checked.violations) == (0, [])
    published = Event.objects.filter(published_at__isnull=False).count()
    assert checked.looked_at == {
        "orders": 4,
        "events": Event.objects.count(),
        "keys": 0,
        "published events": published,
        "webhook deliveries": 0,
    }
    assert set(checked.verdicts.values()) == {"pass", "none"}


def test_only_reads(healthy: Shop) -> None:
    """No statement is sent that could write."""
    assert check().only_read


def test_an_empty_database_is_no_pass(db: None) -> None:
    """Nothing was proven: exit status 2."""
    checked = check()
    assert (checked.status, checked.violations) == (2, [])
    assert set(checked.verdicts.values()) == {"none"}


def test_an_unreadable_database_is_no_pass(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, and a sentence that says what to do."""

    def fail() -> None:
        raise OperationalError("no such table: orders_order")

    monkeypatch.setattr("servicekit.invariants.snapshot.snapshot", fail)
    with pytest.raises(CommandError, match=r"no such table: orders_order.*migrate") as refused:
        call_command("check_invariants")
    assert refused.value.returncode == 2


def test_people_read_what_it_means_and_what_to_do(healthy: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """The plain output names invariant, row and problem, and what to do next."""
    order = paid_order()
    row(order, status=Status.REFUNDED.value)
    output = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("check_invariants", stdout=output)
    assert end.value.code == 1
    told = output.getvalue()
    problem = f"order {order.uid}: status is 'REFUNDED', after its events it would be 'PAID'"
    assert f"VIOLATION I10 order_follows_from_its_events: {problem}" in told
    assert "FAIL  I10  order_follows_from_its_events" in told
    assert "What to do:   The row or its trail was changed by hand." in told
    assert "order_service: VIOLATED, 1 times. Looked at 4 orders" in told


def lose_line(order: Order) -> None:
    OrderLine.objects.filter(order=order, position=2).delete()


def change_payload(order: Order) -> None:
    event = next(each for each in events_of(order) if each.type == "order.paid")
    Event.objects.filter(pk=event.pk).update(payload=event.payload.replace('"amount":', '"amount":1'))


def swap_positions(order: Order) -> None:
    """The last event gets a place in the table before all others."""
    Event.objects.filter(pk=events_of(order)[-1].pk).update(position=-1)


PLANTED: list[tuple[str, Plant]] = [
    ("total_is_the_sum_of_its_lines", lose_line),
    ("total_is_the_sum_of_its_lines", change_payload),
    ("total_is_the_sum_of_its_lines", lambda order: OrderLine.objects.filter(order=order).update(unit_price=1)),
    ("total_is_the_sum_of_its_lines", lambda order: OrderLine.objects.filter(order=order).update(quantity=7)),
    ("every_change_has_its_event", lambda order: Event.objects.filter(aggregateid=str(order.uid)).delete()),
    ("every_change_has_its_event", lambda order: events_of(order)[0].delete()),
    ("every_change_has_its_event", lambda order: row(order, version=order.version + 1)),
    ("events_are_in_order", lambda order: row(order, version=order.version - 1)),
    ("events_are_in_order", swap_positions),
    ("events_are_in_order", lambda order: Event.objects.filter(pk=events_of(order)[0].pk).update(published_at=None)),
    ("events_are_in_order", lambda order: Event.objects.filter(pk=events_of(order)[0].pk).update(payload="[")),
    ("no_order_is_left_unfinished", lambda order: row(order, due_at=timezone.now())),
    ("no_order_is_left_unfinished", lambda order: row(order, step=Step.SETTLED.value)),
    ("no_order_is_left_unfinished", lambda order: row(order, ask_at=seconds_from_now(-181))),
    ("status_never_goes_back", lambda order: tell(order, "order.reserved", order.version)),
    ("status_never_goes_back", lambda order: events_of(order)[1].delete()),
    ("order_follows_from_its_events", lambda order: row(order, status=Status.REFUNDED.value)),
    ("order_follows_from_its_events", lambda order: row(order, step=Step.COMPENSATING.value)),
    ("order_follows_from_its_events", lambda order: row(order, attempt=2)),
    ("order_follows_from_its_events", lambda order: row(order, cancellation_reason="x")),
    ("order_follows_from_its_events", lambda order: row(order, total_amount=Decimal("1.00"))),
    ("order_follows_from_its_events", lambda order: tell(order, "order.sold_twice", order.version)),
]


@pytest.mark.parametrize(("name", "plant"), PLANTED)
def test_a_planted_violation_is_found_by_name_and_id(healthy: Shop, name: str, plant: Plant) -> None:
    """And no other order is named with it."""
    order = paid_order()
    if name in ("status_never_goes_back", "order_follows_from_its_events"):
        row(order, version=order.version + 1)
        order.refresh_from_db()
    plant(order)
    checked = check()
    assert checked.status == 1
    assert (name, f"order {order.uid}") in checked.broken
    assert {subject for _, subject in checked.broken} == {f"order {order.uid}"}
    assert checked.verdicts[name] == "fail"


def test_an_event_of_no_order_is_found(healthy: Shop) -> None:
    """An order that vanished, and one that never was."""
    lost, never = uuid4(), uuid4()
    for uid in (lost, never):
        tell(Order(uid=uid), "order.created", 1)
    found = {("no_event_without_its_row", f"order {uid}") for uid in (lost, never)}
    assert check().broken == found


def test_a_backlog_of_events_is_found(healthy: Shop) -> None:
    """Unpublished for longer than is allowed; a moment is."""
    order = paid_order()
    last = events_of(order)[-1]
    Event.objects.filter(pk=last.pk).update(published_at=None)
    assert check().violations == []
    Event.objects.filter(pk=last.pk).update(created_at=timezone.now() - timedelta(seconds=200))
    assert check().broken == {("events_are_published", f"order {order.uid}")}
    assert check(quiet_for=300).violations == []


def test_an_order_that_no_worker_will_take_up_is_found(healthy: Shop) -> None:
    """However young it is."""
    order = waiting_order()
    row(order, due_at=None)
    checked = check()
    assert ("no_order_is_left_unfinished", f"order {order.uid}") in checked.broken
    assert "no worker will ever take it up" in checked.violations[0][2]


def test_an_order_that_should_have_expired_is_found(healthy: Shop) -> None:
    """Waiting for its customer is no fault, waiting for a worker is."""
    order = waiting_order()
    row(order, due_at=seconds_from_now(-100))
    assert check().violations == []
    row(order, due_at=seconds_from_now(-200))
    assert check().broken == {("no_order_is_left_unfinished", f"order {order.uid}")}


def test_an_order_whose_stock_was_gone_follows_from_its_events(healthy: Shop) -> None:
    """Its reason, too."""
    healthy.products.forget_at_confirmation = True
    assert (order := healthy.place()).status == "REFUNDED"
    assert order.cancellation_reason == states.STOCK_NOT_HELD
    publish()
    assert check().violations == []


def test_trying_again_and_again_is_no_progress(healthy: Shop) -> None:
    """An order that is only postponed is unfinished since its last real move."""
    healthy.products.fail("confirm", Fault.OUTAGE_BEFORE)
    order = healthy.place()
    publish()
    assert check().violations == []
    assert check(quiet_for=0).broken == {("no_order_is_left_unfinished", f"order {order.uid}")}
    Event.objects.filter(aggregateid=str(order.uid)).exclude(type="order.postponed").update(
        created_at=timezone.now() - timedelta(hours=1)
    )
    assert check().broken == {("no_order_is_left_unfinished", f"order {order.uid}")}


def stored_answer(**changes: object) -> IdempotencyKey:
    scope, key = "POST /api/orders", str(uuid4())
    digest = hashlib.sha256(f"{scope}\n{key}".encode()).hexdigest()
    values = {"scope": scope, "key": key, "digest": digest, "fingerprint": "f", **changes}
    return IdempotencyKey.objects.create(**values)


def test_stored_answers_are_checked(healthy: Shop) -> None:
    """A key has one answer or none yet; what an answer told of is there."""
    there = exactjson.encode({"id": paid_order().uid}).decode()
    stored_answer(status_code=201, body=there)
    stored_answer()
    assert check().violations == []
    gone = stored_answer(status_code=201, body=exactjson.encode({"id": uuid4()}).decode())
    broken = [
        stored_answer(status_code=201),
        stored_answer(body=there),
        stored_answer(status_code=7, body=there),
        stored_answer(status_code=200, body="<html>"),
        stored_answer(digest="0" * 64),
    ]
    assert check().broken == {
        ("what_was_answered_is_kept", f"key {gone.pk}"),
        *(("a_key_has_one_answer", f"key {each.pk}") for each in broken),
    }


def test_the_fold_knows_every_event_of_the_saga() -> None:
    """Each move of the two tables has an event that brings it, and none brings what the tables do not have."""
    assert {status for status, _ in replay.BRINGS.values() if status} == set(Status)
    assert {step for _, step in replay.BRINGS.values() if step} == set(Step)
    for kind, (_, step) in replay.BRINGS.items():
        assert kind == "order.created" or step is None or states.steps_before(step)


def test_the_books_are_written_for_the_check_across(healthy: Shop) -> None:
    """All of them, or those that are asked for."""
    output = StringIO()
    call_command("export_books", stdout=output)
    lines = [exactjson.decode(line) for line in output.getvalue().splitlines()]
    assert {line["id"] for line in lines} == {str(uid) for uid in Order.objects.values_list("uid", flat=True)}
    paid = next(line for line in lines if line["status"] == "PAID")
    order = paid_order()
    assert paid == {
        "id": str(order.uid),
        "version": order.version,
        "status": "PAID",
        "step": "closed",
        "is_waiting": False,
        "total": order.total_amount,
        "currency": "USD",
        "may_be_charged": True,
        "refund_blocked": False,
        "holds_stock": True,
        "items": {"1": 1, "2": 1},
    }


def test_only_the_orders_asked_for_are_written(healthy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids come on standard input; what is no order's id is no line."""
    order, output = paid_order(), StringIO()
    monkeypatch.setattr("sys.stdin", StringIO(f"{order.uid}\n{uuid4()}\n17\n"))
    call_command("export_books", "--only", stdout=output)
    assert [exactjson.decode(line)["id"] for line in output.getvalue().splitlines()] == [str(order.uid)]
