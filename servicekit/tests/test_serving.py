"""What a server process loads before its first request."""

import gc
from collections.abc import Iterator

import pytest
import structlog
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, reset_queries
from django.urls import get_resolver

from servicekit import serving
from servicekit.sqlite import base as sqlite


@pytest.fixture
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undoes what is for the rest of a server's life."""
    monkeypatch.setitem(sqlite._must_exist, "everywhere", False)
    for signal in (signals.request_started, signals.request_finished):
        monkeypatch.setattr(signal, "receivers", [*signal.receivers])
        signal.sender_receivers_cache.clear()
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_is_loaded_is_no_business_of_the_garbage_collector() -> None:
    """Every route's view is among it; what comes later is collected as ever."""
    application = serving.load()
    assert isinstance(application, WSGIHandler)
    watched = {id(each) for each in gc.get_objects()}
    assert gc.get_freeze_count() > 10_000
    assert id(get_resolver().url_patterns) not in watched
    rubbish: list[object] = []
    rubbish.append(rubbish)
    del rubbish
    assert gc.collect() >= 1


@pytest.mark.usefixtures("thawed")
def test_connections_are_left_to_those_who_lend_them() -> None:
    """Around a request there is none that Django could look after."""
    serving.load()
    for signal in (signals.request_started, signals.request_finished):
        assert not {close_old_connections, reset_queries} & {*signal._live_receivers(None)[0]}


@pytest.mark.usefixtures("thawed")
def test_a_logger_is_put_together_once() -> None:
    """With the configuration that holds at its first line."""
    log, before = structlog.get_logger(), structlog.get_logger()
    assert before.bind() is not before.bind()
    serving.load()
    assert log.bind() is log.bind()
