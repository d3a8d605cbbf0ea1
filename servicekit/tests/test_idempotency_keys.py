"""`Idempotency-Key`: the same key runs a request once, and every repeat gets the first answer."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from servicekit import exactjson
from servicekit.events.models import Event
from servicekit.idempotency import keys, meaning
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests import urls
from servicekit.tests.conftest import Api

pytestmark = pytest.mark.django_db


def create(api: Api, name: str = "one", *, key: str | None = "k-1", path: str = "/things", **more: Any) -> Any:
    headers = {} if key is None else {"Idempotency_Key": key}
    return api.post(path, json.dumps({"name": name, **more}), **headers)


def test_without_a_key_each_request_creates(api: Api) -> None:
    """The header is optional, and nothing is stored for a request without it."""
    first, second = create(api, key=None), create(api, key=None)
    assert first.json()["id"] != second.json()["id"]
    assert (Event.objects.count(), IdempotencyKey.objects.count()) == (2, 0)


def test_a_repeat_is_answered_with_the_first_answer(api: Api) -> None:
    """Status and body to the byte, marked as a replay; nothing runs again."""
    first, repeat = create(api, amount="5.00"), create(api, amount="5.00")
    assert (first.status_code, repeat.status_code) == (201, 201)
    assert first.content == repeat.content
    assert b'"amount":5.00' in first.content
    assert "Idempotent-Replayed" not in first.headers
    assert repeat["Idempotent-Replayed"] == "true"
    assert Event.objects.count() == 1


def test_the_order_of_fields_does_not_matter(api: Api) -> None:
    """The same body in other words is the same body."""
    api.post("/things", '{"name": "a", "count": 1}', Idempotency_Key="k")
    repeat = api.post("/things", '{ "count":1,"name":"a" }', Idempotency_Key="k")
    assert repeat["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("amount", ["50", "50.0", "50.00", '"50"', '"50.0"', '"50.00"', '"050.00"', "5e1"])
@pytest.mark.parametrize("path", ["/things", "/at-once"])
def test_the_spelling_of_an_amount_does_not_matter(api: Api, path: str, amount: str) -> None:
    """Whichever came first."""
    first = api.post(path, '{"name": "a", "amount": 50.00}', Idempotency_Key="k")
    repeat = api.post(path, f'{{"amount": {amount}, "name": "\\u0061"}}', Idempotency_Key="k")
    assert (repeat.content, repeat["Idempotent-Replayed"]) == (first.content, "true")
    api.post(path, f'{{"name": "a", "amount": {amount}}}', Idempotency_Key="other way round")
    repeat = api.post(path, '{"name": "a", "amount": 50}', Idempotency_Key="other way round")
    assert repeat["Idempotent-Replayed"] == "true"
    assert Event.objects.count() == 2


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json"])
def test_neither_white_space_nor_the_charset_matters(api: Api, content_type: str) -> None:
    """A byte order mark is white space, too."""
    first = api.post("/things", '{"name":"é"}', Idempotency_Key="k")
    for body in (b'\xef\xbb\xbf{"name":"\xc3\xa9"}', b' { "name" :\n"\\u00e9" } '):
        repeat = api.post("/things", body, content_type=content_type, Idempotency_Key="k")
        assert (repeat.content, repeat["Idempotent-Replayed"]) == (first.content, "true")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"amount": 50.00', '"amount": 50.01'),
        ('"amount": 50.00', '"amount": -50.00'),
        ('"amount": 50.00', '"amount": "x"'),
        ('"amount": 0', '"amount": null'),
        ('"count": 1', '"count": "1"'),
        ('"count": 1', '"count": true'),
        ('"x": "50"', '"x": "50.0"'),
        ('"x": 1e30', '"x": 1e31'),
    ],
)
def test_what_means_something_else_is_something_else(one: str, other: str) -> None:
    """Text is no number where no amount stands, and a number no text."""
    bodies = [exactjson.decode(f"{{{text}}}") for text in (one, other)]
    assert keys._fingerprint(bodies[0]) != keys._fingerprint(bodies[1])


@pytest.mark.parametrize("number", ["1e999999", "-1e-999999", "9" * 4_000, "0." + "3" * 50_000, "1." + "0" * 50_000])
@pytest.mark.parametrize("field", ["amount", "x"])
def test_no_number_is_spelled_out_at_length(field: str, number: str) -> None:
    """A few characters never become a million digits."""
    body = exactjson.decode(f'{{"{field}": {number}}}')
    assert len(exactjson.encode(meaning.canonical(body))) <= len(number) + 20


def test_another_body_with_the_same_key_is_refused(api: Api) -> None:
    """422, and nothing is written or changed."""
    create(api)
    other = create(api, "two")
    assert other.status_code == 422
    assert other.json() == {
        "error": "This Idempotency-Key was used with another request body",
        "code": "idempotency_key_reused",
    }
    assert Event.objects.count() == 1
    assert create(api)["Idempotent-Replayed"] == "true"


def test_keys_of_other_paths_are_other_keys(api: Api) -> None:
    """A key belongs to its method and path, with or without the trailing slash."""
    first = create(api)
    elsewhere = create(api, path="/other-things")
    with_slash = create(api, path="/things/")
    assert first.json()["id"] != elsewhere.json()["id"]
    assert first.content == with_slash.content
    assert Event.objects.count() == 2


def test_a_quoted_key_is_the_same_as_a_bare_one(api: Api) -> None:
    """The draft quotes it, most clients do not."""
    assert create(api, key='"k-1"').content == create(api, key="k-1").content


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "tab\there", "ümlaut"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    """400 before anything runs."""
    answer = create(api, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert Event.objects.count() == 0


def test_the_longest_key_is_taken(api: Api) -> None:
    """255 characters."""
    assert create(api, key="x" * 255).status_code == 201


def test_a_key_differs_by_its_capitals(api: Api) -> None:
    """Whatever the database's collation says."""
    assert create(api, key="abc").content != create(api, key="ABC").content


