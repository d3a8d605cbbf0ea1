"""One attempt: what counts as delivered, what is read of an answer, and how long it may take."""

import ssl
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from servicekit.webhooks import sending
from servicekit.webhooks.sending import Answer, Message, Sender
from tests.receivers import Reply, receiver

ALLOWED = [ip_network("127.0.0.0/8")]


def send(url: str, *, timeout_s: float = 5.0) -> Answer:
    message = Message(url, b'{"a":1}', lambda at: {"webhook-timestamp": str(at)})
    return Sender(allowed=ALLOWED, timeout_s=timeout_s).send(message)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_delivered(status: int) -> None:
    """Whatever it says beside."""
    with receiver([Reply(status)]) as there:
        answer = send(there.url)
    assert (answer.status, answer.problem, answer.is_success) == (status, "", True)
    assert (there.received[0].body, there.received[0].path) == (b'{"a":1}', "/hooks")
    assert there.received[0].headers["host"] == f"127.0.0.1:{there.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """It is a failure, and nobody goes where it leads."""
    with receiver() as elsewhere, receiver([Reply(status, {"Location": elsewhere.url})]) as there:
        answer = send(there.url)
        assert (answer.status, answer.problem) == (status, "it answered with a redirect, which is not followed")
        assert (len(there.received), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_a_failure(status: int) -> None:
    """With its status, and the first bytes of what it said."""
    with receiver([Reply(status, body=b"no\0 " + b"x" * 5000)]) as there:
        answer = send(there.url)
    assert (answer.status, answer.problem, answer.is_success) == (status, f"it answered {status}", False)
    assert answer.text == "no\ufffd " + "x" * 496


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    """And as nothing where it is neither."""
    in_a_minute = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    said = [("120", 120, 0), (in_a_minute, 60, 3), ("soon", 0, 0), ("-5", 0, 0), ("\u0665", 0, 0)]
    for text, seconds, about in said:
        with receiver([Reply(503, {"Retry-After": text.encode().decode("latin-1")})]) as there:
            assert abs(send(there.url).retry_after_s - seconds) <= about, text


def test_no_answer_in_time_is_a_failure() -> None:
    """Whether it says nothing, or a byte now and then."""
    for slow in (Reply(wait_s=3.0), Reply(200, {"Content-Length": "500"}, b"x" * 500, wait_body_s=0.1)):
        with receiver([slow]) as there:
            started = time.monotonic()
            answer = send(there.url, timeout_s=0.4)
            assert time.monotonic() - started < 2.5
        if slow.wait_s:
            assert (answer.status, answer.problem) == (None, "no answer in time")
        else:  # it has said that it has it; nobody waits for the rest
            assert (answer.status, answer.is_success) == (200, True)


def test_nobody_there_is_a_failure() -> None:
    """A port on which nobody listens, a name that nobody knows."""
    with receiver() as there:
        url = there.url
    assert send(url).problem == "the connection was refused"
    assert send("https://nobody.invalid/").problem == "its name cannot be resolved"


# ---- TLS


def certificate(folder: Path, *, valid_for: timedelta = timedelta(days=1), name: str = "127.0.0.1") -> ssl.SSLContext:
    """A server's context with a certificate of its own, which is in `folder/cert.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    pem.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What is in cert.pem is trusted, by the variable by which OpenSSL is told."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    sending._tls.cache_clear()
    yield tmp_path
    sending._tls.cache_clear()


def test_tls_is_verified(trusted: Path, tmp_path: Path) -> None:
    """Known and for this host: delivered. Nothing is sent to whoever cannot prove it."""
    with receiver(tls=certificate(trusted)) as there:
        assert send(there.url.replace("http:", "https:")).status == 204


@pytest.mark.parametrize("wrong", [{"valid_for": timedelta(days=-1)}, {"name": "127.0.0.2"}, {}])
def test_a_certificate_that_proves_nothing_is_refused(wrong: dict[str, Any], trusted: Path) -> None:
    """Out of date, of another host, or of nobody whom this machine trusts."""
    context = certificate(trusted, **wrong)
    if not wrong:
        certificate(trusted)  # now another one is trusted
    with receiver(tls=context) as there:
        answer = send(there.url.replace("http:", "https:"))
        assert (answer.status, answer.problem, there.received) == (None, "its certificate is not valid", [])


def test_what_speaks_no_tls_is_refused(trusted: Path) -> None:
    """https is never quietly made http."""
    certificate(trusted)
    with receiver() as there:
        answer = send(there.url.replace("http:", "https:"))
        assert (answer.status, answer.problem, there.received) == (None, "the TLS handshake failed", [])
