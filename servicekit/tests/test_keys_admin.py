"""Keys in the admin: made and revoked there by name, shown once, changed by nobody."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from servicekit.apikeys import guard, issuing
from servicekit.apikeys.models import ApiKey
from servicekit.apikeys.ring import Ring
from servicekit.observability import actor

pytestmark = pytest.mark.django_db

LIST = "/admin/apikeys/apikey/"
ASKED = {"name": "shop", "scopes": ["things:read", "things:write"], "limit_per_s": "50"}


@pytest.fixture(autouse=True)
def by_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ring", Ring())
    actor.act_as(actor.COMMAND)


@pytest.fixture
def root() -> Client:
    return signed_in(User.objects.create_superuser("root", password="x"))


def signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def make(browser: Client, **asked: Any) -> Any:
    return browser.post(f"{LIST}add/", {**ASKED, **asked})


def secret_in(page: Any) -> str:
    found = re.search(r'<code id="secret">(.*?)</code>', page.content.decode())
    assert found is not None, page.content.decode()
    return html.unescape(found[1])


def test_a_key_is_made_by_a_form_and_lets_in(root: Client, settings: Any) -> None:
    """Its secret is on the page that answers; who made it is kept."""
    assert "things:write" in root.get(f"{LIST}add/").content.decode()
    page = make(root)
    secret = secret_in(page)
    assert (page.status_code, "no-store" in page["Cache-Control"]) == (200, True)
    key = ApiKey.objects.get()
    assert (key.name, key.scopes, key.limit_per_s, key.created_by) == ("shop", "things:read things:write", 50.0, "root")
    assert key.prefix == secret[:8]
    settings.API_AUTH = True
    answer = Client().post(
        "/things",
        json.dumps({"name": "one"}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert answer.status_code == 201


def test_a_secret_is_shown_once(root: Client, log_lines: Any, django_capture_on_commit_callbacks: Any) -> None:
    """And is nowhere then: no message, session, cookie, entry of the admin's own log, line of ours, or page."""
    with django_capture_on_commit_callbacks(execute=True):
        page = make(root)
    hidden = secret_in(page)[9:]
    key = ApiKey.objects.get()
    looked_at = [
        root.get(path).content.decode()
        for path in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/", "/admin/")
    ]
    assert all(key.prefix in text for text in looked_at)
    kept = [
        *looked_at,
        *(str(vars(row)) for row in LogEntry.objects.all()),
        *(str(session.get_decoded()) for session in Session.objects.all()),
        *(str(cookie) for cookie in (*page.cookies.values(), *root.cookies.values())),
        *map(str, log_lines()),
        *map(str, ApiKey.objects.values()),
    ]
    assert not [text for text in kept if hidden in text]
    assert [(line["key"], line["actor"]) for line in log_lines() if line["event"] == "key.created"] == [
        ("shop", "root")
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "there"}, "There is a key of this name"),
        ({"name": "worker"}, "is not a client's name"),
        ({"name": "é"}, "printable ASCII characters"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["all"]}, "all is not one of the available choices"),
        ({"limit_per_s": "0"}, "A limit is above 0"),
        ({"limit_per_s": "1e300"}, "A limit is above 0"),
        ({"limit_per_s": "nan"}, "Enter a number"),
        ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00:00"}, "That is over already"),
    ],
)
def test_what_cannot_be_a_key_is_said_in_the_form(root: Client, wrong: dict[str, Any], sentence: str) -> None:
    """And none is made."""
    issuing.create("there", ["things:read"])
    page = html.unescape(make(root, **wrong).content.decode())
    assert sentence in page
    assert ApiKey.objects.count() == 1


def test_keys_are_revoked_by_an_action(root: Client) -> None:
    """Each of those that were chosen, with who did it; the others stay."""
    for name in ("one", "other", "third"):
        issuing.create(name, ["things:read"])
    chosen = ApiKey.objects.filter(name__in=["one", "other"])
    answer = root.post(LIST, {"action": "revoke", "_selected_action": [key.pk for key in chosen]})
    assert answer.status_code == 302
    assert list(ApiKey.objects.order_by("pk").values_list("name", "revoked_by")) == [
        ("one", "root"),
        ("other", "root"),
        ("third", ""),
    ]
    assert LogEntry.objects.filter(change_message="revoked", user__username="root").count() == 2


def test_nobody_changes_or_deletes_a_key(root: Client) -> None:
    """What it may do stays what its user was told."""
    issuing.create("shop", ["things:read"])
    key, before = ApiKey.objects.get(), ApiKey.objects.values().get()
    page = root.get(f"{LIST}{key.pk}/change/")
    assert (page.status_code, "_save" in page.content.decode()) == (200, False)
    assert "hashed" not in page.content.decode()
    assert key.hashed_key not in page.content.decode()
    assert root.post(f"{LIST}{key.pk}/change/", ASKED).status_code == 403
    assert root.post(f"{LIST}{key.pk}/delete/", {"post": "yes"}).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}
    root.post(LIST, delete)
    assert ApiKey.objects.values().get() == before


def test_staff_may_do_what_they_were_given(settings: Any) -> None:
    """Looking does not let anybody make or revoke; without a permission nobody even looks."""
    issuing.create("shop", ["things:read"], expires=timezone.now() + timedelta(days=1))
    revoke = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    nobody = staff()
    assert [nobody.get(LIST).status_code, make(nobody, name="x").status_code] == [403, 403]
    User.objects.all().delete()
    reader = staff("view_apikey")
    assert [reader.get(LIST).status_code, make(reader, name="x").status_code] == [200, 403]
    reader.post(LIST, revoke)
    assert ApiKey.objects.get().revoked_at is None
    User.objects.all().delete()
    maker = staff("view_apikey", "add_apikey")
    maker.post(LIST, revoke)
    assert secret_in(make(maker, name="x"))
    assert sorted(ApiKey.objects.values_list("name", "created_by", "revoked_by")) == [
        ("shop", "command", "clerk"),
        ("x", "clerk", ""),
    ]
