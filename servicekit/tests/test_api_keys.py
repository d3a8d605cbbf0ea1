"""API keys: a request is let in by its key's scopes, is known by its key's name, and is held to its key's limit."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError
from django.db.models import QuerySet
from django.utils import timezone
from environs import Env

from servicekit import exactjson
from servicekit.apikeys import checks, guard, issuing
from servicekit.apikeys.limits import Bucket
from servicekit.apikeys.models import ApiKey
from servicekit.apikeys.ring import Ring
from servicekit.events.models import Event
from servicekit.observability import actor
from servicekit.settings import base
from servicekit.tests.clocks import Clock
from servicekit.tests.conftest import LogLines
from servicekit.tests.urls import ListView
from servicekit.web import health, metrics_endpoint, routes
from servicekit.web.routes import route

pytestmark = pytest.mark.django_db


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The process's keys, on a clock of the test's own; nothing is known of other tests' keys."""
    clock = Clock(1000.0)
    monkeypatch.setattr(guard, "ring", Ring(clock=clock))
    actor.act_as(actor.COMMAND)
    return clock


@pytest.fixture
def closed(settings: Any, ring: Clock) -> Clock:
    settings.API_AUTH = True
    return ring


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def place(api: Any, **headers: str) -> Any:
    return api.post("/things", json.dumps({"name": "one"}), **headers)


def manage(*arguments: str) -> list[str]:
    output = StringIO()
    call_command("keys", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_an_open_service_asks_nobody(api: Any, settings: Any) -> None:
    """Whoever comes is anonymous."""
    settings.API_AUTH = False
    assert place(api).status_code == 201
    assert Event.objects.get().actor == "anonymous"


def test_without_a_key_nobody_gets_in(api: Any, closed: Clock) -> None:
    """401 says how to come back, and nothing is done."""
    answer = place(api)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "An API key is needed: Authorization: Bearer <key>",
        "code": "not_authenticated",
    }
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer abcdefgh." + "a" * 32,
        "Basic YTpi",
        "Bearer " + "a" * 5000,
        "Bearer é",
        "Token {}",
        "Bearer {} {}",
        "{}",
    ],
)
def test_what_is_no_key_lets_nobody_in(api: Any, closed: Clock, given: str) -> None:
    """However it is spelled."""
    secret = issuing.create("shop", ["things:write"])
    answer = place(api, Authorization=given.format(secret, secret))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert not Event.objects.exists()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_lets_its_caller_in_by_name(api: Any, closed: Clock, scheme: str) -> None:
    """The event says who it was."""
    secret = issuing.create("shop", ["things:write"])
    assert place(api, Authorization=f"{scheme} {secret}").status_code == 201
    assert Event.objects.get().actor == "shop"


def test_a_key_may_do_what_its_scopes_say_and_nothing_else(api: Any, closed: Clock) -> None:
    """403 names what is missing."""
    secret = issuing.create("reader", ["things:read"])
    answer = place(api, **bearer(secret))
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "This API key lacks the scope things:write",
        "code": "insufficient_scope",
        "scope": "things:write",
    }
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="insufficient_scope", scope="things:write"'
    assert not Event.objects.exists()


def test_a_revoked_key_ends_within_a_second(api: Any, closed: Clock) -> None:
    """In a process that has used it a moment ago, too."""
    secret = issuing.create("shop", ["things:write"])
    assert place(api, **bearer(secret)).status_code == 201
    issuing.revoke("shop")
    closed.now += 0.9
    assert place(api, **bearer(secret)).status_code == 401


def test_an_expired_key_is_over(api: Any, closed: Clock) -> None:
    secret = issuing.create("shop", ["things:write"], expires=timezone.now() + timedelta(hours=1))
    assert place(api, **bearer(secret)).status_code == 201
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    closed.now += 0.9
    assert place(api, **bearer(secret)).status_code == 401


