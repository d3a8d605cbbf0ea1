"""The page as people use it, in Debian's Chromium, with a script and without: what it says, loads and lets happen."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Route, sync_playwright

from tests import databases, receivers
from tests import stack as stacks
from tests.client import Http
from tests.stack import ROOT, Process, Stack, base_environment, wait_until

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
AXE: Final = (ROOT / "console" / "tests" / "vendor" / "axe-4.14.1.min.js").read_text()
PASSWORD: Final = "a good one"
PEERS: Final = {"ORDER": "order_service", "PAYMENT": "payment_service", "PRODUCT": "product_stub"}
XSS: Final = "\"'><img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
WITH_AND_WITHOUT: Final = pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
# A machine that does other things, too.
WAIT_MS: Final = 90_000


@dataclass
class Shop:
    """The console before real services with their workers, and a browser."""

    stack: Stack
    url: str
    browser: Browser
    notify: Process
    complaints: list[str] = field(default_factory=list)
    _pages: dict[bool, Page] = field(default_factory=dict)

    @property
    def bank(self) -> str:
        """Where the payer's page of the simulated bank is."""
        return self.stack.services["payment_service"].url

    @contextmanager
    def open(self, *, script: bool = True) -> Iterator[Page]:
        """A page; whatever its browser complains of, or asks of anybody else, is a failure."""
        if script not in self._pages:  # all tests take the same two: each new one costs as much as a test
            self._pages[script] = self._new_page(script=script)
        page = self._pages[script]
        try:
            yield page
        finally:
            page.goto("about:blank")  # and so asks for nothing any more
        found, self.complaints = self.complaints, []
        assert found == []

    def _new_page(self, *, script: bool) -> Page:
        context = self.browser.new_context(java_script_enabled=script)
        context.set_default_timeout(WAIT_MS)
        allowed = "|".join(
            re.escape(url) for url in (f"{self.url}/", f"{self.bank}/bank/", f"{self.bank}/static/bank/")
        )
        context.route(re.compile(rf"^(?!{allowed})"), self._refuse)
        page = context.new_page()
        page.on("console", lambda message: self._complain(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.url}/shop/")
        page.fill("[name=name]", "ann")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url("**/shop/")
        return page

    def _complain(self, text: str) -> None:
        """Of anything but a page that is none, a form that was not taken, and a service that is stopped."""
        if not re.search(r"status of (404|422|502|503)", text):
            self.complaints.append(text)

    def _refuse(self, route: Route) -> None:
        self.complaints.append(f"asked elsewhere: {route.request.url}")
        route.abort()

    def buy(self, page: Page, name: str, *, token: str = "tok_ok", later: bool = False, product: int = 1) -> str:
        """Place an order, and come to its page; its number."""
        page.goto(f"{self.url}/shop/")
        page.fill(f"#q-{product}", "2")
        page.fill("[name=customer_name]", name)
        if later:
            page.check("[name=payment][value=later]")
        elif not page.is_visible(f"[name=token][value={token}]"):
            page.click("details.tokens summary")
        page.check(f"[name=token][value={token}]", force=later)
        page.click("text=Place the order")
        page.wait_for_url("**/shop/orders/*/")
        return page.url.rstrip("/").rpartition("/")[2]

    def story(self, page: Page, number: str) -> str:
        page.goto(f"{self.url}/orders/{number}/")
        return page.inner_text("main")


def with_the_bank_at(shop_port: int) -> Callable[[Stack], None]:
    """The bank's page is where its service is, and leads back to this shop."""

    def prepare(stack: Stack) -> None:
        payments = stack.services["payment_service"]
        payments.environment["GATEWAY_PAGE_URL"] = payments.url
        payments.environment["CONSOLE_URL"] = f"http://127.0.0.1:{shop_port}/"

    return prepare


def notify_service(folder: Path) -> Process:
    """What tells of mails, on a database of its own, not started; `key` beside it is the console's."""
    (port,) = stacks.free_ports(1)
    database = databases.at(folder / "notify_service.sqlite3")
    database.create()
    environment = {**base_environment(), **database.environment, "API_AUTH": "on"}
    manage = [sys.executable, str(ROOT / "notify_service" / "manage.py")]
    options: dict[str, Any] = {"env": environment, "cwd": ROOT, "capture_output": True, "text": True}
    subprocess.run([*manage, "migrate", "--verbosity=0", "--skip-checks"], check=True, **options)
    made = subprocess.run([*manage, "keys", "create", "console", "--scope", "mails:read"], check=True, **options)
    (folder / "key").write_text(made.stdout.splitlines()[-1])
    command = [sys.executable, "-m", "servicekit.server", "notify_service", "--port", str(port)]
    server = Process("notify_service", command, environment=environment, log=folder / "notify_service.log")
    server.begin = stacks.begin_from_nothing
    return server


@pytest.fixture(scope="module")
def shop(make_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    assert CHROMIUM, "These tests need a browser: apt-get install chromium"
    settings = {
        "order_service": {"WEBHOOK_ALLOW": "127.0.0.1/32", "WEBHOOK_RETRY_S": "0.1"},
        "payment_service": {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0"},
    }
    (port,) = stacks.free_ports(1)
    # As it is run where others reach it: with the keys that it has then, and nobody without a password.
    stack = make_module_stack(settings=settings, closed=True, prepare=with_the_bank_at(port))
    stack.start_workers(idle_s=0.3)  # people wait longer, and a worker that looks all the time costs as much as a page
    folder = tmp_path_factory.mktemp("console")
    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1)).decode()
    (folder / "users").write_text(f"ann:pbkdf2_sha256$1$salt${digest}\n")
    command = [sys.executable, "-m", "servicekit.server", "console", "--port", str(port)]
    peers = {f"{name}_SERVICE_URL": f"{stack.services[at].url}/api/x/" for name, at in PEERS.items()}
    signing_in = {"CONSOLE_AUTH": "on", "CONSOLE_USERS_FILE": str(folder / "users")}
    notify = notify_service(folder)
    notify.start()
    peers |= {"NOTIFY_URL": f"http://127.0.0.1:{notify.command[-1]}", "NOTIFY_KEY_FILE": str(folder / "key")}
    environment = {**base_environment(), **peers, **stack.make_console_keys(), **signing_in, "SAMPLE_EVERY_S": "2"}
    log = folder / "console.log"
    console = Process("console", command, environment=environment, log=log)
    console.begin = stacks.begin_from_nothing
    console.start()
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: Http(url).is_healthy(), what=f"console up: {log}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield Shop(stack, url, browser, notify)
            browser.close()
    finally:
        console.stop()
        notify.stop()


@WITH_AND_WITHOUT
def test_an_order_is_bought(shop: Shop, script: bool) -> None:
    """And its steps light up to the end."""
    with shop.open(script=script) as page:
        shop.buy(page, "Alice")
        assert "Thank you. It is paid." in page.inner_text("main")
        assert [step.get_attribute("class") for step in page.query_selector_all(".rail li")] == ["done"] * 5


def test_a_form_that_was_changed_after_going_back_does_not_order_again(shop: Shop) -> None:
    """It leads to the order that it placed; ordering once more is a link to another form."""
    with shop.open() as page:
        page.goto(f"{shop.url}/shop/")
        key = page.input_value("form.shop [name=key]")
        page.fill("#q-1", "2")
        page.fill("[name=customer_name]", "Back Bob")
        page.click("text=Place the order")
        page.wait_for_url("**/shop/orders/*/")
        number = page.url.rstrip("/").rpartition("/")[2]
        # What a browser keeps of a page that it comes back to; one whose requests are looked at keeps nothing.
        page.goto(f"{shop.url}/shop/?q-1=3&customer_name=Back+Bob")
        page.eval_on_selector("form.shop [name=key]", "(field, key) => { field.value = key; }", key)
        page.click("text=Place the order")
        page.wait_for_selector("text=This form was sent already")
        found = shop.stack.orders.get("/api/orders/?customer_name=Back%20Bob").json["items"]
        assert [str(each["number"]) for each in found] == [number]
        assert page.query_selector("main form") is None
        assert page.get_attribute(f"text=See order {number}", "href") == f"/shop/orders/{number}/"
        page.click("text=Order once more")
        page.wait_for_url("**/shop/?*")
        assert (page.input_value("#q-1"), page.input_value("[name=customer_name]")) == ("3", "Back Bob")


def test_an_imported_payment_is_refunded_from_its_page(shop: Shop, tmp_path: Path) -> None:
    """It has no transaction; a part of it goes back all the same."""
    file = tmp_path / "imported.csv"
    file.write_text(
        "payment_id,order_id,amount,method,status,reference,created_at,refunded\n"
        "9001,990017,104.85,UPI,SUCCESS,ECI20251001-0000000A,2025-10-01 10:08:01,0\n"
    )
    shop.stack.services["payment_service"].manage("import_payments", str(file))
    with shop.open() as page:
        page.goto(f"{shop.url}/payments/?order_id=990017")
        page.click("tbody a")
        page.click("text=Refund a part")
        page.fill("[name=amount]", "4.85")
        page.click("main button.grave")
        page.wait_for_selector("text=given back.")
    (payment,) = shop.stack.payments.get("/v1/payments/?order_id=990017").json["items"]
    assert str(payment["refunded_amount"]) == "4.85"


@WITH_AND_WITHOUT
def test_a_declined_card_says_why_in_three_clicks(shop: Shop, script: bool) -> None:
    """From the control room: the orders, the order; there is the reason, and who."""
    with shop.open(script=script) as page:
        number = shop.buy(page, f"Bob {script}", token="tok_expired_card")
        assert "Payment failed: the card has expired" in page.inner_text("main")
        page.goto(f"{shop.url}/control/")
        page.click("nav >> text=Orders")
        page.click(f"tbody th a:text-is('{number}')")
        text = page.inner_text("main")
        assert "Cancelled: Payment failed: the card has expired" in text
        assert "Charge declined" in text


@WITH_AND_WITHOUT
def test_every_attempt_has_its_light(shop: Shop, script: bool) -> None:
    """Two declined, the third approved."""
    with shop.open(script=script) as page:
        shop.buy(page, "Chidi", token="tok_decline_twice_then_approve")
        lights = [(each.inner_text(), each.get_attribute("class")) for each in page.query_selector_all(".rail li")]
        kinds = [kind for text, kind in lights if "Attempt" in text]
        assert kinds == ["failed", "failed", "done"]


# What the bank's page says, what the order's, and where it stands then. With a script and without is the same page.
AT_THE_BANK: Final = {
    "approve": (("Payment confirmed", "Thank you. It is paid."), "PAID"),
    "decline": (("Payment declined", "It was cancelled. Payment failed"), "CANCELLED"),
}


@pytest.mark.parametrize(("answer", "script"), [("approve", True), ("decline", False)], ids=["approved", "declined"])
def test_the_payer_answers_at_the_banks_page_and_comes_back(shop: Shop, answer: str, script: bool) -> None:
    """The shop leads to the bank, whose page says what came of it and leads to the order, which says the same."""
    said, status = AT_THE_BANK[answer]
    with shop.open(script=script) as page:
        number = shop.buy(page, "Nora", token="tok_3ds_ok")
        assert "Your bank wants you to confirm the payment" in page.inner_text("main")
        page.click("text=Confirm at your bank")
        page.wait_for_url(f"{shop.bank}/bank/confirm/*/")
        assert "60.00 USD" in page.inner_text("main")
        assert shop.stack.orders.get(f"/api/orders/{number}/").json["status"] == "PENDING"
        page.click(f"[name=answer][value={answer}]")
        page.wait_for_selector(f"text={said[0]}")
        assert page.query_selector("[name=answer]") is None
        page.click("main a")  # back to the shop
        page.wait_for_url(f"{shop.url}/shop/orders/*/")
        page.wait_for_selector(f"text={said[1]}")
        assert shop.stack.orders.get(f"/api/orders/{number}/").json["status"] == status


@WITH_AND_WITHOUT
def test_a_paid_order_is_cancelled_after_being_asked_once_more(shop: Shop, script: bool) -> None:
    """It says what it will do; nothing is done before."""
    with shop.open(script=script) as page:
        number = shop.buy(page, "Dana")
        page.click("text=Cancel and get the money back")
        assert "This cannot be undone" in page.inner_text("main")
        assert shop.stack.orders.get(f"/api/orders/{number}/").json["status"] == "PAID"
        page.click("button.grave")
        page.wait_for_url(f"**/orders/{number}/")
        text = page.inner_text("main")
        assert "Refunded: the money and the stock are back." in text
        assert "Refunded by console, for ann." in text
        assert not page.query_selector("text=Cancel and refund all")


@WITH_AND_WITHOUT
def test_an_order_is_paid_later(shop: Shop, script: bool) -> None:
    """Declined first, which changes nothing; then paid."""
    with shop.open(script=script) as page:
        number = shop.buy(page, "Elif", later=True)
        assert "It waits for your payment" in page.inner_text("main")
        page.check("#pay [name=token][value=tok_expired_card]")
        page.click("text=Pay now")
        page.wait_for_selector("text=Declined: the card has expired")
        page.check("#pay [name=token][value=tok_ok]")
        page.click("text=Pay now")
        page.wait_for_selector("text=Thank you. It is paid")
        assert shop.stack.orders.get(f"/api/orders/{number}/").json["status"] == "PAID"


@WITH_AND_WITHOUT
def test_a_part_is_refunded_with_its_reason(shop: Shop, script: bool) -> None:
    """Not more than is left; the reason stands in the story, as it was typed."""
    with shop.open(script=script) as page:
        number = shop.buy(page, "Farid")
        shop.story(page, number)
        page.click("text=Refund a part")
        page.fill("[name=amount]", "1000")
        page.click("button.grave")
        assert "Not done: Refund of 1000.00 exceeds the 60.00" in page.inner_text("main")
        page.fill("[name=amount]", "12.50")
        page.fill("[name=reason]", XSS[:150])
        page.click("button.grave")
        page.wait_for_selector("text=12.50 given back.")
        assert XSS[:150] in page.inner_text("main")
        assert shop.stack.orders.get(f"/api/orders/{number}/").json["refunded_amount"] == 12.5


@WITH_AND_WITHOUT
def test_a_blocked_refund_is_taken_up(shop: Shop, script: bool) -> None:
    """It waits in the control room; a person has it tried again, and the story says so."""
    with shop.open(script=script) as page:
        number = shop.buy(page, f"Gita {script}", token="tok_refund_fails")
        shop.stack.orders.post(f"/api/orders/{number}/cancel/")
        page.goto(f"{shop.url}/control/")
        assert "The gateway refuses a refund for good" in page.inner_text("main")
        shop.story(page, number)
        page.click("text=Take up again")
        page.click("button:has-text('Take it up')")
        page.wait_for_selector("text=Taken up again")
        assert "Taken up again" in shop.story(page, number)


def test_a_webhook_that_was_given_up_is_sent_again(shop: Shop) -> None:
    """It waits in the control room; sent again it has arrived, as the story says."""
    refuses = receivers.Reply(500)
    with receivers.receiver([refuses, refuses, receivers.Reply(204)]) as there, shop.open() as page:
        asked = {"url": there.url, "events": ["order.paid"], "description": f"Accounting {XSS[:60]}"}
        assert shop.stack.orders.post("/api/webhooks/", asked).status == 201
        number = shop.buy(page, "Mira")
        page.goto(f"{shop.url}/control/")
        page.wait_for_selector("text=order.paid did not reach Accounting")
        assert page.query_selector("main img, main script") is None
        page.click("text=Send again")
        assert "The worker sends the same message again" in page.inner_text("main")
        page.click("text=Send it")
        page.wait_for_url(f"**/orders/{number}/")
        page.wait_for_selector("text=Webhook delivered to Accounting")
        page.goto(f"{shop.url}/control/")
        assert "Accounting" not in page.inner_text("main")
        assert len(there.ids()) == 3
        assert len(set(there.ids())) == 1


# A mail as the consumer leaves it: sent, or given up after the last try.
MAIL: Final = (
    "insert into mailing_mail (id, order_id, event_id, subject, body, created_at, due_at, tries, last_error, sent_at,"
    " sent_to) values (?, ?, 'e', ?, 'a word', '2026-01-02 12:00:00', null, ?, ?, ?, ?)"
)


def test_mails_stand_in_the_story_of_an_order(shop: Shop) -> None:
    """What was sent and what was given up, with what it came to; and that they are not known while nobody tells."""
    with shop.open() as page:
        number = shop.buy(page, "Olga")
        order_id = shop.stack.orders.get(f"/api/orders/{number}/").json["id"]
        database = databases.at(shop.notify.log.with_name("notify_service.sqlite3"))
        sent_at = "2026-01-02 12:00:03"
        database.run(MAIL, uuid4().hex, order_id, f"Payment received {XSS[:60]}", 1, "", sent_at, "o***@example.org")
        database.run(MAIL, uuid4().hex, order_id, "Refund", 60, "SMTPServerDisconnected", None, "")
        database.run(MAIL, uuid4().hex, "another", "Of another order", 1, "", sent_at, "")
        wait_until(lambda: "Mail sent to o***@example.org" in shop.story(page, number), what="the mails are told of")
        text = page.inner_text("main")
        assert f"Payment received {XSS[:60]}; 1 try" in text
        assert "Mail given up" in text
        assert "Refund; 60 tries; the last that failed: SMTPServerDisconnected" in text
        assert "1 of 2 sent, 1 given up" in text
        assert [word for word in ("Of another order", "a word") if word in text] == []
        page.goto(f"{shop.url}/control/")
        assert "notify service" in page.inner_text(".health").lower()
        shop.notify.stop()
        try:
            text = shop.story(page, number)
            assert "The notify service does not answer" in text
            assert "Order paid" in text
        finally:
            shop.notify.start()
            there = Http(f"http://127.0.0.1:{shop.notify.command[-1]}")
            wait_until(there.is_healthy, what="the notify service up")


def test_the_page_follows_an_order_without_being_loaded_again(shop: Shop) -> None:
    """What somebody else does is seen within moments."""
    with shop.open() as page:
        number = shop.buy(page, "Hana", later=True)
        shop.stack.orders.post(f"/api/orders/{number}/cancel/")
        page.wait_for_selector("text=It was cancelled")
        page.wait_for_selector("#pay", state="hidden")


@contextmanager
def held(page: Page, url: str) -> Iterator[list[Route]]:
    """Whatever is asked for there waits until the end, and is answered then."""
    asked: list[Route] = []

    def keep(route: Route) -> None:  # Playwright keeps a mark on it, which the list's own method has no room for
        asked.append(route)

    page.route(url, keep)
    try:
        yield asked
    finally:
        for route in asked:
            route.continue_()
        page.unroute(url)


# Each kind of form: a page with one, and what sends it.
FORMS: Final = (
    pytest.param("shop/?q-1=1", "form.shop .button.wide", id="order"),
    # All have one handler: the night tries each.
    pytest.param("orders/", "form.filters button", id="orders", marks=pytest.mark.nightly),
    pytest.param("payments/", "form.filters button", id="payments", marks=pytest.mark.nightly),
    pytest.param("shop/", "form.who button", id="sign out", marks=pytest.mark.nightly),
    pytest.param("shop/", "#q", id="search", marks=pytest.mark.nightly),
)
# Keeps the browser on the page, where it would go on with what it sends or follows, and counts how often it would.
STAY: Final = """() => {
    window.went = 0;
    const stay = (event) => { window.went += !event.defaultPrevented; event.preventDefault(); };
    addEventListener("submit", stay);
    addEventListener("click", (event) => event.target.closest("a") && stay(event));
}"""
NOT_READY: Final = "form[aria-busy], a[aria-busy], .busy, button[disabled]"


@pytest.mark.parametrize(("path", "sender"), FORMS)
def test_a_form_shows_that_it_is_under_way_and_is_sent_once(shop: Shop, path: str, sender: str) -> None:
    """Busy, with a ring that turns and its buttons disabled, until the page is there again; sent again it stays."""
    with shop.open() as page:
        page.goto(f"{shop.url}/{path}")
        if path.startswith("shop/?"):
            page.fill("[name=customer_name]", "Petra")
        page.evaluate(STAY)
        if sender.startswith("#"):
            page.press(sender, "Enter")
        else:
            page.click(sender)
        page.wait_for_selector("form[aria-busy=true]")
        page.wait_for_function("() => !document.querySelector('form[aria-busy] button:not([disabled])')")
        ring = "getComputedStyle(document.querySelector('.busy') || document.querySelector('.find'), '::after')"
        assert page.evaluate(f"{ring}.animationName") == "turn"
        page.evaluate("document.querySelector('form[aria-busy]').requestSubmit()")
        assert page.evaluate("window.went") == 1
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")  # as by going back
        assert page.query_selector(NOT_READY) is None


@pytest.mark.nightly
def test_a_part_shows_that_it_is_asked_for_and_a_link_that_it_is_followed(shop: Shop) -> None:
    """A slow one has a line above it until its answer is there; a button that leads elsewhere has the ring."""
    with shop.open() as page:
        number = shop.buy(page, "Quentin", later=True)
        for path, part in (("shop/", ".goods"), (f"shop/orders/{number}/", "#live")):
            page.goto(f"{shop.url}/{path}")
            where = page.get_attribute(part, "hx-get")
            with held(page, f"{shop.url}{where}"):
                page.wait_for_selector(f"{part}[aria-busy=true]")
                line = page.evaluate("part => getComputedStyle(document.querySelector(part), '::before').height", part)
                assert line == "3px", path
            page.wait_for_selector(f"{part}:not([aria-busy])")
        page.goto(f"{shop.url}/control/")
        page.evaluate(STAY)
        page.click("text=Check every invariant now")
        page.wait_for_selector("a.busy[aria-busy=true]")
        page.click("nav >> text=Orders")
        assert page.query_selector("nav [aria-busy]") is None


PAGES: Final = ("shop/?q-1=2", "control/", "orders/", "payments/", "control/invariants/", "search/?q=nobody", "login/")


def test_axe_finds_nothing(shop: Shop) -> None:
    """On each page, in both schemes; and none is wider than a phone, a tablet or a desk."""
    with shop.open() as page:
        number = shop.buy(page, "Ines", token="tok_decline_then_approve")
        declined = shop.buy(page, "Jon", token="tok_expired_card")
        order_id = shop.stack.orders.get(f"/api/orders/{number}/").json["id"]
        paths = (*PAGES, f"orders/{number}/", f"shop/orders/{declined}/", f"do/cancel/{order_id}/")
    with shop.open() as page:
        session = page.context.new_cdp_session(page)
        for path in paths:
            _look(page, width=1280, scheme="light")
            page.goto(f"{shop.url}/{path}")
            session.send("Runtime.evaluate", {"expression": AXE})  # past the policy, which lets no script in
            assert found_by_axe(session) == [], path
            for width, rules in ((820, None), (390, ANOTHER_LOOK)):
                _look(page, width=width, scheme="dark")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} at {width}"
                assert rules is None or found_by_axe(session, *rules) == [], f"{path} at {width}, dark"
        _look(page, width=1280, scheme="light")


