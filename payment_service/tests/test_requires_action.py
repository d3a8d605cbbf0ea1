"""A payment that its payer has to confirm: at the bank's page, or never; and every way in which that ends."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models.functions import Now
from django.test import Client
from rest_framework.test import APIClient

from payment_service.bank import books
from payment_service.bank.models import Confirmation, Entry, Hold
from payment_service.payments.gateways import registry
from payment_service.payments.gateways.base import GatewayUnavailable
from payment_service.payments.models import Payment, Refund
from payment_service.payments.states import Status
from payment_service.payments.use_cases import capturing, charging, repair
from payment_service.payments.writes import moves
from payment_service.tests.conftest import ORDER, asked, exact, make_due, trail
from payment_service.tests.fakes import FakeOrders
from servicekit.db.clock import seconds_from_now
from servicekit.tests.checking import check
from servicekit.tests.scraping import scrape_samples

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bank")]
URL = f"/api/payments/{ORDER}/"
NOTHING = Decimal("0.00")
# Its status, what the gateway holds of it and what went back.
Ended = tuple[str, Decimal, Decimal]


def charge(token: str = "tok_3ds_ok", **more: Any) -> Payment:
    return charging.charge_payment(asked(token=token, **more)).payment


def now() -> Payment:
    return Payment.objects.get()


def page(payment: Payment | None = None) -> str:
    """The path of the payer's page."""
    url = (payment or now()).action_url or f"http://localhost:8002/bank/confirm/{Confirmation.objects.get().secret}/"
    assert url.startswith("http://localhost:8002/bank/confirm/")
    return url.removeprefix("http://localhost:8002")


def answer(said: str, path: str | None = None) -> int:
    status: int = send(path or page(), {"answer": said}).status_code
    return status


def send(path: str, form: Any, **headers: str) -> Any:
    """As a browser sends a form."""
    return Client().post(path, urlencode(form), content_type="application/x-www-form-urlencoded", headers=headers)


def time_is_over() -> None:
    Payment.objects.filter(action_expires_at__isnull=False).update(action_expires_at=Now())


def held() -> Decimal:
    """What the bank has of its payers, by its own books."""
    return sum((hold.captured - hold.refunded for hold in Hold.objects.all()), NOTHING)


# ---- what a client is told