def test_while_a_key_is_replaced_both_are_good(api: Any, closed: Clock) -> None:
    """And both are the same caller; the old one ends by itself."""
    old = issuing.create("shop", ["things:write"], limit_per_s=1000.0)
    new = issuing.rotate("shop", overlap=timedelta(hours=1))
    assert [place(api, **bearer(secret)).status_code for secret in (old, new)] == [201, 201]
    assert set(Event.objects.values_list("actor", flat=True)) == {"shop"}
    first, second = ApiKey.objects.order_by("pk")
    assert (second.scopes, second.limit_per_s, second.expires_at) == ("things:write", 1000.0, None)
    assert first.expires_at is not None
    assert first.expires_at - timezone.now() < timedelta(hours=1)


def test_a_key_that_is_about_to_end_is_replaced_by_one_that_is_not(api: Any, closed: Clock) -> None:
    """Under its name, without a gap; and what is said of both is so. Unless said, it ends with that one."""
    ends = timezone.now() + timedelta(hours=1)
    old = issuing.create("shop", ["things:write"], expires=ends)
    said = manage("rotate", "shop")
    text = exactjson.utc_text(ends.replace(microsecond=0))
    assert said[-2].startswith(f"shop has a new key, good until {text}; the old one is good until {text}.")
    said = manage("rotate", "shop", "--expires", "2300-01-31")
    assert said[-2].startswith(
        f"shop has a new key, good until 2300-01-31T00:00:00Z; the old one is good until {text}."
    )
    assert [place(api, **bearer(secret)).status_code for secret in (old, said[-1])] == [201, 201]


def test_two_callers_with_the_same_idempotency_key_do_not_see_each_other(api: Any, closed: Clock) -> None:
    """Each has its own answer, and is told it again."""
    one, other = (issuing.create(name, ["things:write"]) for name in ("one", "other"))
    answers = [place(api, **bearer(secret), Idempotency_Key="k") for secret in (one, other, one, other)]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, None, "true", "true"]
    assert answers[0].content == answers[2].content != answers[1].content == answers[3].content
    assert Event.objects.count() == 2


