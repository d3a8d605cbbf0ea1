"""A key with a limit, at a real server: whoever comes with how many threads, no more get in than may."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests import stack as stacks
from tests.client import Http, Reply
from tests.stack import Stack

PER_S: Final = 20
CLIENTS: Final = 8
EACH: Final = 25
# Where nobody listens: no route that is asked here needs another service.
NOBODY: Final = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """Name → secret."""
    return {}


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, str]) -> Iterator[Stack]:
    """One service in one process, that takes keys."""

    def make_keys(stack: Stack) -> None:
        for name, *limit in (("limited", "--limit", f"{PER_S}/s"), ("free",)):
            made = stack.services["product_stub"].manage("keys", "create", name, "--scope", "products:read", *limit)
            secrets[name] = made.stdout.splitlines()[-1]

    with stacks.running_stack(
        migrated,
        tmp_path_factory.mktemp("limits"),
        peers={"order_service": NOBODY, "payment_service": NOBODY},
        settings={"product_stub": {"API_AUTH": "on"}},
        prepare=make_keys,
    ) as running:
        yield running


def ask(stack: Stack, secret: str, *, times: int = 1) -> list[Reply]:
    """One client's requests, each as soon as the one before is answered."""
    http = Http(stack.services["product_stub"].url)
    return [http.get("/api/products/", Authorization=f"Bearer {secret}") for _ in range(times)]


def test_no_more_get_in_than_may(stack: Stack, secrets: dict[str, str]) -> None:
    """Many clients at once; who is refused is told when to come again, and then gets in. Others notice nothing."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        limited = [pool.submit(ask, stack, secrets["limited"], times=EACH) for _ in range(CLIENTS)]
        free = pool.submit(ask, stack, secrets["free"], times=EACH)
        answers = [answer for each in limited for answer in each.result()]
    let_in = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status != 200]
    assert PER_S <= len(let_in) <= PER_S + PER_S * (time.monotonic() - began)
    assert {(answer.status, answer.json["code"]) for answer in refused} <= {(429, "too_many_requests")}
    assert {answer.headers["Retry-After"] for answer in refused} <= {"1"}
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {f'"key";q={PER_S};w=1'}
    assert {answer.headers["RateLimit"] for answer in refused} <= {'"key";r=0;t=1'}
    assert [(answer.status, "RateLimit" in answer.headers) for answer in free.result()] == [(200, False)] * EACH
    time.sleep(1)
    assert [answer.status for answer in ask(stack, secrets["limited"])] == [200]


def test_a_log_has_who_it_was_and_never_the_key(stack: Stack, secrets: dict[str, str]) -> None:
    """In the line of each request, refused ones too."""
    ask(stack, "abcdefgh." + "x" * 32)
    ask(stack, secrets["free"])
    log = stack.services["product_stub"].log_text()
    assert '"actor":"free"' in log
    assert '"actor":"anonymous"' in log
    assert not [secret for secret in (*secrets.values(), "x" * 32) if secret[9:] in log]