def _look(page: Page, *, width: int, scheme: Literal["light", "dark"]) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)


# What another width or scheme can change; the rest of axe's rules look at what is there, not at how.
ANOTHER_LOOK: Final = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")


def found_by_axe(session: CDPSession, *rules: str) -> list[tuple[str, list[str]]]:
    """Violations of these rules or of all, each with the elements."""
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    asked = {
        "expression": f"axe.run({json.dumps(options)}).then(found => JSON.stringify(found.violations))",
        "awaitPromise": True,
    }
    found = json.loads(session.send("Runtime.evaluate", asked)["result"]["value"])
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def test_a_name_is_text_wherever_it_is_shown(shop: Shop) -> None:
    """A customer's or a product's, in the shop, the lists, the story, the search: nothing of it is run."""
    product = shop.stack.products.post("/api/products/", {"name": XSS, "price": 5, "stock": 9}).json["id"]
    with shop.open() as page:
        number = shop.buy(page, XSS, product=product)
        for path in ("shop/", f"shop/orders/{number}/", f"orders/{number}/", "orders/", f"search/?q={XSS}"):
            page.goto(f"{shop.url}/{path}")
            assert XSS in (page.inner_text("main") + page.input_value("#q"))
            assert "hacked" not in page.title()
            assert page.query_selector("main img, main script") is None
        for path in ("orders/%3Cscript%3E/", "do/cancel/%3Cscript%3E/"):
            page.goto(f"{shop.url}/{path}")
            assert page.query_selector("main script") is None


