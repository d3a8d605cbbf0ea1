"""Who may sign in, and how often somebody may guess."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from environs import EnvError

from console.pages import users
from console.pages.views import signin


@pytest.fixture
def client(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    settings.CONSOLE_AUTH = True
    settings.CONSOLE_USERS = users.read(users.line_for("ann", "s3cret"))
    monkeypatch.setattr(signin, "_keeper", users.Doorkeeper(settings.CONSOLE_USERS))
    return Client()


@pytest.mark.parametrize(
    "path", ["/shop/", "/control/live/", "/orders/1/", "/payments.csv", "/do/cancel/1/", "/nothing"]
)
def test_nobody_sees_anything_but_the_way_in(client: Client, path: str) -> None:
    """Whatever page is asked for, also with a form."""
    for answer in (client.get(path), client.post(path)):
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login/")


def test_a_part_of_a_page_sends_the_whole_page_there(client: Client) -> None:
    """Else the way in would stand in the middle of it."""
    answer = client.get("/control/live/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/login/")


def test_whoever_has_the_password_comes_in_and_goes_on(client: Client) -> None:
    """To where he wanted to go; the name stands on the page; out again he is out."""
    answer = client.post("/login/", {"name": "ann", "password": "s3cret", "next": "/search/"})
    assert (answer.status_code, answer["Location"]) == (302, "/search/")
    assert "ann" in client.get("/search/").content.decode()
    client.post("/logout/")
    assert client.get("/search/").status_code == 302


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example/", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(client: Client, wanted: str) -> None:
    """By a link to the way in."""
    assert client.post("/login/", {"name": "ann", "password": "s3cret", "next": wanted})["Location"] == "/shop/"


def test_a_user_who_is_taken_out_is_out(client: Client, settings: Any) -> None:
    """Also with the cookie of before."""
    client.post("/login/", {"name": "ann", "password": "s3cret"})
    settings.CONSOLE_USERS = {}
    assert client.get("/search/").status_code == 302


def test_a_name_is_not_guessed_at_for_ever() -> None:
    """After five wrong passwords the right one is not taken either, for a minute."""
    now = [0.0]
    keeper = users.Doorkeeper(users.read(users.line_for("ann", "s3cret")), clock=lambda: now[0])
    assert [keeper.admits("ann", "wrong") for _ in range(users.MAX_WRONG)] == [False] * users.MAX_WRONG
    assert not keeper.admits("ann", "s3cret")
    now[0] = users.LOCKED_FOR_S + 1
    assert keeper.admits("ann", "s3cret")
    assert not keeper.admits("bob", "")


def test_a_line_for_a_user_is_made_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command, from a password that is asked for."""
    monkeypatch.setattr("sys.stdin", StringIO("s3cret\ns3cret\n"))
    out = StringIO()
    call_command("user", "ann", stdout=out)
    line = out.getvalue()
    assert users.Doorkeeper(users.read(f"# who may\n\n{line}\n")).admits("ann", "s3cret")
    with pytest.raises(CommandError):
        call_command("user", "a:b", stdout=StringIO())


@pytest.mark.parametrize("text", ["ann", "ann:plain", ":md5$a$b", "a b:md5$a$b"])
def test_a_line_that_is_none_stops_the_start(text: str) -> None:
    """No password in clear, and no name that could be two."""
    with pytest.raises(EnvError, match="CONSOLE_USERS"):
        users.read(text)


def test_a_form_of_another_site_is_refused(client: Client) -> None:
    """By its token."""
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/login/", {"name": "ann", "password": "s3cret"})
    assert (answer.status_code, "too old" in answer.content.decode()) == (403, True)
