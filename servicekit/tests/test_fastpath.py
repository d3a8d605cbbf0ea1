"""The fast path: one switch for all of it, and nobody else touches the inside of a framework."""

import ast
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from types import ModuleType
from typing import Any, Final

import pytest
from django.core import signals
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections, connections, reset_queries
from django.test import RequestFactory
from rest_framework.exceptions import ParseError

import servicekit
from servicekit import fastpath
from servicekit.fastpath import signals as fast_signals
from servicekit.fastpath import sqlite, views
from servicekit.fastpath.calls import PlainPeer
from servicekit.http import transport
from servicekit.web import messages
from servicekit.web.views import View

ROOT: Final = Path(servicekit.__file__).parent.parent
OURS: Final = ("servicekit", "order_service", "payment_service", "product_stub", "notify_service", "audit")
FRAMEWORKS: Final = ("django", "rest_framework", "requests", "urllib3", "granian")

# Names with a line before them that are documented all the same.
DOCUMENTED: Final = frozenset(
    {
        "_meta",  # Django: Model._meta API
        "_base_manager",  # Django: managers
        "_default_manager",
        "_fields",  # Python: named tuples
        "_make",
        "_replace",
        "_exit",  # Python: os._exit
    }
)
# What a framework's metaclass puts into a class of ours.
BY_METACLASS: Final = frozenset({"_declared_fields"})
# What else is touched outside of the fast path, where, and why there is no other way.
EXCEPTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("servicekit/runtime/listening.py", "granian._granian"): "the half of granian that listens has no public door",
    ("servicekit/runtime/listening.py", "_schedule_fn"): "how that half is told whom to hand a request",
    ("servicekit/storage/copy.py", "_raw_delete"): "rows go without their models' cascades; the tables are refilled",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module that is deployed, but the fast path's."""
    for folder in OURS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"tests", "migrations", "fastpath"} & set(path.relative_to(ROOT).parts):
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def private_names_in(tree: ast.Module) -> Iterator[str]:
    """Attributes of others with a line before their names, and modules of a framework that have one."""
    module = re.compile(rf"({'|'.join(FRAMEWORKS)})(\.\w+)*\._\w+")
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if re.match("_[a-z]", name):
                yield name
            case ast.Constant(value=str(text)) if module.fullmatch(text):
                yield text
            case ast.ImportFrom(module=str(name), names=names):
                yield from (each for each in (f"{name}.{alias.name}" for alias in names) if module.fullmatch(each))
            case ast.Import(names=names):
                yield from (alias.name for alias in names if module.fullmatch(alias.name))


def test_nobody_else_touches_a_private_name() -> None:
    """Of whatever: what is private to a class of ours is nobody else's business either."""
    found = {(path, name) for path, tree in sources() for name in private_names_in(tree) if name not in DOCUMENTED}
    assert found == set(EXCEPTIONS)


def modules() -> Iterator[ModuleType]:
    """Those of servicekit, loaded; without what is only for tests or another engine."""
    for found in walk_packages(servicekit.__path__, "servicekit."):
        if not re.search(r"\.(tests|migrations|fastpath|mysql|commands)\b", found.name):
            yield import_module(found.name)


def put_in() -> set[tuple[type, str]]:
    """What the fast path itself has put into classes, as it has been told."""
    return {(owner, name) for owner, name in fastpath.replaced if isinstance(owner, type)}


def test_nobody_else_overrides_a_private_name() -> None:
    """In a subclass of a framework's class."""
    classes = {each for module in modules() for each in vars(module).values() if isinstance(each, type)}
    ours = {each for each in classes if each.__module__.startswith("servicekit.")}
    # An enumeration's private names are Python's own, in each class anew.
    ours -= {each for each in ours if issubclass(each, Enum)}
    overridden = {
        (each, name)
        for each in ours
        for base in each.__mro__[1:]
        if base.__module__.partition(".")[0] in FRAMEWORKS
        for name in vars(each).keys() & vars(base).keys()
        if re.match("_[a-z]", name) and name not in DOCUMENTED | BY_METACLASS
    }
    assert len(ours) > 100
    assert overridden - put_in() == set()


def test_each_trick_is_a_file_that_says_what_it_replaces() -> None:
    files = {each.name for each in iter_modules(fastpath.__path__)} - {"apps"}
    assert files == set(fastpath.TRICKS)
    for name in files:
        text = import_module(f"servicekit.fastpath.{name}").__doc__ or ""
        assert re.search(r"^(Replaces|Takes)\b", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("said", "left_out"),
    [
        ("on", set()),
        ("off", set(fastpath.TRICKS)),
        ("all-but:views", {"views"}),
        ("all-but:calls,sqlite", {"calls", "sqlite"}),
    ],
)
def test_the_switch_says_which_are_in(said: str, left_out: set[str]) -> None:
    assert fastpath.chosen(said) == set(fastpath.TRICKS) - left_out


@pytest.mark.parametrize("said", ["", "no", "ON", "all-but:", "all-but:speed", "all-but:views,", "views"])
def test_any_other_word_stops_the_start(said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match='"FASTPATH" must be on, off, or all-but:'):
        fastpath.chosen(said)


def test_what_is_off_is_not_there(settings: Any) -> None:
    """Nothing at all of it in a process that was started without, all of it in any other."""
    wanted = fastpath.chosen(settings.FASTPATH)
    assert {trick for trick in fastpath.TRICKS if fastpath.is_on(trick)} == wanted
    peer = transport.adapter_for("http://peer.test/", pool_size=1)
    assert isinstance(peer, PlainPeer) is ("calls" in wanted)
    request = View().initialize_request(RequestFactory().get("/"))
    assert isinstance(request, views.Request) is ("views" in wanted)
    assert isinstance(request, messages.Request)
    if not wanted:
        assert fastpath.replaced == []


@pytest.mark.django_db
def test_a_cursor_is_the_short_one_only_where_that_is_on() -> None:
    with connections["default"].cursor() as cursor:
        is_short = fastpath.is_on("sqlite") and connections["default"].vendor == "sqlite"
        assert isinstance(cursor, sqlite.Statements) is is_short


def test_connections_are_left_to_those_who_lend_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Around a request there is none that Django could look after."""
    for signal in (signals.request_started, signals.request_finished):
        monkeypatch.setattr(signal, "receivers", [*signal.receivers])
        signal.sender_receivers_cache.clear()
    fast_signals.install()
    for signal in (signals.request_started, signals.request_finished):
        assert not {close_old_connections, reset_queries} & {*signal._live_receivers(None)[0]}


def test_a_body_that_is_not_json_is_not_taken_for_an_empty_one() -> None:
    """Each time that it is asked for: DRF's own request says so once, and then that it has no body."""
    request = views.Request(RequestFactory().post("/echo", "{", content_type="application/json"))
    for _ in range(2):
        with pytest.raises(ParseError, match="Malformed JSON"):
            _ = request.data