def test_a_limit_is_kept_and_told(api: Any, closed: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with when to come again; what was refused did nothing, and other keys go on."""
    monkeypatch.setattr("servicekit.apikeys.ring.Bucket", lambda per_s: Bucket(per_s, clock=closed))
    limited, free = issuing.create("shop", ["things:write"], limit_per_s=2.0), issuing.create("x", ["things:write"])
    answers = [place(api, **bearer(limited)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [answer["RateLimit"] for answer in answers] == ['"key";r=1;t=1', '"key";r=0;t=1', '"key";r=0;t=1']
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"key";q=2;w=1'}
    assert (answers[2]["Retry-After"], answers[2].json()["code"]) == ("1", "too_many_requests")
    assert Event.objects.count() == 2
    other = place(api, **bearer(free))
    assert (other.status_code, "RateLimit" in other.headers) == (201, False)
    closed.now += 0.5
    assert [place(api, **bearer(limited)).status_code for _ in range(2)] == [201, 429]


def test_its_last_use_is_known_to_the_minute(api: Any, closed: Clock, django_assert_num_queries: Any) -> None:
    """And no request is a write of the key for that."""
    secret = issuing.create("shop", ["things:write"])
    place(api, **bearer(secret))
    closed.now += 30
    place(api, **bearer(secret))
    assert ApiKey.objects.get().last_used_at is None
    closed.now += 31
    place(api, **bearer(secret))
    assert ApiKey.objects.get().last_used_at is not None


def test_its_last_use_is_when_it_was_used(closed: Clock) -> None:
    """And not when that was noted: hours later at night, or after it was revoked. One that was noted since stays."""
    now = Clock(1000.0)
    ring = Ring(clock=closed, now=now)
    leaked, other = issuing.create("leaked", ["things:read"]), issuing.create("other", ["things:read"])
    ring.find(leaked)
    issuing.revoke("leaked")
    ring.find(other)
    closed.now += 7200
    now.now += 7200
    first, later = (datetime.fromtimestamp(moment, tz=timezone.get_default_timezone()) for moment in (1000, 5000))
    ApiKey.objects.filter(name="other").update(last_used_at=later)
    ring.find("abcdefgh." + "x" * 32)
    assert dict(ApiKey.objects.values_list("name", "last_used_at")) == {"leaked": first, "other": later}


def test_between_two_looks_at_the_table_a_key_costs_no_query(closed: Clock, django_assert_num_queries: Any) -> None:
    """It is one look at a dictionary."""
    secret = issuing.create("shop", ["things:write"])
    ring = guard.ring
    assert ring.find(secret) is not None
    with django_assert_num_queries(0):
        found = ring.find(secret)
        assert (found is not None and found.name, ring.find("abcdefgh." + "x" * 32)) == ("shop", None)
    closed.now += 0.5
    with django_assert_num_queries(1):
        ring.find(secret)


def test_the_secret_is_shown_once_and_kept_hashed(ring: Clock) -> None:
    """Alone on the last line."""
    *_, secret = manage("create", "shop", "--scope", "things:read", "--scope", "things:write")
    key = ApiKey.objects.get()
    assert re.fullmatch(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", secret)
    assert (key.name, key.scopes, key.created_by) == ("shop", "things:read things:write", "command")
    assert key.prefix == secret[:8]
    assert secret.partition(".")[2] not in "".join(map(str, vars(key).values()))
    listed = "\n".join(manage("list"))
    assert key.prefix in listed
    assert secret.partition(".")[2] not in listed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("create", "shop"), "A key needs a scope: audit:read, things:read, things:write"),
        (
            ("create", "shop", "--scope", "all"),
            "There is no scope 'all'; there are audit:read, things:",
        ),
        (("create", "worker", "--scope", "things:read"), "'worker' is not a client's name"),
        (("create", "", "--scope", "things:read"), "A name has 1 to 50 printable ASCII characters"),
        (("create", "x" * 51, "--scope", "things:read"), "A name has 1 to 50 printable ASCII characters"),
        (("create", "a\nb", "--scope", "things:read"), "A name has 1 to 50 printable ASCII characters"),
        (("create", "there", "--scope", "things:read"), "There is a key 'there'"),
        (("create", "s", "--scope", "things:read", "--expires", "2001-01-01"), "is over already"),
        (("create", "s", "--scope", "things:read", "--expires", "2027-02-30"), "is not in any calendar"),
        (("create", "s", "--scope", "things:read", "--expires", "soon"), "when it expires is"),
        (("create", "s", "--scope", "things:read", "--limit", "0/s"), "a limit is a number above 0"),
        (("create", "s", "--scope", "things:read", "--limit", "50"), "a limit is a number above 0"),
        (("rotate", "nobody"), "There is no key 'nobody'"),
        (("rotate", "there", "--expires", "2001-01-01"), "is over already"),
        (("rotate", "there", "--overlap", "long"), "a time is a number and s, m, h or d"),
        (("revoke", "nobody"), "There is no key 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], problem: str) -> None:
    """In a sentence, and nothing is changed."""
    issuing.create("there", ["things:read"])
    before = list(ApiKey.objects.values())
    with pytest.raises(CommandError, match=re.escape(problem)):
        manage(*arguments)
    assert list(ApiKey.objects.values()) == before


def test_a_secret_that_was_made_elsewhere_is_taken(api: Any, closed: Clock, tmp_path: Any) -> None:
    """A file that both sides have; done again it changes nothing."""
    file = tmp_path / "key"
    file.write_text("abcdefgh." + "s" * 32 + "\n")
    for _ in range(2):
        printed = manage("create", "order_service", "--scope", "things:write", "--from-file", str(file), "--if-missing")
        assert "sss" not in "".join(printed)
    assert ApiKey.objects.count() == 1
    assert place(api, **bearer(file.read_text().strip())).status_code == 201
    for bad in ("short.s", "s" * 60, "abcdefgh." + "é" * 32):
        file.write_text(bad)
        with pytest.raises(CommandError, match="A secret is 8 characters, a dot"):
            manage("create", "other", "--scope", "things:write", "--from-file", str(file))


@pytest.mark.parametrize(
    ("said", "hosts", "is_closed"),
    [
        ("", ["localhost", "127.0.0.1", "[::1]"], False),
        ("", ["localhost", "127.8.8.8"], False),
        ("", ["localhost", "shop.example.org"], True),
        ("", ["*"], True),
        ("", ["10.0.0.1"], True),
        ("", [".localhost"], True),
        ("on", ["localhost"], True),
        ("off", ["*"], False),
        (" ON ", ["localhost"], True),
    ],
)
def test_whoever_serves_more_than_this_machine_takes_keys(
    monkeypatch: pytest.MonkeyPatch, said: str, hosts: list[str], is_closed: bool
) -> None:
    """Unless it is said out loud."""
    monkeypatch.setenv("API_AUTH", said)
    assert base.api_auth(Env(), allowed_hosts=hosts) is is_closed


@pytest.mark.parametrize(
    ("said", "listens_at", "is_closed"),
    [
        ("", "127.0.0.1", False),
        ("", "::1", False),
        ("", "localhost", False),
        ("", "0.0.0.0", True),
        ("", "::", True),
        ("", "", True),
        ("", "10.0.0.1", True),
        ("off", "0.0.0.0", False),
    ],
)
def test_whoever_listens_to_others_takes_keys(
    monkeypatch: pytest.MonkeyPatch, said: str, listens_at: str, is_closed: bool
) -> None:
    """They may say `Host: localhost` as well as anybody."""
    monkeypatch.setenv("API_AUTH", said)
    monkeypatch.setenv("SERVER_HOST", listens_at)
    assert base.api_auth(Env(), allowed_hosts=["localhost", "127.0.0.1"]) is is_closed


def test_a_service_that_takes_keys_and_has_none_says_so(settings: Any) -> None:
    """It does not start; with one key it does."""
    settings.API_AUTH = True
    assert checks.lacks_keys()
    assert [problem.id for problem in checks.somebody_can_get_in(databases=["default"])] == ["apikeys.E001"]
    assert checks.not_everybody_can_get_in() == []
    issuing.create("shop", ["things:read"])
    assert not checks.lacks_keys()
    settings.API_AUTH = False
    assert not checks.lacks_keys()
    assert [problem.id for problem in checks.not_everybody_can_get_in()] == ["apikeys.W001"]


def test_every_route_says_what_it_asks_for() -> None:
    """Each method of each view that is ours."""
    assert {line.scope for line in routes.table()} >= {"things:read", "things:write"}


def test_a_limit_is_a_callers_and_not_a_secrets(api: Any, closed: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a key is replaced, both together may do what one may; and what is used up stays so when keys are read."""
    monkeypatch.setattr("servicekit.apikeys.ring.Bucket", lambda per_s: Bucket(per_s, clock=lambda: 0.0))
    old = issuing.create("shop", ["things:write"], limit_per_s=2.0)
    new = issuing.rotate("shop", overlap=timedelta(hours=1))
    answers = []
    for secret in (old, new, old, new):
        answers.append(place(api, **bearer(secret)).status_code)
        closed.now += 0.5
    assert answers == [201, 201, 429, 429]


def test_a_limit_below_one_a_second_says_so(api: Any, closed: Clock) -> None:
    """One in so many seconds, in whole numbers."""
    secret = issuing.create("shop", ["things:write"], limit_per_s=0.3)
    answers = [place(api, **bearer(secret)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 429]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"key";q=1;w=4'}
    assert answers[1]["Retry-After"] == "4"


def test_a_limit_is_kept_whoever_comes_together() -> None:
    """Of many threads at once exactly as many get in as may, and nobody between two ticks."""
    clock = Clock(1000.0)
    bucket = Bucket(50.0, clock=clock)
    with ThreadPoolExecutor(16) as pool:
        first = [left.is_allowed for left in pool.map(lambda _: bucket.take(), range(400))]
        clock.now += 0.1
        then = [left.is_allowed for left in pool.map(lambda _: bucket.take(), range(400))]
    assert (sum(first), sum(then)) == (50, 5)


def test_keys_that_are_over_are_forgotten(closed: Clock) -> None:
    """A process has the good ones in its memory, however often they were replaced; garbage leaves nothing there."""
    secrets = [issuing.create("shop", ["things:write"])]
    secrets += [issuing.rotate("shop", overlap=timedelta()) for _ in range(5)]
    found = [guard.ring.find(secret) is not None for secret in secrets]
    assert found == [False] * 5 + [True]
    for number in range(100):
        assert guard.ring.find(f"abcdefgh.{number:032}") is None
    assert len(guard.ring._keys) == 1
    assert len(guard.ring._used) == 1


def test_whoever_waited_for_a_look_that_failed_has_failed_too(ring: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that says nothing keeps each for as long as one look takes, and not one after the other."""
    looks: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def hang(_self: Ring) -> Any:
        looks.append(1)
        started.set()
        assert go_on.wait(60)
        ring.now += 5
        raise OperationalError("gone")

    monkeypatch.setattr(Ring, "_all", hang)

    def ask() -> str:
        with pytest.raises(OperationalError) as problem:
            guard.ring.find("abcdefgh." + "x" * 32)
        return str(problem.value)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask)
        assert started.wait(60)
        waiting = threading.Semaphore(0)
        monkeypatch.setattr(guard.ring, "_reading", Noticed(guard.ring._reading, waiting))
        others = [pool.submit(ask) for _ in range(7)]
        for _ in others:
            assert waiting.acquire(timeout=300)
        go_on.set()
        assert first.result() == "gone"
        assert {other.result() for other in others} == {"The keys could not be read a moment ago"}
    assert looks == [1]
    with pytest.raises(OperationalError, match="gone"):  # whoever comes later looks for himself
        guard.ring.find("abcdefgh." + "x" * 32)


class Noticed:
    """A lock that tells of each who is about to ask for it."""

    def __init__(self, lock: Any, asked: threading.Semaphore) -> None:
        self._lock, self._asked = lock, asked

    def acquire(self, *, blocking: bool) -> bool:
        self._asked.release()
        return bool(self._lock.acquire(blocking=blocking))

    def release(self) -> None:
        self._lock.release()


def test_a_use_that_cannot_be_noted_refuses_nobody(api: Any, closed: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes on, nobody waits for it, and it is noted a minute later."""
    secret = issuing.create("shop", ["things:write"])
    place(api, **bearer(secret))
    closed.now += 61
    with monkeypatch.context() as patched:
        patched.setattr(QuerySet, "update", _refuse)
        assert place(api, **bearer(secret)).status_code == 201
    assert ApiKey.objects.get().last_used_at is None
    assert guard.ring._reading.acquire(blocking=False)
    guard.ring._reading.release()
    closed.now += 61
    assert place(api, **bearer(secret)).status_code == 201
    assert ApiKey.objects.get().last_used_at is not None


def _refuse(*_: Any, **__: Any) -> Any:
    raise OperationalError("attempt to write a readonly database")


def test_the_tables_are_made_before_there_is_a_key(settings: Any) -> None:
    """`migrate` runs where there is none yet; `check --deploy` is what complains."""
    settings.API_AUTH = True
    call_command("migrate", skip_checks=False, verbosity=0)
    with pytest.raises(SystemCheckError, match=r"apikeys\.E001"):
        call_command("check", "--deploy", "--database", "default")


def test_two_that_make_the_same_key_at_once_make_one(
    ring: Clock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second finds it there, though it was not when he looked."""
    file = tmp_path / "key"
    file.write_text("abcdefgh." + "s" * 32)
    arguments = ("create", "order_service", "--scope", "things:write", "--from-file", str(file), "--if-missing")
    manage(*arguments)
    looked: list[str] = []

    def usable(name: str) -> Any:
        looked.append(name)
        return ApiKey.objects.filter(name=name) if len(looked) > 2 else ApiKey.objects.none()

    monkeypatch.setattr(issuing, "usable", usable)
    assert manage(*arguments) == ["There is a key 'order_service'"]
    monkeypatch.undo()
    assert ApiKey.objects.count() == 1
    with pytest.raises(CommandError, match="There is a key that begins with abcdefgh already"):
        manage("create", "other", "--scope", "things:write", "--from-file", str(file))


def test_names_are_told_apart_by_their_capitals(ring: Clock) -> None:
    """On every database; and one key is not ended for the other."""
    issuing.create("Shop", ["things:read"])
    issuing.create("shop", ["things:read"])
    assert issuing.revoke("shop") == 1
    assert [key.name for key in ApiKey.objects.filter(revoked_at=None)] == ["Shop"]


def test_keys_have_names_with_all_that_is_printed(api: Any, closed: Clock) -> None:
    """Slashes, blanks and words of a scope's own: whose key of what it is stays clear."""
    names = ["a/b", "POST /things by x", "x", "b by x", "x ! \"'\\{}%s"]
    for name in names:
        secret = issuing.create(name, ["things:write"])
        closed.now += 0.1
        answers = [place(api, **bearer(secret), Idempotency_Key="k") for _ in range(2)]
        assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert list(Event.objects.order_by("position").values_list("actor", flat=True)) == names


def test_a_key_of_before_there_were_names_is_nobodys_afterwards(api: Any, settings: Any, closed: Clock) -> None:
    """An `Idempotency-Key` that was used while the service was open is another one when it is not."""
    settings.API_AUTH = False
    first = place(api, Idempotency_Key="k")
    settings.API_AUTH = True
    again = place(api, **bearer(issuing.create("shop", ["things:write"])), Idempotency_Key="k")
    assert (first.status_code, again.status_code, again.headers.get("Idempotent-Replayed")) == (201, 201, None)
    assert first.content != again.content


def test_two_keys_in_one_request_are_none(api: Any, closed: Clock) -> None:
    """Two headers come joined by a comma: whoever stands before us may have read the other one."""
    secret = issuing.create("shop", ["things:write"])
    answer = place(api, Authorization=f"Bearer {secret},Bearer {secret}")
    assert (answer.status_code, answer.json()["code"]) == (400, "header_repeated")
    answer = place(api, Authorization=f"Bearer {secret}, Bearer {secret}")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
    assert not Event.objects.exists()


def test_nobody_is_the_caller_before(api: Any, closed: Clock, settings: Any, log_lines: Any) -> None:
    """Requests follow each other on one thread; each has its own name, also one that is refused."""
    secret = issuing.create("shop", ["things:write"])
    place(api, **bearer(secret))
    place(api)
    api.get("/health")
    place(api, **bearer("abcdefgh." + "x" * 32))
    settings.API_AUTH = False
    place(api)
    asked = [line["actor"] for line in log_lines() if line["event"] == "request"]
    assert asked == ["shop", "anonymous", "anonymous", "anonymous"]
    assert list(Event.objects.order_by("position").values_list("actor", flat=True)) == ["shop", "anonymous"]


def test_a_secret_is_in_no_line_of_the_log(
    api: Any, closed: Clock, log_lines: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """Neither when it is made nor when it is used, nor where it is wrong."""
    with django_capture_on_commit_callbacks(execute=True):
        *_, secret = manage("create", "shop", "--scope", "things:write")
        *_, other = manage("rotate", "shop")
    for given in (secret, other, other[:-1] + "?", "abcdefgh." + other[9:]):
        place(api, **bearer(given))
    with django_capture_on_commit_callbacks(execute=True):
        manage("revoke", "shop")
    lines = log_lines()
    events = [line["event"] for line in lines]
    assert [events.count(name) for name in ("key.created", "key.revoked", "request")] == [2, 2, 4]
    assert {line["event"]: line["actor"] for line in lines if line["event"].startswith("key.")} == {
        "key.created": "command",
        "key.revoked": "anonymous",  # of this thread's last request; `manage.py` has a process of its own
    }
    for hidden in (secret[9:], other[9:-1]):
        assert hidden not in str(lines)


def test_a_new_key_is_good_at_once(api: Any, closed: Clock, django_assert_num_queries: Any) -> None:
    """Also in a process that has just looked; but whoever comes with garbage makes nobody look all the time."""
    place(api, **bearer(issuing.create("other", ["things:write"])))
    secret = issuing.create("shop", ["things:write"])
    closed.now += 0.06
    assert place(api, **bearer(secret)).status_code == 201
    with django_assert_num_queries(0):
        for number in range(100):
            assert guard.ring.find(f"abcdefgh.{number:032}") is None


@pytest.mark.parametrize(
    ("api_auth", "hosts", "said"),
    [
        (False, ["localhost", "shop.example.org"], ["server.open"]),
        (False, ["localhost", "127.0.0.1"], []),
        (True, ["shop.example.org"], []),
    ],
)
def test_a_service_that_is_open_to_others_says_so(
    settings: Any, log_lines: LogLines, api_auth: bool, hosts: list[str], said: list[str]
) -> None:
    """At its start, in the log."""
    settings.API_AUTH, settings.ALLOWED_HOSTS = api_auth, hosts
    checks.warn_if_open()
    assert [line["event"] for line in log_lines()] == said


def test_a_repeat_with_the_new_key_is_a_repeat(api: Any, closed: Clock) -> None:
    """A key that is replaced under way makes nobody pay twice."""
    first = place(api, **bearer(issuing.create("shop", ["things:write"])), Idempotency_Key="k")
    new = issuing.rotate("shop", overlap=timedelta())
    closed.now += 0.5
    again = place(api, **bearer(new), Idempotency_Key="k")
    assert (again.content, again.headers.get("Idempotent-Replayed")) == (first.content, "true")


def test_what_is_too_large_is_refused_before_anybody_is_asked_who_he_is(api: Any, closed: Clock) -> None:
    """It is not read for that; what is small enough is not looked at before."""
    assert api.post("/things", "x" * 1001).status_code == 413
    assert api.post("/things", "x" * 1000).status_code == 401
    assert api.post("/things", "x", content_type="text/plain").status_code == 401
    assert place(api, Idempotency_Key="").status_code == 401
    wrong = issuing.create("reader", ["things:read"])
    closed.now += 0.1
    assert api.post("/things", "{", **bearer(wrong)).status_code == 403


@pytest.mark.parametrize(
    ("also", "closed_paths"), [([], []), (["docs"], ["/openapi.json"]), (["metrics"], ["/metrics"])]
)
def test_metrics_and_the_document_are_closed_where_that_is_said(
    api: Any, settings: Any, closed: Clock, also: list[str], closed_paths: list[str]
) -> None:
    """Metrics to who may read the audit, the document to any key; health, and pages that are empty without, never."""
    settings.API_AUTH_ALSO = also
    urls: Any = ModuleType("urls_with_keys")
    urls.urlpatterns = [
        *health.routes(service="servicekit", version="1"),
        *metrics_endpoint.routes(),
        route(r"^list$", ListView, get="things:read"),
    ]
    settings.ROOT_URLCONF = urls
    reader = bearer(issuing.create("reader", ["things:read"]))
    for path in ("/", "/health", "/health/live", "/metrics", "/metrics/", "/openapi.json", "/docs", "/redoc"):
        is_closed = path.rstrip("/") in closed_paths
        assert api.get(path).status_code == (401 if is_closed else 200), path
    if "metrics" in also:
        watcher = bearer(issuing.create("prometheus", ["audit:read"]))
        closed.now += 0.1
        assert [api.get("/metrics", **each).status_code for each in (reader, watcher)] == [403, 200]
    if "docs" in also:
        assert api.get("/openapi.json", **reader).status_code == 200
