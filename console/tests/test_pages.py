"""Pages without a service behind them stay pages; what is vendored is what was fetched; nothing else comes in."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from django.test import Client

from console.pages import sampling, services
from console.pages.middleware import POLICY

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent / "pages" / "static" / "console"
TEMPLATES = HERE.parent / "pages" / "templates"
# Compressed, of all that the largest page loads the first time.
BUDGET_BYTES = 150_000


@pytest.fixture(autouse=True)
def nobody_there(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port at which nobody listens."""
    for cached in (services.looking, services.acting):
        cached.cache_clear()
    for name in ("ORDER", "PAYMENT", "PRODUCT"):
        monkeypatch.setattr(f"django.conf.settings.{name}_SERVICE_URL", "http://127.0.0.1:9/api/x/", raising=False)
    monkeypatch.setattr(sampling, "_sampler", None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/shop/", 200),
        ("/control/", 200),
        ("/orders/", 200),
        ("/payments/", 200),
        ("/control/invariants/", 200),
        ("/orders/1/", 200),
        ("/shop/orders/1/", 200),
        ("/search/?q=7", 200),
        ("/nothing", 404),
        ("/do/nothing/1/", 404),
        ("/do/replay-message/x/", 404),
    ],
)
def test_a_page_says_that_a_service_is_away(client: Client, path: str, status: int) -> None:
    """And is a page all the same: with its way to the others, and a policy that lets nothing in."""
    answer = client.get(path)
    text = answer.content.decode()
    assert answer.status_code == status
    assert "<nav" in text
    assert answer["Content-Security-Policy"] == POLICY
    if status == 200 and "/search/" not in path:
        assert "does not answer" in text


def test_the_policy_lets_nothing_in() -> None:
    """Nothing from elsewhere, nothing that stands in the page."""
    assert "default-src 'self'" in POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_no_template_has_anything_that_the_policy_would_stop() -> None:
    """No script, style or handler in the page; nothing marked as safe."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        text = path.read_text()
        assert not re.search(
            r"\sstyle=|\son[a-z]+=|<script(?![^>]* src=)|<style|javascript:|\|safe|autoescape off", text
        ), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text), path


@pytest.mark.parametrize("folder", [STATIC / "vendor", HERE / "vendor"], ids=["page", "tests"])
def test_what_is_vendored_is_what_was_fetched(folder: Path) -> None:
    """By its checksum, each with its licence."""
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    written = {name: checksum for checksum, name in lines}
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert set(written) == there
    for name, checksum in written.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name
    for name in {re.split(r"[-.]", name)[0] for name in there}:
        assert f"{name}-LICENSE.txt" in there


def test_a_page_is_small(client: Client) -> None:
    """The control room loads everything that there is."""
    page = client.get("/control/").content
    names = re.findall(r'(?:src|href)="/static/console/([^"]+)"', page.decode())
    assert len(set(names)) == 6
    size = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in set(names)) + len(gzip.compress(page))
    assert size <= BUDGET_BYTES


def test_a_part_that_has_not_changed_is_not_sent_again(client: Client) -> None:
    """304 without a body, by the ETag of before."""
    first = client.get("/shop/stock/")
    again = client.get("/shop/stock/", headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first["Cache-Control"] == "private, no-cache"


def test_a_chart_goes_on_when_a_service_is_started_anew() -> None:
    """A counter that begins from nothing has not gone down; one that is not there leaves a gap."""
    samples = [
        sampling.Sample(at, {} if paid is None else {"paid": paid})
        for at, paid in ((0, 5), (5, 7), (10, 1), (15, None))
    ]
    (outcomes, *_) = sampling.charts(samples)
    assert list(outcomes.lines[0].values) == [24.0, 0.0, None]
    assert sampling.points(outcomes.lines[0], top=24.0).count(",") == 2