@pytest.mark.usefixtures("audited")
def test_a_payment_that_has_to_be_confirmed_is_no_decline(client: APIClient) -> None:
    """It waits, with a page for the payer; nothing is taken or set aside, and the token is forgotten."""
    details = {"token": "tok_3ds_ok"}
    body = {"order_id": ORDER, "amount": 50, "method": "CARD", "payment_method_details": details}
    response = client.post("/api/payments/", body)
    said = exact(response)
    payment = now()
    assert (response.status_code, said["status"], said["amount"]) == (201, "REQUIRES_ACTION", Decimal("50.00"))
    assert set(said) == {"id", "order_id", "amount", "status", "timestamp", "next_action"}
    assert said["next_action"]["type"] == "redirect"
    assert re.fullmatch(r"http://localhost:8002/bank/confirm/[A-Za-z0-9_-]{43}/", said["next_action"]["url"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", said["next_action"]["expires_at"])
    assert (payment.token, payment.captured, payment.transaction_id, payment.taken) == ("", 0, None, None)
    assert not Hold.objects.exists()
    assert trail() == ["payment.requires_action"]
    assert exact(client.get(URL)) == said


DOORS: dict[str, tuple[str, dict[str, Any], int, dict[str, Any]]] = {
    "payments": ("/api/payments/", {"method": "CARD"}, 201, {"status": "REQUIRES_ACTION"}),
    "charges": ("/v1/payments/charge", {}, 201, {"status": "PENDING", "message": "Payment pending"}),
    "process": (
        "/api/v1/payments/process",
        {"currency": "USD", "payment_method": "credit_card"},
        202,
        {
            "success": False,
            "status": "requires_action",
            "transaction_id": None,
            "error": "The payer has to confirm the payment",
        },
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_says_it_in_its_own_words(client: APIClient, door: str) -> None:
    """And has the page beside them; asked again it says the same, and asks no payer twice."""
    path, more, status, words = DOORS[door]
    body = {"order_id": ORDER, "amount": 50, "payment_method_details": {"token": "tok_3ds_ok"}, **more}
    first = client.post(path, body)
    again = exact(client.post(path, body))
    said = exact(first)
    assert first.status_code == status
    assert {name: said[name] for name in words} == words
    assert said["next_action"]["url"].endswith(page())
    assert again == said
    assert Confirmation.objects.count() == 1


def test_the_lists_and_records_show_it(client: APIClient) -> None:
    """As pending where a list has no word for it, with the page in the whole record."""
    payment = charge()
    (listed,) = exact(client.get("/v1/payments?status=PENDING"))["items"]
    assert (listed["status"], listed["amount"]) == ("PENDING", Decimal("50.00"))
    record = exact(client.get(f"/api/v1/payments/payment/{payment.number}"))
    assert (record["status"], record["next_action"]["url"]) == ("requires_action", payment.action_url)
    assert record["authorized_amount"] == 0
    progress = exact(client.get(f"/api/v1/payments/payment/{payment.number}/progress"))
    assert [(each["operation"], each["key"]) for each in progress["calls"]] == [("charge", f"order-{ORDER}-pay-1")]
    answer("approve")
    assert "next_action" not in exact(client.get(f"/api/v1/payments/payment/{payment.number}"))


def test_a_refund_of_it_is_refused(client: APIClient) -> None:
    """There is nothing to give back yet."""
    payment = charge()
    response = client.post(f"/v1/payments/{payment.number}/refund")
    assert (response.status_code, exact(response)["code"]) == (409, "payment_not_refundable")


# ---- the bank's page


def test_the_page_asks_and_needs_nothing_but_its_address() -> None:
    """No script, no cookie, no frame, no cache; to look at it changes nothing."""
    charge()
    response = Client().get(page())
    html = response.content.decode()
    policy = response["Content-Security-Policy"]
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    for expected in ("50.00 USD", ORDER, 'value="approve"', 'value="decline"', "/shop/orders/" + ORDER):
        assert expected in html
    assert "<script" not in html
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("no-store", "same-origin")
    assert not response.cookies
    assert (now().status, Entry.objects.count()) == (Status.REQUIRES_ACTION, 0)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/bank/confirm/" + "A" * 43 + "/", {"answer": "approve"}, {}, 404),
        ("/bank/confirm/short/", {"answer": "approve"}, {}, 404),
        ("", {"other": "approve"}, {}, 400),
        ("", {"answer": "maybe"}, {}, 400),
        ("", [("answer", "approve"), ("answer", "decline")], {}, 400),
        ("", [("answer", "decline"), ("answer", "approve")], {}, 400),
        ("", [("answer", "approve"), ("answer", "approve")], {}, 400),
        ("", [("answer", "maybe"), ("answer", "approve")], {}, 400),
        ("", {"answer": "approve"}, {"Origin": "https://evil.example"}, 403),
        ("", {"answer": "approve"}, {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_what_is_no_answer_changes_nothing(path: str, body: Any, headers: Any, status: int) -> None:
    """Another address, no word, another one or two, another site's form: JSON that says so."""
    charge()
    response = send(path or page(), body, **headers)
    assert (response.status_code, set(response.json()) >= {"error", "code"}) == (status, True)
    assert (now().status, Entry.objects.count()) == (Status.REQUIRES_ACTION, 0)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_other_method_answers(method: str) -> None:
    charge()
    assert getattr(Client(), method)(page()).status_code == 405
    assert now().status == Status.REQUIRES_ACTION


# ---- how it ends


@pytest.mark.usefixtures("audited")
def test_approved_it_is_paid_and_the_order_is_told(orders: FakeOrders) -> None:
    """Once, whatever is answered after that; the page says so."""
    charge()
    path = page()
    assert answer("approve") == 303
    payment = now()
    assert (payment.status, payment.captured, held()) == (Status.CAPTURED, 50, 50)
    assert (payment.action_url, payment.action_expires_at, payment.due_at) == ("", None, None)
    assert payment.payment_intent_id == Hold.objects.get().payment_intent_id
    assert orders.told == [ORDER]
    for again in ("approve", "decline", "approve"):
        assert answer(again, path) == 303
    assert "Payment confirmed" in Client().get(path).content.decode()
    assert (now().status, held(), Hold.objects.count()) == (Status.CAPTURED, 50, 1)
    assert trail() == ["payment.requires_action", "payment.successful"]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize(
    ("token", "said", "code"),
    [
        ("tok_3ds_ok", "decline", "confirmation_declined"),
        ("tok_3ds_card_declined", "approve", "card_declined"),
    ],
)
def test_declined_it_has_failed_for_good(orders: FakeOrders, token: str, said: str, code: str) -> None:
    """By its payer, or by the bank after the payer's yes; a yes after that takes nothing."""
    charge(token)
    path = page()
    answer(said)
    payment = now()
    assert (payment.status, payment.failure_code, payment.retryable) == (Status.FAILED, code, False)
    assert orders.told == [ORDER]
    answer("approve", path)
    assert (now().status, held()) == (Status.FAILED, 0)
    assert "Payment declined" in Client().get(path).content.decode()
    assert trail() == ["payment.requires_action", "payment.failed"]


@pytest.mark.usefixtures("audited")
def test_abandoned_it_is_called_off_when_its_time_is_over(work: Callable[[], int], orders: FakeOrders) -> None:
    """At the gateway first, so that a yes after that takes nothing."""
    charge()
    path = page()
    assert work_once() == (Status.REQUIRES_ACTION, "")
    time_is_over()
    work()
    payment = now()
    assert (payment.status, payment.failure_code) == (Status.FAILED, "not_confirmed")
    assert payment.notice_due_at is not None
    answer("approve", path)
    assert (now().status, held()) == (Status.FAILED, 0)
    assert "Nothing to confirm any more" in Client().get(path).content.decode()
    assert trail() == ["payment.requires_action", "payment.failed"]


def work_once() -> tuple[str, str]:
    make_due()
    repair.payments_once()
    payment = now()
    return payment.status, payment.failure_code


@pytest.mark.usefixtures("audited")
def test_approved_in_the_last_moment_it_is_paid(work: Callable[[], int]) -> None:
    """The gateway has the yes, nobody has heard of it, and the time is over by then: what the gateway says counts."""
    charge()
    books.answer(Confirmation.objects.get(), is_yes=True)
    time_is_over()
    work()
    assert (now().status, held()) == (Status.CAPTURED, 50)


@pytest.mark.usefixtures("audited")
def test_voided_it_is_called_off_at_once(client: APIClient) -> None:
    """200, nothing is held; a yes after that takes nothing, and no later charge is taken."""
    charge()
    path = page()
    response = client.post(f"{URL}void/")
    assert (response.status_code, exact(response)["status"]) == (200, "VOIDED")
    answer("approve", path)
    payment = now()
    assert (payment.status, payment.failure_code, payment.action_url, held()) == (Status.VOIDED, "", "", 0)
    assert trail() == ["payment.requires_action", "payment.voided"]
    body = {"order_id": ORDER, "amount": 50, "payment_method_details": {"token": "tok_ok"}}
    assert exact(client.post("/api/payments/", body))["code"] == "payment_voided"


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize(("capture", "ended"), [(True, Status.REFUNDED), (False, Status.VOIDED)])
def test_approved_and_voided_before_anybody_has_heard_of_it_the_money_goes_back(
    client: APIClient, capture: bool, ended: str
) -> None:
    """The void finds the yes at the gateway: refunded, or released where it was only set aside."""
    charge(capture=capture)
    books.answer(Confirmation.objects.get(), is_yes=True)
    response = client.post(f"{URL}void/")
    assert response.status_code == 200
    assert (now().status, held()) == (ended, 0)
    assert Hold.objects.get().is_released is (not capture)


@pytest.mark.usefixtures("audited")
def test_approved_while_the_void_is_being_carried_out_the_money_goes_back(
    monkeypatch: pytest.MonkeyPatch, client: APIClient, work: Callable[[], int]
) -> None:
    """The yes comes between the look and the calling off, which is too late then: the second look finds it."""
    charge()
    call_off = books.call_off

    def too_late(asked: Confirmation) -> bool:
        books.answer(asked, is_yes=True)
        return call_off(asked)

    monkeypatch.setattr(books, "call_off", too_late)
    client.post(f"{URL}void/")
    work()
    assert (now().status, held(), Refund.objects.count()) == (Status.REFUNDED, 0, 1)


@pytest.mark.usefixtures("audited")
def test_approved_and_voided_with_a_refund_that_is_refused_for_good_waits_for_a_person(client: APIClient) -> None:
    """As any other payment's."""
    charge("tok_3ds_refund_fails")
    books.answer(Confirmation.objects.get(), is_yes=True)
    assert client.post(f"{URL}void/").status_code == 202
    assert (now().status, now().blocked, held()) == (Status.CAPTURED, "refund", 50)


@pytest.mark.usefixtures("audited")
def test_set_aside_after_it_was_confirmed_it_is_captured_as_any_other(client: APIClient) -> None:
    """`capture: false`: AUTHORIZED by the payer's yes."""
    charge(capture=False)
    answer("approve")
    payment = now()
    assert (payment.status, held()) == (Status.AUTHORIZED, 0)
    assert capturing.capture_payment(payment, amount=Decimal("20.00")).status == Status.CAPTURED
    assert held() == 20


@pytest.mark.usefixtures("audited")
def test_tried_again_after_a_decline_it_asks_its_payer_again(client: APIClient) -> None:
    """With another page: a new attempt is another charge."""
    charge()
    first = page()
    answer("decline")
    assert charge().status == Status.REQUIRES_ACTION
    assert (now().attempt, now().failure_code) == (2, "")
    assert page(now()) != first
    answer("approve", first)
    assert (now().status, held()) == (Status.REQUIRES_ACTION, 0)
    answer("approve", page(now()))
    assert (now().status, held()) == (Status.CAPTURED, 50)


def test_another_amount_is_a_mismatch_while_it_waits(client: APIClient) -> None:
    charge()
    body = {"order_id": ORDER, "amount": 51, "payment_method_details": {"token": "tok_ok"}}
    assert exact(client.post("/api/payments/", body))["code"] == "payment_amount_mismatch"
    assert now().amount == 50


# ---- answers that are lost, and who looks


@pytest.mark.usefixtures("audited")
def test_an_answer_that_is_lost_is_found(work: Callable[[], int]) -> None:
    """PROCESSING until somebody asks; then it waits for its payer, who is asked once."""
    assert charge("tok_3ds_lose_reply").status == Status.PROCESSING
    work_once()
    assert now().status == Status.REQUIRES_ACTION
    answer("approve")
    assert (now().status, held(), Confirmation.objects.count()) == (Status.CAPTURED, 50, 1)


@pytest.mark.usefixtures("audited")
def test_voided_before_its_answer_is_found_it_ends_too(client: APIClient) -> None:
    """The answer, that it has to be confirmed, is found with the void: called off at once."""
    charge("tok_3ds_lose_reply")
    client.post(f"{URL}void/")
    work_once()
    assert (now().status, held()) == (Status.VOIDED, 0)


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("said", ["approve", "decline"])
def test_what_the_page_could_not_tell_the_worker_finds_out(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], int], said: str
) -> None:
    """A process that died between the bank's books and the ledger: the regular look."""
    charge()

    def dies(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(moves, "make_due", dies)
    assert answer(said) == 303  # the payer has nothing to do with it
    assert now().status == Status.REQUIRES_ACTION
    monkeypatch.undo()
    work()
    assert now().status == (Status.CAPTURED if said == "approve" else Status.FAILED)


def test_to_read_it_asks_no_gateway(client: APIClient) -> None:
    """GET is no look: the worker's is."""
    charge()
    books.answer(Confirmation.objects.get(), is_yes=True)
    make_due()
    assert exact(client.get(URL))["status"] == "REQUIRES_ACTION"


def test_it_is_looked_at_less_and_less_often_and_not_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time that it has waited, a minute at most, and when its payer's time is over."""
    waits: list[float] = []
    later = moves.look_again_later

    def noted(payment: Payment, *, in_s: float) -> Payment:
        waits.append(round(in_s))
        return later(payment, in_s=in_s)

    monkeypatch.setattr(moves, "look_again_later", noted)
    charge()
    for waited_s, left_s in ((0, 900), (40, 860), (600, 300), (880, 20), (899, 1)):
        Payment.objects.update(updated_at=seconds_from_now(-waited_s), action_expires_at=seconds_from_now(left_s))
        work_once()
    assert waits == [5, 20, 60, 20, 1]
    assert (now().status, now().retry_count) == (Status.REQUIRES_ACTION, 0)


def test_a_gateway_that_cannot_be_asked_leaves_it_waiting(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], int]
) -> None:
    """Its time being over is no word of the gateway's: only that ends it."""
    charge()
    time_is_over()

    def away(*_: Any) -> None:
        raise GatewayUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(registry.gateway("simulated")), "void", away)
        assert work_once() == (Status.REQUIRES_ACTION, "")
        assert now().retry_count == 1
    work()
    assert now().failure_code == "not_confirmed"


def test_one_of_two_who_look_at_once_has_it() -> None:
    """The claim is one conditional UPDATE, as of every payment."""
    payment = charge()
    make_due()
    payment = now()
    assert moves.claim(payment) is not None
    assert moves.claim(payment) is None


def test_who_slept_past_the_lease_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The payer's yes was recorded by another; the late look is thrown away."""
    charge()
    gateway = type(registry.gateway("simulated"))
    find = gateway.find

    def slow(self: Any, request: Any) -> Any:
        found = find(self, request)
        monkeypatch.undo()
        answer("approve")
        return found

    monkeypatch.setattr(gateway, "find", slow)
    work_once()
    assert (now().status, held()) == (Status.CAPTURED, 50)
    assert trail() == ["payment.requires_action", "payment.successful"]


# ---- what must be true of it


def test_a_charge_that_was_given_up_while_its_payer_could_confirm_it_is_a_violation() -> None:
    """Nobody has called it off at the gateway: it is found before the payer says yes, and after."""
    charge()
    written = {"status": "FAILED", "taken": False, "action_url": "", "action_expires_at": None, "due_at": None}
    Payment.objects.update(**written)
    assert "confirmation_is_waited_for" in {each[0] for each in check().violations}
    books.answer(Confirmation.objects.get(), is_yes=True)
    found = {each[0] for each in check().violations}
    assert "one_charge_for_an_order_at_the_gateway" in found
    assert "confirmation_is_waited_for" not in found


def test_one_that_waits_longer_than_its_payer_may_is_a_violation() -> None:
    """And one that no worker will ever look at."""
    charge()
    Payment.objects.update(action_expires_at=seconds_from_now(-1000))
    (found,) = check().violations
    assert found[0] == "no_payment_is_left_unfinished"
    assert "its payer's time to confirm it was over 1,000 s ago" in found[2]
    Payment.objects.update(action_expires_at=seconds_from_now(10), due_at=None)
    (found,) = check().violations
    assert "no worker will ever take it up" in found[2]


def test_it_is_counted() -> None:
    """How many wait, and how many there were."""
    charge()
    metrics = scrape_samples(Client().get)
    assert (metrics["payments_awaiting_payer",], metrics["payments_to_confirm_total",]) == (1, 1)
    answer("approve")
    metrics = scrape_samples(Client().get)
    assert (metrics["payments_awaiting_payer",], metrics["payments_to_confirm_total",]) == (0, 1)
