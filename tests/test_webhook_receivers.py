"""The receivers of docs/webhooks.md, as they stand there: they take what is signed, once, and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from tests import receivers
from tests.client import Http
from tests.stack import ROOT, Stack, free_ports, wait_until

PAGE: Final = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# Language → how its code is run, and the name of its file.
RUNS: Final = {"python": (sys.executable, "receiver.py"), "javascript": ("node", "receiver.cjs")}


@contextmanager
def receiver(language: str, folder: Path, secret: str = SECRET) -> Iterator[tuple[str, Path]]:
    """One that runs: its URL, and the file with what it has said."""
    program, name = RUNS[language]
    found = shutil.which(program)
    assert found is not None, f"{program} is needed to run the receiver in {language}: install Node.js (apt: nodejs)"
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (folder / name).write_text(code, encoding="utf-8")
    (port,) = free_ports(1)
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "WEBHOOK_SECRET": secret}
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen([found, name], cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_there(url), what=f"the receiver in {language} listens")
        yield f"{url}/hooks", said
    finally:
        process.kill()
        process.wait()


def is_there(url: str) -> bool:
    try:
        requests.get(url, timeout=1)
    except requests.ConnectionError as problem:
        return "refused" not in str(problem)
    return True


def post(url: str, message_id: str, body: bytes, *, at: datetime | None = None, signed_as: bytes | None = None) -> int:
    """Send a message, signed by the library; `signed_as`: another body was signed."""
    moment = at or datetime.now(timezone.utc)
    signature = Webhook(SECRET).sign(message_id, moment, (signed_as or body).decode())
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1,AAAA {signature}",
    }
    return requests.post(url, data=body, headers=headers, timeout=10).status_code


@pytest.mark.parametrize("language", RUNS)
def test_a_receiver_takes_what_is_signed_once_and_nothing_else(language: str, tmp_path: Path) -> None:
    """Not what was changed, nor what is old; the same message again is welcome, and not taken again."""
    body = json.dumps({"type": "order.paid", "data": {"amount": 50.0}}).encode()
    with receiver(language, tmp_path) as (url, said):
        assert post(url, "m1", body) == 204
        assert post(url, "m1", body) == 204
        assert post(url, "m2", body, signed_as=b"{}") == 400
        assert requests.post(url, data=body, timeout=10).status_code == 400
        assert post(url, "m3", body, at=datetime.now(timezone.utc) - timedelta(minutes=10)) == 400
        assert post(url, "m4", body.replace(b"paid", b"closed")) == 204
        wait_until(lambda: said.read_text().count("\n") == 2, what="it has taken two")
        assert said.read_text().split() == ["took", "order.paid", "took", "order.closed"]


@pytest.mark.parametrize("language", RUNS)
def test_a_receiver_does_not_start_without_a_secret(language: str, tmp_path: Path) -> None:
    """Anybody could sign with a key of no bytes."""
    program, name = RUNS[language]
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / name).write_text(code, encoding="utf-8")
    for secret in ("", "whsec_", "====", "whsec_!!!!"):
        environment = {"PATH": os.environ["PATH"], "PORT": "0", "WEBHOOK_SECRET": secret}
        ran = subprocess.run(
            [program, name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert ran.returncode != 0
        assert "WEBHOOK_SECRET is empty" in ran.stderr


@pytest.mark.parametrize("language", RUNS)
def test_nothing_that_comes_unsigned_crashes_a_receiver(language: str, tmp_path: Path) -> None:
    """It is answered 400, and nothing is complained of in the log."""
    odd: list[dict[str, str]] = [{}, {"webhook-id": ""}, {"webhook-signature": "v1,\u00fc"}, {"webhook-signature": ","}]
    odd += [{"webhook-timestamp": said} for said in ("", "9" * 400, "9" * 5000, "-1", "nan", "1e999", "0x5f", "\u00b2")]
    with receiver(language, tmp_path) as (url, said_by_it):
        for headers in odd:
            sent = {
                name: value.encode("latin-1") for name, value in {"webhook-signature": "v1,AAAA", **headers}.items()
            }
            assert requests.post(url, data=b"{}", headers=sent, timeout=10).status_code == 400, headers
        assert requests.post(url, timeout=10).status_code == 400
        assert requests.post(url, data=iter([b"{}"]), timeout=10).status_code == 400  # in chunks, of no length
        assert post(url, "m1", b'{"type": "order.paid"}') == 204
        wait_until(
            lambda: said_by_it.read_text().split() == ["took", "order.paid"],
            what="it has taken one, and complained of none",
        )


def test_a_secret_is_rotated_under_load(make_stack: Callable[..., Stack]) -> None:
    """By the worker as it stands, while orders come and the secret is replaced: not one message fails to verify."""
    stack = make_stack(settings={"order_service": {"WEBHOOK_ALLOW": "127.0.0.0/8"}})
    with receivers.receiver() as there:
        asked = {"url": there.url, "events": ["order.paid"]}
        made = stack.orders.post("/api/webhooks/", asked).json
        stack.start_worker("order_service")
        secrets, placed = [made["secret"]], 0
        for _ in range(3):
            placed += place(stack.orders, 5)
            rotated = stack.orders.post(f"/api/webhooks/{made['id']}/rotate/", {"overlap_s": 60}).json
            secrets.append(rotated["secret"])
            placed += place(stack.orders, 5)
        wait_until(lambda: len(there.received) >= placed, what="all of them have arrived")
        time.sleep(0.2)
        assert len(set(there.ids())) == len(there.received) == placed
        # Whoever takes the new secret late still verifies by the one before; whoever has it, by that.
        for index, got in enumerate(there.received):
            good = [secret for secret in secrets if verifies(secret, got.body, dict(got.headers))]
            assert len(got.headers["webhook-signature"].split()) == len(good) in (1, 2), index
        assert verifies(secrets[-1], there.received[-1].body, dict(there.received[-1].headers))


def place(orders: Http, count: int) -> int:
    for _ in range(count):
        assert orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [2]}).status == 201
    return count


def verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    given = headers["webhook-signature"].split(" ")
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), timezone.utc)
    return Webhook(secret).sign(headers["webhook-id"], at, body.decode()) in given