def test_what_is_seen_is_exported(shop: Shop) -> None:
    """With the filters of the page, and no formula for a spreadsheet."""
    with shop.open() as page:
        shop.buy(page, "Kim")
        page.goto(f"{shop.url}/payments/?status=SUCCESS&method=CARD")
        shown = page.query_selector_all("tbody tr")
        with page.expect_download() as download:
            page.click("text=Export as CSV")
        lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("payment_id,order_id,amount,")
    assert len(lines) - 1 >= len(shown) > 0
    assert {line.split(",")[5] for line in lines[1:]} == {"CARD"}


def test_a_stopped_service_is_shown_and_the_page_stays_usable(shop: Shop) -> None:
    """What the others know is there; the shop says what is the matter; all of it comes back by itself."""
    with shop.open() as page:
        number = shop.buy(page, "Lena")
        page.goto(f"{shop.url}/control/")
        service = shop.stack.services["payment_service"]
        service.stop()
        try:
            page.wait_for_selector("text=The payment service does not answer")
            assert "does not answer" in page.inner_text(".health")
            text = shop.story(page, number)
            assert "The payment service does not answer" in text
            assert "Order paid" in text
            page.goto(f"{shop.url}/payments/")
            assert "does not answer" in page.inner_text("main")
            page.goto(f"{shop.url}/shop/")
            assert "Mechanical Keyboard" in page.inner_text("main")
        finally:
            shop.stack.restart("payment_service")
        page.goto(f"{shop.url}/control/")
        assert "does not answer" not in page.inner_text("main")
