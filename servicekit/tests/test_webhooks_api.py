"""The API, the command and the admin of webhooks: made, changed, ended; the log; sending again."""

import html
import json
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as StandardWebhook

from servicekit.events.models import Event
from servicekit.tests.conftest import Api
from servicekit.tests.publishing import append
from servicekit.tests.scraping import scrape_samples
from servicekit.tests.webhooks import LOOPBACK, hooks
from servicekit.webhooks import mails
from servicekit.webhooks.models import Delivery, Endpoint, State
from tests.receivers import Reply, always, receiver

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://shop.example.org/hooks"
PATH = "/api/webhooks/"
UNKNOWN = "5f0c2b1e-3f5a-4b52-9a43-0c1f7f1f2a10"


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WEBHOOKS = settings.WEBHOOKS.__class__(**{**vars(settings.WEBHOOKS), "allowed": LOOPBACK})


def make(api: Api, url: str = URL, **more: Any) -> Any:
    answer = api.post(PATH, json.dumps({"url": url, "events": ["order.*"], **more}))
    assert answer.status_code == 201, answer.content
    return answer.json()


def post(api: Api, path: str, body: Any = None, **headers: str) -> Any:
    return api.post(path, json.dumps({} if body is None else body), **headers)


def patch(api: Api, path: str, body: Any) -> Any:
    return api.request("PATCH", path, data=json.dumps(body), content_type="application/json")


def test_a_webhook_is_made_shown_changed_and_ended(api: Api) -> None:
    """Its secret is in the first answer alone."""
    made = make(api, description="The shop's own", contact="ops@example.org", ordered=True)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made.pop("secret"))
    assert made == {
        "id": made["id"],
        "url": URL,
        "events": ["order.*"],
        "description": "The shop's own",
        "contact": "ops@example.org",
        "ordered": True,
        "enabled": True,
        "disabled_at": None,
        "disabled_reason": None,
        "failing_since": None,
        "previous_secret_until": None,
        "created_at": made["created_at"],
        "created_by": made["created_by"],
    }
    its = f"{PATH}{made['id']}/"
    assert api.get(its).json() == made
    assert api.get(PATH).json() == {"items": [made]}
    changed = patch(api, its, {"events": ["order.paid", "*"], "enabled": False}).json()
    assert (changed["events"], changed["enabled"], changed["disabled_reason"]) == (
        ["order.paid", "*"],
        False,
        "it was disabled by hand",
    )
    assert patch(api, its, {"enabled": True, "url": URL + "/2"}).json()["url"] == URL + "/2"
    gone = api.request("DELETE", its)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (api.get(its).status_code, api.get(PATH).json()) == (404, {"items": []})
    assert Endpoint.objects.get().secret == ""


def test_a_deleted_webhook_is_not_told_as_disabled(api: Api) -> None:
    """Its owner ended it: no event, nothing counted, no mail; what waited is dead, and what comes late, too."""
    run = hooks()
    made = make(api, "http://127.0.0.1:9/", contact="ops@example.org")
    append("order.paid")
    run.publish()
    number = Endpoint.objects.get().pk
    assert api.request("DELETE", f"{PATH}{made['id']}/").status_code == 204
    Delivery.objects.create(endpoint_id=number, type="order.paid", subject="o-2", due_at=timezone.now())
    run.deliver()
    assert set(Delivery.objects.values_list("state", "reason")) == {(State.DEAD, "the endpoint was deleted")}
    assert not Event.objects.filter(type="webhook.disabled").exists()
    assert mails.send_once() == 0
    samples = scrape_samples(api.get)
    assert [samples[name,] for name in ("webhooks_disabled_total", "webhook_endpoints_disabled")] == [0, 0]
    gone = Endpoint.objects.get()
    assert (gone.is_enabled, gone.disabled_reason, gone.contact) == (False, "it was deleted", "")


