"""Below a path prefix everything works: the server's own, and one that a proxy takes away."""

import json
import re

import pytest
from django.urls import get_script_prefix

from servicekit.events.models import Event
from servicekit.runtime.wsgi import Handler
from servicekit.settings import base
from servicekit.tests.conftest import Api, LogLines
from servicekit.tests.test_serving import Sent

pytestmark = pytest.mark.django_db
WAYS = [{"SCRIPT_NAME": "/shop/v2"}, {"HTTP_X_FORWARDED_PREFIX": "/shop/v2"}, {"HTTP_X_FORWARDED_PREFIX": "/shop/v2/"}]


def links_in(page: str) -> set[str]:
    return {link for link in re.findall(r'(?:src|href|action)="([^"]+)"', page) if not link.startswith(("#", "data:"))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/"])
def test_each_link_of_a_page_leads_through_the_prefix(way: dict[str, str], path: str) -> None:
    """And to something that is there."""
    sent = Sent(Handler(), path, **way)
    assert sent.status == "200 OK"
    links = links_in(sent.body.decode())
    assert links
    for link in links:
        assert link.startswith("/shop/v2/")
        assert Sent(Handler(), link.removeprefix("/shop/v2"), **way).status in {"200 OK", "302 Found"}


@pytest.mark.parametrize("way", WAYS)
def test_the_document_says_below_which_prefix_its_paths_are(way: dict[str, str]) -> None:
    """So that "Try it out" asks through the prefix, too."""
    assert json.loads(Sent(Handler(), "/openapi.json", **way).body)["servers"] == [{"url": "/shop/v2"}]
    assert "servers" not in json.loads(Sent(Handler(), "/openapi.json").body)
    assert b"/shop/v2/openapi.json" in Sent(Handler(), "/docs", **way).body


@pytest.mark.parametrize("way", WAYS)
def test_the_admin_sends_whoever_is_not_known_to_its_login(way: dict[str, str]) -> None:
    """302 to an address below the prefix, where it was a 500."""
    sent = Sent(Handler(), "/admin/", **way)
    assert (sent.status, sent.headers["Location"]) == ("302 Found", "/shop/v2/admin/login/?next=/shop/v2/admin/")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_who_watches_is_neither_held_up_nor_logged(way: dict[str, str], log_lines: LogLines) -> None:
    """Also under a host that is none of ours."""
    for path in ("/health", "/health/live", "/metrics"):
        assert Sent(Handler(), path, HTTP_HOST="10.1.2.3:8000", **way).status == "200 OK"
    assert log_lines() == []


def test_both_prefixes_stand_one_in_the_other() -> None:
    sent = Sent(Handler(), "/docs", SCRIPT_NAME="/own", HTTP_X_FORWARDED_PREFIX="/theirs")
    assert all(link.startswith("/theirs/own/") for link in links_in(sent.body.decode()))


def test_a_prefix_is_its_requests_alone() -> None:
    """Whoever comes next in the same thread has none."""
    handler = Handler()
    for way in WAYS:
        Sent(handler, "/docs", **way)
        assert get_script_prefix() == "/"
        assert "/shop" not in Sent(handler, "/docs").body.decode()


def test_a_key_is_the_same_below_each_prefix(api: Api) -> None:
    """One that was used through a proxy runs nothing again past it."""
    first, repeat = (
        api.request(
            "POST", "/things", data=b'{"name": "x"}', content_type="application/json", HTTP_IDEMPOTENCY_KEY="k", **way
        )
        for way in ({}, {"HTTP_X_FORWARDED_PREFIX": "/shop"})
    )
    assert (first.status_code, first.content) == (201, repeat.content)
    assert repeat["Idempotent-Replayed"] == "true"
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    "prefix",
    [
        *(
            "shop",
            "//evil.example",
            "/a//b",
            "/..",
            "/a/../b",
            "/.",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\\b",
            "/%2e",
            "/\u00e4",
        ),
        *("http://evil.example/", "/a,/b", "/a, /b", "/" + "x" * 255, "/x" * 17),
    ],
)
def test_a_prefix_that_is_none_is_refused(api: Api, prefix: str) -> None:
    """400, before any link is made of it."""
    answer = api.get("/docs", X_Forwarded_Prefix=prefix)
    assert answer.status_code == 400
    assert answer.json() == {"error": "X-Forwarded-Prefix must be a path like /shop", "code": "bad_request"}


@pytest.mark.parametrize("prefix", ["", "/"])
def test_no_prefix_is_none(api: Api, prefix: str) -> None:
    assert api.get("/echo", X_Forwarded_Prefix=prefix).status_code == 200


def test_the_header_means_nothing_unless_it_is_turned_on() -> None:
    """Off by default: any client could say it."""
    middleware = "servicekit.web.prefixes.ForwardedPrefixMiddleware"
    assert middleware not in base.middleware(cors_origins=[])
    assert base.middleware(cors_origins=[], forwarded_prefix=True).index(middleware) == 1