def test_bad_input_gives_the_key_back(api: Api) -> None:
    """A 400 ran nothing, so the corrected body may use the same key."""
    assert create(api, "far too long").status_code == 400
    assert IdempotencyKey.objects.count() == 0
    assert create(api, "right").status_code == 201


def test_a_refusal_that_stored_something_keeps_the_key(api: Api) -> None:
    """It is what came of the request: a repeat is told it again, and another body is another request."""
    first, repeat = create(api, "kept"), create(api, "kept")
    assert (first.status_code, repeat.status_code, repeat.content) == (400, 400, first.content)
    assert repeat.json() == {"error": "It is none, and is kept", "code": "kept"}
    assert ("Idempotent-Replayed" in first.headers, repeat["Idempotent-Replayed"]) == (False, "true")
    assert (create(api, "right").status_code, Event.objects.count()) == (422, 1)


def test_a_crash_lets_the_repeat_run_again_with_the_same_id(api: Api) -> None:
    """What the first run created is found, not created a second time."""
    assert create(api, "crash").status_code == 500
    again = create(api, "crash")
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers
    (created,) = Event.objects.all()
    assert again.json()["id"] == str(created.event_id)
    assert create(api, "crash").content == again.content


def test_after_a_crash_the_key_is_still_bound_to_its_body(api: Api) -> None:
    """It may have run, so another body must not take its place."""
    create(api, "crash")
    assert create(api, "other").status_code == 422


def test_a_refusal_is_not_stored(api: Api) -> None:
    """What a handler raises is decided anew each time; here the state may have changed in between."""
    assert create(api, "clash").status_code == 409
    row = IdempotencyKey.objects.get()
    assert (row.status_code, row.locked_until) == (None, None)
    assert create(api, "clash").json()["code"] == "out_of_stock"


def lose_the_process(key: str = "k-1", *, locked_for_s: float) -> IdempotencyKey:
    """A request that claimed its key and whose process then died."""
    fingerprint = keys._fingerprint({"name": "one"})
    claim = keys._claim("POST /things", key, fingerprint)
    assert isinstance(claim, keys.Claim)
    row = IdempotencyKey.objects.get(pk=claim.id)
    row.locked_until = timezone.now() + timedelta(seconds=locked_for_s)
    row.save()
    return row