@pytest.mark.parametrize("asked", ["order.payed", "product.*", "order", "order.paid.*", "webhook.enabled"])
def test_a_type_that_there_is_not_is_refused(asked: str, api: Api) -> None:
    """400 that names the field, what is wrong with it, and the types that there are; at the other doors, too."""
    known = "order.created, order.paid, payment.failed, webhook.disabled"
    sentence = f"{asked!r} is no type of event here, and no pattern of one. There are: {known}"
    made = make(api)
    its = f"{PATH}{made['id']}/"
    asking = {"url": URL, "events": ["order.*", asked]}
    for answer in (post(api, PATH, asking), patch(api, its, {"events": [asked]})):
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": f"events: {sentence}", "code": "invalid", "fields": {"events": [sentence]}},
        )
    assert api.get(PATH).json()["items"][0]["events"] == ["order.*"]
    with pytest.raises(CommandError, match="is no type of event here"):
        command("create", URL, "--events", asked)
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="x"))
    page = browser.post("/admin/webhooks/endpoint/add/", {"url": URL, "events": asked}).content.decode()
    assert sentence in html.unescape(page)
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("asked", ["order.payed", "payment.paid", "*", "order.*", "Order"])
def test_an_example_is_of_a_type_that_there_is(asked: str, api: Api) -> None:
    """Or of `webhook.example`; another one is refused, and nothing is sent."""
    its = f"{PATH}{make(api)['id']}/"
    answer = post(api, f"{its}example/", {"type": asked})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["type"]), answer.content
    assert not Delivery.objects.exists()
    for known in ("order.paid", "webhook.disabled", "webhook.example"):
        assert post(api, f"{its}example/", {"type": known}).json()["type"] == known


def test_a_field_that_is_not_known_is_ignored(api: Api) -> None:
    """As in every body here."""
    made = make(api, secret="whsec_mine", id=UNKNOWN, colour="blue")
    assert made["id"] != UNKNOWN
    assert made["secret"] != "whsec_mine"
    changed = patch(api, f"{PATH}{made['id']}/", {"secret": "whsec_mine", "colour": "blue", "disabled_reason": "so"})
    assert (changed.status_code, changed.json()) == (200, {k: v for k, v in made.items() if k != "secret"})


def test_the_same_key_makes_it_once(api: Api) -> None:
    """Repeated, the answer is the same to the letter, its secret too."""
    first, again = (api.post(PATH, json.dumps({"url": URL, "events": ["*"]}), Idempotency_Key="k-1") for _ in range(2))
    assert first.content == again.content
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"url": URL}, "invalid"),
        ({"url": URL, "events": []}, "invalid"),
        ({"url": URL, "events": "order.*"}, "invalid"),
        ({"url": URL, "events": ["order*"]}, "invalid"),
        ({"url": URL, "events": ["*.paid"]}, "invalid"),
        ({"url": URL, "events": ["Order.Paid"]}, "invalid"),
        ({"url": URL, "events": ["a"] * 21}, "invalid"),
        ({"url": URL, "events": ["*"], "ordered": "yes"}, "invalid"),
        ({"url": URL, "events": ["*"], "contact": "nobody"}, "invalid"),
        ({"url": URL, "events": ["*"], "description": "4242 4242 4242 4242"}, "invalid"),
        ({"url": "https://" + "x" * 500 + ".example.org/", "events": ["*"]}, "invalid"),
        ({"url": "https://10.0.0.1/", "events": ["*"]}, "webhook_url_refused"),
        ({"url": "https://[::1]/", "events": ["*"]}, "webhook_url_refused"),
        ({"url": "ftp://example.org/", "events": ["*"]}, "webhook_url_refused"),
    ],
)
def test_what_is_wrong_is_refused(body: Any, code: str, api: Api) -> None:
    """400 that says what, and nothing is made."""
    answer = post(api, PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.content
    assert not Endpoint.objects.exists()
    if "url" in body and "events" in body:
        made = make(api)
        assert patch(api, f"{PATH}{made['id']}/", body).status_code == 400
        assert api.get(f"{PATH}{made['id']}/").json()["url"] == URL


@pytest.mark.parametrize("reference", [UNKNOWN, "1", "nothing", "x" * 300])
def test_what_is_not_there_is_404(reference: str, api: Api) -> None:
    """Whatever is asked of it."""
    its = f"{PATH}{reference}/"
    answers = [api.get(its), patch(api, its, {}), api.request("DELETE", its), api.get(f"{its}deliveries/")]
    answers += [post(api, its + what) for what in ("rotate/", "example/", "recover/", f"deliveries/{UNKNOWN}/resend/")]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "webhook_not_found")] * 8
    made = make(api)
    answer = api.get(f"{PATH}{made['id']}/deliveries/{reference}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")


