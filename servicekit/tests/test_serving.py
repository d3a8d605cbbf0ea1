"""What a server process loads before its first request, and how it hands each to its view."""

import gc
import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import get_resolver

from servicekit.db.sqlite import base as sqlite
from servicekit.fastpath import handler
from servicekit.runtime import wsgi


@pytest.fixture
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undoes what is for the rest of a server's life."""
    monkeypatch.setitem(sqlite._must_exist, "everywhere", False)
    configured, threshold = structlog.get_config(), gc.get_threshold()
    yield
    structlog.configure(**configured)
    for module in list(sys.modules.values()):
        logger = vars(module).get("log")
        if type(logger).__name__ == "BoundLoggerLazyProxy":
            vars(logger).pop("bind", None)  # with which it has kept the configuration of its first line
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("thawed")
def test_what_is_loaded_is_no_business_of_the_garbage_collector() -> None:
    """Every route's view is among it; what comes later is collected as ever."""
    application = wsgi.load()
    assert isinstance(application, WSGIHandler)
    watched = {id(each) for each in gc.get_objects()}
    assert gc.get_freeze_count() > 10_000
    assert id(get_resolver().url_patterns) not in watched
    rubbish: list[object] = []
    rubbish.append(rubbish)
    del rubbish
    assert gc.collect() >= 1


@pytest.mark.usefixtures("thawed")
def test_a_logger_is_put_together_once() -> None:
    """With the configuration that holds at its first line."""
    log, before = structlog.get_logger(), structlog.get_logger()
    assert before.bind() is not before.bind()
    wsgi.load()
    assert log.bind() is log.bind()


class Sent:
    """What a WSGI server is told of an answer."""

    def __init__(self, application: wsgi.Handler, path: str, **environ: Any) -> None:
        self.status, self.headers = "", dict[str, str]()
        fixed = {"REQUEST_METHOD": "GET", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.input": io.BytesIO()}
        response = application({**fixed, "PATH_INFO": path, **environ}, self._start)
        self.body, self.route = b"".join(response), getattr(response, "resolver_match", None)
        response.close()

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        assert all(type(text) is str for pair in headers for text in pair)
        self.status, self.headers = status, dict(headers)


@pytest.mark.django_db  # Django looks after connections around each request
@pytest.mark.parametrize("mount", ["", "/below"])
def test_a_request_comes_to_its_view_wherever_the_service_is_mounted(mount: str) -> None:
    sent = Sent(wsgi.Handler(), "/echo", SCRIPT_NAME=mount)
    assert (sent.status, sent.body) == ("200 OK", b'{"is":"there"}')
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Content-Length"] == str(len(sent.body))


@pytest.mark.django_db  # Django looks after connections around each request
def test_a_cookie_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin's session."""

    def answer(_request: object) -> HttpResponse:
        response = HttpResponse("signed in")
        response.set_cookie("sessionid", "a b")
        return response

    handler = wsgi.Handler()
    monkeypatch.setattr(handler, "_middleware_chain", answer)
    assert Sent(handler, "/admin/").headers["Set-Cookie"].strip() == 'sessionid="a b"; Path=/'


@pytest.mark.django_db  # Django looks after connections around each request
def test_the_same_path_has_the_same_view_each_time() -> None:
    """Also one that has none; and paths that somebody makes up are not kept for ever."""
    application = wsgi.Handler()
    for _ in range(2):
        assert Sent(application, "/echo").status == "200 OK"
        assert Sent(application, "/raise/conflict").status == "409 Conflict"
        assert Sent(application, "/raise/throttled").status == "429 Too Many Requests"
        assert Sent(application, "/nowhere").status == "404 Not Found"
    for n in range(300):
        assert Sent(application, f"/nowhere/{n}").status == "404 Not Found"
    assert handler.route_of.cache_info().currsize <= 128
    assert Sent(application, "/echo").status == "200 OK"