def test_while_the_first_one_runs_a_repeat_is_told_to_wait(api: Api) -> None:
    """409, and nothing runs."""
    lose_the_process(locked_for_s=30)
    answer = create(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
    assert Event.objects.count() == 0


def test_a_dead_requests_key_is_free_once_its_lock_ran_out(api: Api) -> None:
    """The repeat runs, with the id that the dead one had."""
    dead = lose_the_process(locked_for_s=-1)
    answer = create(api)
    assert (answer.status_code, answer.json()["id"]) == (201, str(dead.pk))
    assert create(api)["Idempotent-Replayed"] == "true"


def test_what_is_wrong_with_a_request_is_told_without_a_transaction(
    api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Where the database is locked, too: 400 at once, for there is nothing to write."""
    with django_assert_num_queries(0):
        assert create(api, "far too long", key=None, path="/at-once").status_code == 400


@pytest.mark.parametrize(("name", "is_taken_over"), [("crash", True), ("clash", False)])
def test_a_run_knows_whether_an_earlier_one_may_have_done_its_work(api: Api, name: str, is_taken_over: bool) -> None:
    """A run that ended in nothing may have; one that was refused has not, and the first has nobody before it."""
    fingerprint = keys._fingerprint({"name": name})
    create(api, name, key="before")
    claims = [keys._claim("POST /things", key, fingerprint) for key in ("before", "first")]
    assert [isinstance(claim, keys.Claim) and claim.is_taken_over for claim in claims] == [is_taken_over, False]


@pytest.fixture
def overtaken(api: Api) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """A request that stands still until its lock has run out, and a repeat of it that meanwhile takes its place."""

    def ask(**more: Any) -> tuple[Any, Any]:
        repeats: list[Any] = []

        def repeat() -> None:
            IdempotencyKey.objects.update(locked_until=timezone.now() - timedelta(seconds=1))
            repeats.append(create(api, "late", **more))

        urls.MEANWHILE.append(repeat)
        return create(api, "late", **more), repeats[0]

    yield ask
    urls.MEANWHILE.clear()


def test_who_was_overtaken_says_what_was_answered_meanwhile(
    api: Api, overtaken: Callable[..., tuple[Any, Any]]
) -> None:
    """The repeat was answered first, so that is the key's answer, also for the one that wakes up."""
    stood_still, repeat = overtaken()
    assert (repeat.status_code, repeat.json()) == (201, {"left": 0})
    assert (stood_still.status_code, stood_still.content) == (201, repeat.content)
    assert stood_still["Idempotent-Replayed"] == "true"
    assert create(api, "late").content == repeat.content


def test_who_was_overtaken_and_refused_leaves_the_answer_alone(
    api: Api, overtaken: Callable[..., tuple[Any, Any]]
) -> None:
    """Bad input gives back a key that nobody was answered under, and no other."""
    stood_still, repeat = overtaken(amount="5.00")
    assert (stood_still.status_code, repeat.status_code) == (400, 201)
    again = create(api, "late", amount="5.00")
    assert (again.status_code, again.content, again["Idempotent-Replayed"]) == (201, repeat.content, "true")


def test_old_keys_are_forgotten_and_young_ones_kept(api: Api) -> None:
    """A week, by the database's clock."""
    create(api, key="old")
    create(api, key="young")
    week = timedelta(seconds=keys.KEEP_S)
    IdempotencyKey.objects.filter(key="old").update(created_at=timezone.now() - week - timedelta(minutes=1))
    IdempotencyKey.objects.filter(key="young").update(created_at=timezone.now() - week + timedelta(minutes=1))
    assert [keys.purge_once(), keys.purge_once()] == [1, 0]
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["young"]


@pytest.mark.parametrize("key", [None, "k-1"])
def test_the_short_way_creates_and_keeps_its_answer(api: Api, key: str | None) -> None:
    """Key, work and answer in one; the repeat is a replay to the byte."""
    first = create(api, path="/at-once", key=key)
    assert (first.status_code, "way" in first.json()) == (201, False)
    assert (Event.objects.count(), IdempotencyKey.objects.count()) == (1, 0 if key is None else 1)
    if key is not None:
        repeat = create(api, path="/at-once", key=key)
        assert (repeat.content, repeat["Idempotent-Replayed"]) == (first.content, "true")
        assert create(api, "two", path="/at-once", key=key).status_code == 422
        assert Event.objects.count() == 1


@pytest.mark.parametrize("key", [None, "k-1"])
def test_what_the_short_way_leaves_goes_the_long_way(api: Api, key: str | None) -> None:
    """The handler itself runs, once, under the same key."""
    first = create(api, "long", path="/at-once", key=key)
    assert (first.status_code, first.json()["way"]) == (201, "long")
    assert Event.objects.count() == 1
    if key is not None:
        assert create(api, "long", path="/at-once", key=key)["Idempotent-Replayed"] == "true"


def test_a_refusal_on_the_short_way_leaves_nothing_behind(api: Api) -> None:
    """What it wrote is rolled back; the long way says what is the matter."""
    refused = create(api, "clash", path="/at-once")
    assert (refused.status_code, refused.json()["code"]) == (409, "out_of_stock")
    assert Event.objects.count() == 0


@pytest.mark.parametrize("path", ["/things", "/at-once"])
@pytest.mark.parametrize("key", [None, "k-1"])
def test_a_body_that_cannot_be_read_is_refused_as_such(api: Api, path: str, key: str | None) -> None:
    """Not as an empty body, which is what is there when it is looked at a second time."""
    headers = {} if key is None else {"Idempotency_Key": key}
    assert api.post(path, "{", **headers).json()["code"] == "malformed_json"
    assert api.post(path, "{}", content_type="text/plain", **headers).json()["code"] == "unsupported_media_type"
    assert IdempotencyKey.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_one_runs(api: Api) -> None:
    """Real threads on a real database: one creates, the others replay it or are told to wait. Who finds the service
    overloaded has run nothing, and asks again."""
    answers: list[Any] = []
    start = threading.Barrier(12)

    def send() -> None:
        start.wait()
        for _ in range(60):
            answer = create(api)
            if answer.status_code != 503 or answer.json()["code"] != "overloaded":
                break
            time.sleep(0.5)
        answers.append(answer)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = Counter((answer.status_code, answer.headers.get("Idempotent-Replayed")) for answer in answers)
    assert seen[201, None] == 1
    assert seen[201, "true"] + seen[409, None] == 11
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Event.objects.count() == 1
