"""What `/metrics` says of requests, of events, and of itself when the database is away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from servicekit.db.clock import seconds_from_now
from servicekit.events import metrics, relay, store
from servicekit.events.models import Event, Tally
from servicekit.events.publishers.base import LogPublisher
from servicekit.tests.conftest import Api, LogLines
from servicekit.tests.scraping import Samples, scrape_samples

pytestmark = pytest.mark.django_db
REQUESTS = "http_request_duration_seconds_count"


def append(event_type: str = "thing.broken", *, colour: str = "red") -> None:
    store.append(
        event_type,
        aggregate_type="thing",
        aggregate_id="t-1",
        sequence=Event.objects.count() + 1,
        data={"colour": colour},
    )


def make_old(*, seconds: float = metrics.SETTLED_AFTER_S + 1) -> None:
    """All events so far happened that long ago."""
    Event.objects.update(created_at=seconds_from_now(-seconds))


@pytest.fixture
def scrape(api: Api) -> Callable[[], Samples]:
    return partial(scrape_samples, api.get)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_it_is_prometheus_text(api: Api, path: str) -> None:
    """In the version of the format that every scraper reads."""
    answer = api.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.content.endswith(b"\n")
    assert b"_created" not in answer.content


def test_it_can_only_be_read(api: Api) -> None:
    """405 in JSON like everywhere."""
    assert api.post("/metrics", b"{}").json() == {"error": 'Method "POST" not allowed.', "code": "method_not_allowed"}


def test_it_is_no_part_of_the_api(api: Api) -> None:
    """Not in the OpenAPI document: it is for machines of another kind."""
    assert not [path for path in api.get("/openapi.json").json()["paths"] if "metrics" in path]


def test_a_request_is_counted_by_its_pattern(api: Api, scrape: Callable[[], Samples]) -> None:
    """With method and status; never by its path, of which there are any number."""
    series = (REQUESTS, "GET", "/raise/<str:name>", "409")
    before = scrape().get(series, 0)
    api.get("/raise/conflict")
    api.get("/raise/conflict")
    after = scrape()
    assert after[series] - before == 2
    assert not [labels for labels in after if "conflict" in "".join(labels)]


def test_both_forms_of_a_path_are_one_route(api: Api, scrape: Callable[[], Samples]) -> None:
    """The optional slash is part of the pattern."""
    series = (REQUESTS, "POST", "/echo/", "201")
    before = scrape().get(series, 0)
    api.post("/echo", b"1")
    api.post("/echo/", b"1")
    assert scrape()[series] - before == 2


def test_unknown_routes_are_one(api: Api, scrape: Callable[[], Samples]) -> None:
    """Whoever tries a million paths makes one series."""
    series = (REQUESTS, "GET", "unknown", "404")
    before = scrape().get(series, 0)
    for n in range(3):
        api.get(f"/scan-{n}.php")
    after = scrape()
    assert after[series] - before == 3
    assert not [labels for labels in after if "scan" in "".join(labels)]


def test_a_made_up_method_is_not_in_the_log(api: Api, log_lines: LogLines) -> None:
    """A client may write anything there, a card number too."""
    api.request("4242424242424242", "/echo")
    assert [line["method"] for line in log_lines()] == ["other"]


def test_made_up_methods_are_one(api: Api, scrape: Callable[[], Samples]) -> None:
    """They have one label for all of them."""
    series = (REQUESTS, "other", "/echo/", "405")
    before = scrape().get(series, 0)
    api.request("BREW", "/echo")
    api.request("MILK", "/echo")
    assert scrape()[series] - before == 2


def test_refused_and_crashed_requests_are_counted(api: Api, scrape: Callable[[], Samples]) -> None:
    """A limit is hit before there is a route; a crash still has its own."""
    refused, crashed = (REQUESTS, "POST", "unknown", "413"), (REQUESTS, "GET", "/plain-crash", "500")
    before = scrape()
    api.post("/echo", b"x" * 1001)
    api.get("/plain-crash")
    after = scrape()
    assert [after[series] - before.get(series, 0) for series in (refused, crashed)] == [1, 1]


def test_latency_is_in_the_buckets(api: Api, scrape: Callable[[], Samples]) -> None:
    """Each request is in the sum, and in every bucket that is large enough."""
    series = ("http_request_duration_seconds_bucket", "+Inf", "GET", "/raise/<str:name>", "503")
    before = scrape().get(series, 0)
    api.get("/raise/unavailable")
    after = scrape()
    assert after[series] - before == 1
    assert after["http_request_duration_seconds_sum", "GET", "/raise/<str:name>", "503"] > 0


def test_without_the_database_the_rest_is_still_told(api: Api, scrape: Callable[[], Samples]) -> None:
    """200 with what the process knows; a gauge says what is missing, and nothing that is read is shown as 0."""

    def refuse(*_: Any) -> Any:
        raise OperationalError("could not connect")

    api.get("/echo")
    with connection.execute_wrapper(refuse):
        found = scrape()
    assert found[("metrics_database_up",)] == 0
    assert found[REQUESTS, "GET", "/echo/", "200"] >= 1
    assert ("events_unsent",) not in found
    assert ("things_broken_total", "red") not in found
    assert scrape()[("metrics_database_up",)] == 1


def test_the_outbox_says_how_far_it_is_behind(scrape: Callable[[], Samples]) -> None:
    """How many events wait, and for how long the first of them; nothing when all are sent."""
    append()
    append()
    make_old(seconds=100)
    found = scrape()
    assert found[("events_unsent",)] == 2
    assert 100 <= found[("events_oldest_unsent_age_seconds",)] < 130
    assert relay.Relay(LogPublisher()).run_once() > 0
    found = scrape()
    assert (found[("events_unsent",)], found[("events_oldest_unsent_age_seconds",)]) == (0, 0)


def test_known_counters_begin_at_zero(scrape: Callable[[], Samples]) -> None:
    """So that the first event is an increase that can be seen."""
    found = scrape()
    assert (found[("things_made_total",)], found["things_broken_total", "red"]) == (0, 0)


def test_events_are_counted_by_what_their_data_say(scrape: Callable[[], Samples]) -> None:
    """At once, sent or not, and each in every counter that it belongs to."""
    for colour in ("red", "blue", "red"):
        append(colour=colour)
    append("thing.made")
    append("thing.forgotten")
    assert relay.Relay(LogPublisher()).run_once() > 0
    found = scrape()
    assert (found["things_broken_total", "red"], found["things_broken_total", "blue"]) == (2, 1)
    assert found[("things_made_total",)] == 1
    assert found[("things_total",)] == 4
    assert found[("things_broken_red_total",)] == 2


def test_what_is_settled_is_not_counted_again(scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are kept up to a position; a scrape reads what comes after it, whatever lies below."""
    monkeypatch.setattr(metrics, "KEPT_FROM", 3)
    for _ in range(3):
        append()
    make_old()
    assert scrape()["things_broken_total", "red"] == 3
    assert Tally.objects.get().position == Event.objects.order_by("-position").values_list("position", flat=True)[0]
    Event.objects.all().delete()  # nothing of it is read any more
    append()
    with CaptureQueriesContext(connection) as queries:
        assert scrape()["things_broken_total", "red"] == 4
    # Whether the database can be written at all is tried at a scrape, too.
    written = [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert not [sql for sql in written if "storage_heartbeat" not in sql]


def test_few_and_young_events_are_not_kept_yet(scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape writes rarely, and never past an event below which another may still come in."""
    append()
    append()
    make_old()
    # A server counts positions on over what other tests have rolled back.
    highest = Event.objects.order_by("-position").values_list("position", flat=True)[0]
    monkeypatch.setattr(metrics, "KEPT_FROM", highest + 1)
    for _ in range(5):
        append()
    assert scrape()["things_broken_total", "red"] == 7
    assert not Tally.objects.exists()


def test_an_event_that_commits_late_is_counted(scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in below others that were counted before."""
    monkeypatch.setattr(metrics, "KEPT_FROM", 1)
    append()
    make_old()
    append()
    append()
    late = Event.objects.order_by("position")[1]
    late.delete()
    assert scrape()["things_broken_total", "red"] == 2
    late.save(force_insert=True)
    assert scrape()["things_broken_total", "red"] == 3


@pytest.mark.django_db(transaction=True)
def test_many_who_count_at_once_agree(scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    """While events come in, each scraper sees the counter rise only, and in the end all see the same."""
    monkeypatch.setattr(metrics, "KEPT_FROM", 1)
    # SQLite has one writer at a time: nothing can commit late, so all but the newest may be kept at once.
    monkeypatch.setattr(metrics, "SETTLED_AFTER_S", 0.0)
    # Whoever comes while another collects gets the last text: not that of the test before.
    assert scrape()["things_broken_total", "red"] == 0
    all_told = threading.Event()

    def watch() -> list[float]:
        seen: list[float] = []
        while not all_told.is_set() or len(seen) < 2:
            seen.append(scrape()["things_broken_total", "red"])
        connection.close()
        return seen

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch) for _ in range(4)]
        for _ in range(50):
            append()
        all_told.set()
        for watcher in watching:
            seen = watcher.result()
            assert seen == sorted(seen)
    assert scrape()["things_broken_total", "red"] == 50
    assert Tally.objects.get().position > 0


def test_an_old_table_is_caught_up_with_in_parts(
    scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One scrape never counts more than so many, gaps in the positions or not."""
    monkeypatch.setattr(metrics, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(metrics, "KEPT_FROM", 1)
    for _ in range(20):
        append()
    first = Event.objects.order_by("position")[0].position
    Event.objects.filter(position__gt=first + 3, position__lt=first + 13).delete()
    Tally.objects.create(position=first - 1, counts="[]")
    make_old()
    seen = [scrape()["things_broken_total", "red"] for _ in range(6)]
    assert seen == [4, 4, 4, 7, 11, 11]


@pytest.mark.django_db(transaction=True)
def test_counts_that_cannot_be_kept_are_right_all_the_same(
    scrape: Callable[[], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that only reads, or is too busy to write, costs the scrape nothing but time."""
    monkeypatch.setattr(metrics, "KEPT_FROM", 1)

    def refuse_writes(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(("UPDATE", "INSERT")):
            raise OperationalError("attempt to write a readonly database")
        return execute(sql, *arguments)

    append()
    make_old()
    with connection.execute_wrapper(refuse_writes):
        found = scrape()
    assert (found["things_broken_total", "red"], found[("metrics_database_up",)]) == (1, 1)
    assert not Tally.objects.exists()
