"""A password may be tried a few times, whoever asks which process, and none of it costs those who order anything."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import clear_url_caches, re_path

from servicekit.signin import tries
from servicekit.signin.models import Tries
from servicekit.signin.tries import PER_ADDRESS, PER_NAME, WITHIN_S, TooManyTries
from servicekit.web import error_responses
from servicekit.web.admin import site

pytestmark = pytest.mark.django_db


class Hasher(PBKDF2PasswordHasher):
    """Cheap, and counted."""

    algorithm = "counted"
    iterations = 1
    made = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        Hasher.made += 1
        return super().encode(password, salt, iterations)


@pytest.fixture(autouse=True)
def root(settings: Any) -> User:
    settings.PASSWORD_HASHERS = [f"{__name__}.Hasher"]
    return User.objects.create_superuser("root", password="right")


def sign_in(name: str, password: str, *, address: str = "10.0.0.1") -> Any:
    given = {"username": name, "password": password}
    return Client().post("/admin/login/", given, REMOTE_ADDR=address)


def let_pass(seconds: float) -> None:
    """That much time since all tries."""
    Tries.objects.update(since=F("since") - timedelta(seconds=seconds))


def test_a_name_has_a_few_tries() -> None:
    """Wherever they come from; after them not even the right password is looked at."""
    for number in range(PER_NAME):
        assert sign_in("root", "wrong", address=f"10.0.0.{number}").status_code == 200
    hashed = Hasher.made
    refused = sign_in("root", "right", address="10.0.0.99")
    assert (refused.status_code, refused.json()) == (
        429,
        {"error": "Too many tries to sign in", "code": "too_many_tries"},
    )
    assert 0 < int(refused["Retry-After"]) <= WITHIN_S
    assert Hasher.made == hashed
    assert sign_in("somebody", "wrong", address="10.0.0.99").status_code == 200


def test_an_address_has_some_more() -> None:
    """Whatever names it tries, also those that there are not; another address may go on."""
    for number in range(PER_ADDRESS):
        assert sign_in(f"name-{number}", "wrong").status_code == 200
    assert sign_in("root", "right").status_code == 429
    assert sign_in("root", "right", address="10.0.0.2").status_code == 302


def test_whoever_signs_in_has_all_tries_again() -> None:
    """Only wrong ones count, of the name as of the address."""
    for _ in range(PER_ADDRESS):
        assert (
            sign_in("root", "wrong").status_code == 200 if _ % 5 == 4 else sign_in("root", "right").status_code == 302
        )
    assert sign_in("root", "right").status_code == 302
    assert list(Tries.objects.values_list("count", flat=True)) == [PER_ADDRESS // 5]


def test_after_a_while_it_may_be_tried_again() -> None:
    """And what is over is forgotten, so that made-up names do not fill the table."""
    for number in range(PER_NAME):
        sign_in(f"made-up-{number}", "wrong")
        sign_in("root", "wrong", address="10.0.0.2")
    let_pass(WITHIN_S - 60)
    refused = sign_in("root", "right")
    assert (refused.status_code, int(refused["Retry-After"]) <= 60) == (429, True)
    let_pass(61)
    assert sign_in("root", "right").status_code == 302
    assert Tries.objects.count() <= 1


@pytest.mark.parametrize("spelling", ["ROOT", "Root", " root ", "r\uff4fot"])
def test_another_spelling_is_no_other_name(spelling: str) -> None:
    """A database may not tell them apart."""
    for _ in range(PER_NAME):
        tries.begin(name="root", address="")
    with pytest.raises(TooManyTries):
        tries.begin(name=spelling, address="10.0.0.1")


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "", True),
        ("not an address", "not an address", True),
    ],
)
def test_an_address_is_what_one_client_has(first: str, second: str, is_one: bool) -> None:
    """Of IPv6 a whole network."""
    for number in range(PER_ADDRESS):
        tries.begin(name=f"name-{number}", address=first)
    if is_one:
        with pytest.raises(TooManyTries):
            tries.begin(name="root", address=second)
    else:
        tries.begin(name="root", address=second)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_no_more_than_one_after_another() -> None:
    """Thirty tries of one name from thirty addresses: exactly so many as there may be."""

    def try_it(number: int) -> bool:
        try:
            tries.begin(name="root", address=f"10.0.0.{number}")
        except TooManyTries:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(try_it, range(30))) == PER_NAME


def test_what_is_no_password_is_not_counted(client: Client) -> None:
    """An empty form, and a session that is there."""
    assert sign_in("root", "").status_code == 200
    client.force_login(User.objects.get())
    assert client.get("/admin/").status_code == 200
    assert not Tries.objects.exists()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/", "/admin/auth/user/"])
def test_without_the_admin_its_paths_are_unknown(settings: Any, method: str, path: str) -> None:
    """404 in JSON like any other, without a session or a try."""
    settings.ADMIN = False
    urls: Any = ModuleType("urls_without_admin")
    urls.urlpatterns = [*site.routes(), re_path(r"", error_responses.unknown_route)]
    settings.ROOT_URLCONF = urls
    clear_url_caches()
    answer = Client(enforce_csrf_checks=True).generic(method, path)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found", "code": "not_found"})
    assert not answer.cookies