def test_there_are_no_more_than_a_hundred(api: Api) -> None:
    """Each event is matched with all of them."""
    Endpoint.objects.bulk_create(Endpoint(url=URL, events="*", secret="x", created_by="x") for _ in range(100))
    answer = post(api, PATH, {"url": URL, "events": ["*"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_the_log_has_every_attempt_and_sends_again(api: Api) -> None:
    """Page by page, by state; one again, all that failed again, an example."""
    run = hooks()
    with receiver(always(Reply(410), Reply(200, body=b"thanks"))) as there:
        made = make(api, there.url)
        its = f"{PATH}{made['id']}/"
        append("order.paid")
        run.publish()
        run.deliver()
        (dead,) = api.get(f"{its}deliveries/?state=dead").json()["items"]
        assert (dead["type"], dead["reason"], dead["tries"]) == ("order.paid", "it answered 410", 1)
        refused = post(api, f"{its}deliveries/{dead['id']}/resend/")
        assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
        patch(api, its, {"enabled": True})
        assert post(api, f"{its}recover/", {"since": "2999-01-01T00:00:00Z"}).json() == {"recovered": 0}
        assert post(api, f"{its}recover/", {"since": "2020-01-01T00:00:00Z"}).json() == {"recovered": 1}
        run.deliver()
        again = post(api, f"{its}deliveries/{dead['id']}/resend/")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        example = post(api, f"{its}example/")
        assert (example.status_code, example.json()["type"]) == (202, "webhook.example")
        run.deliver()
        shown = api.get(f"{its}deliveries/{dead['id']}/").json()
        assert [(each["status"], each["answer"]) for each in shown["attempts"]] == [
            (410, ""),
            (200, "thanks"),
            (200, "thanks"),
        ]
        assert (shown["state"], shown["tries"], len(there.received)) == ("delivered", 3, 4)
    about = {name: api.get(f"{its}deliveries/?subject={name}").json()["total"] for name in (dead["subject"], "other")}
    assert about == {dead["subject"]: 1, "other": 0}
    page = api.get(f"{its}deliveries/?cursor=&per_page=1").json()
    following = api.get(f"{its}deliveries/?cursor={page['next_cursor']}&per_page=1").json()
    assert [page["items"][0]["type"], following["items"][0]["type"]] == ["webhook.example", "order.paid"]
    assert following["next_cursor"] is None
    assert api.get(f"{its}deliveries/?per_page=1").json()["total"] == 2


@pytest.mark.parametrize("query", ["state=lost", "page=0", "cursor=x", "per_page=201", "since=1"])
def test_a_wrong_filter_is_refused(query: str, api: Api) -> None:
    """Never ignored."""
    assert api.get(f"{PATH}{make(api)['id']}/deliveries/?{query}").status_code == 400


@pytest.mark.parametrize("body", [{}, {"since": "yesterday"}, {"since": 5}, {"since": None}])
def test_a_wrong_moment_is_refused(body: Any, api: Api) -> None:
    """Naming the field."""
    answer = post(api, f"{PATH}{make(api)['id']}/recover/", body)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["since"])


def test_a_secret_is_rotated(api: Api) -> None:
    """The new one is shown once; with an overlap of nothing the old one is good no more."""
    made = make(api)
    its = f"{PATH}{made['id']}/"
    new = post(api, f"{its}rotate/", {"overlap_s": 3600}).json()
    assert new["secret"] != made["secret"]
    assert new["previous_secret_until"] is not None
    for wrong in (-1, 1.5, "1", 30 * 24 * 3600 + 1):
        assert post(api, f"{its}rotate/", {"overlap_s": wrong}).status_code == 400
    StandardWebhook(new["secret"])


def test_its_metrics_tell_what_waits_and_what_is_dead(api: Api) -> None:
    """And how many endpoints were ever disabled."""
    run = hooks()
    with receiver(always(Reply(500), Reply(410))) as there:
        make(api, there.url)
        append("order.paid")
        run.publish()
        before = scrape_samples(api.get)
        run.deliver()
        run.pass_s(10)
        run.deliver()
    after = scrape_samples(api.get)
    names = ("webhook_endpoints", "webhook_endpoints_disabled", "webhook_deliveries_waiting", "webhook_deliveries_dead")
    assert [before[name,] for name in names] == [1, 0, 1, 0]
    assert [after[name,] for name in names] == [0, 1, 0, 1]
    assert (before["webhooks_disabled_total",], after["webhooks_disabled_total",]) == (0, 1)


# ---- the command


def command(*arguments: str) -> list[str]:
    output = StringIO()
    call_command("webhooks", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_the_command_does_all_of_it() -> None:
    """Made, listed, rotated, sent to, looked at, disabled, enabled, recovered, deleted."""
    run = hooks()
    with receiver(always(Reply(204), Reply(410))) as there:
        said, secret = command("create", there.url, "--events", "order.*", "--events", "payment.failed")
        made = said.split()[0]
        assert command("list") == [f"{made}  {there.url}  order.* payment.failed  enabled"]
        assert command("rotate", made, "--overlap", "1h")[-1] != secret
        command("example", made)
        run.deliver()
        append("order.paid")
        run.publish()
        run.deliver()
        assert [line.split("  ")[4] for line in command("deliveries", made)] == ["dead", "delivered"]
        (dead,) = command("deliveries", made, "--state", "dead")
        (attempt,) = command("deliveries", made, "--delivery", dead.split()[0])
        assert "  410  " in attempt
        assert "disabled: it answered 410 Gone" in command("list")[0]
        assert command("disable", made) == ["was disabled already"]
        assert command("enable", made) == ["enabled"]
        assert command("recover", made, "--since", "1h") == ["1 are sent again"]
        assert command("resend", made, dead.split()[0]) == ["is sent again"]
        assert command("delete", made) == ["deleted"]
    assert command("list") == []
    with pytest.raises(CommandError, match="Webhook not found"):
        command("enable", made)
    with pytest.raises(CommandError, match="no public address"):
        command("create", "https://10.0.0.1/", "--events", "*")


# ---- the admin


def test_the_admin_makes_one_and_sends_again() -> None:
    """The secret is shown once, in the answer; what is wrong is refused by the form."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="x"))
    add = "/admin/webhooks/endpoint/add/"
    wrong = browser.post(add, {"url": "https://10.0.0.1/", "events": "order*"})
    assert "is no public address" in wrong.content.decode()
    run = hooks()
    with receiver(always(Reply(410), Reply(204))) as there:
        page = browser.post(add, {"url": there.url, "events": "order.*", "is_enabled": "on"}).content.decode()
        found = re.search(r'<code id="secret">(.*?)</code>', page)
        made = Endpoint.objects.get()
        assert found is not None
        assert html.unescape(found[1]) == made.secret
        assert made.secret not in browser.get(f"/admin/webhooks/endpoint/{made.pk}/change/").content.decode()
        append("order.paid")
        run.publish()
        run.deliver()
        for action in ("enable", "recover_last_day", "send_example"):
            chosen = {"action": action, "_selected_action": [made.pk]}
            assert browser.post("/admin/webhooks/endpoint/", chosen).status_code == 302
        run.deliver()
        chosen = {"action": "resend", "_selected_action": [Delivery.objects.earliest("number").pk]}
        assert browser.post("/admin/webhooks/delivery/", chosen).status_code == 302
        run.deliver()
        assert len(there.received) == 4
    assert set(Delivery.objects.filter(type__startswith="order").values_list("state", flat=True)) == {State.DELIVERED}
    change = f"/admin/webhooks/delivery/{Delivery.objects.earliest('number').pk}/change/"
    assert "410" in browser.get(change).content.decode()
