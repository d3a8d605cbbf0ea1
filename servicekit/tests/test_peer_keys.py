"""How a peer knows us: by a key of its own, which is replaced without a restart and without a refused request."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import responses
from environs import Env, EnvError

from servicekit.http.client import HttpClient, KeyRefused, Reply, once
from servicekit.http.peer_keys import LOOK_EVERY_S, PeerKey
from servicekit.load.circuit_breaker import BreakerPolicy, State
from servicekit.load.dependency import Dependency
from servicekit.settings.env import SecretSource, peer_key
from servicekit.tests.clocks import Clock
from servicekit.tests.conftest import LogLines
from servicekit.tests.peers import scripted_peer

URL = "http://peer.test/api/things/"
OLD = "oldolold." + "o" * 32
NEW = "newnewne." + "n" * 32


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{OLD}\n")
    return path


@pytest.fixture
def key(file: Path, clock: Clock) -> PeerKey:
    return PeerKey(SecretSource("PEER_KEY", OLD, str(file)), clock=clock)


@pytest.fixture
def peer() -> Iterator[responses.RequestsMock]:
    with scripted_peer(all_are_asked=False) as mock:
        yield mock


def client(key: PeerKey | None, dependency: Dependency | None = None) -> HttpClient:
    return HttpClient(URL, connect_timeout_s=1, read_timeout_s=1, key=key, dependency=dependency, sleep=lambda _: None)


def write(file: Path, secret: str) -> None:
    """As it is replaced: never seen half written."""
    written = file.with_name("new")
    written.write_text(secret)
    written.replace(file)


def takes(peer: responses.RequestsMock, *secrets: str) -> None:
    """Let the peer take these and refuse any other."""

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        is_good = request.headers.get("Authorization") in [f"Bearer {secret}" for secret in secrets]
        return (201, {}, "{}") if is_good else (401, {}, '{"error": "Who?", "code": "invalid_key"}')

    peer.add_callback("POST", URL, callback=answer)


def sent(peer: responses.RequestsMock) -> list[str | None]:
    return [call.request.headers.get("Authorization", "").removeprefix("Bearer ") or None for call in peer.calls]


def ask(key: PeerKey | None, dependency: Dependency | None = None) -> Reply:
    return client(key, dependency).call("POST", URL, json={}, retries=once(5.0))


@pytest.mark.parametrize(("secret", "header"), [(OLD, OLD), ("", None)])
def test_the_key_goes_with_every_request(peer: responses.RequestsMock, secret: str, header: str | None) -> None:
    """Where there is one; else there is no such header at all."""
    peer.post(URL, json={})
    ask(PeerKey(SecretSource("PEER_KEY", secret)))
    ask(None)
    assert sent(peer) == [header, None]


def test_a_file_is_read_again_when_it_has_changed(key: PeerKey, file: Path, clock: Clock) -> None:
    """Within a second, and not before: it is no look for each request."""
    assert key.secret() == OLD
    write(file, NEW)
    clock.now = LOOK_EVERY_S / 2
    assert key.secret() == OLD
    clock.now = LOOK_EVERY_S
    assert key.secret() == NEW


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two words", b"line\nbreak", "schlüssel".encode(), b"\xff"])
def test_what_is_no_key_changes_nothing(
    key: PeerKey, file: Path, clock: Clock, content: bytes | None, log_lines: LogLines
) -> None:
    """Gone, empty while it is written, or of another kind: the last one counts, which is said, and not the content."""
    assert key.secret() == OLD
    file.unlink() if content is None else file.write_bytes(content)
    clock.now = LOOK_EVERY_S
    assert key.secret() == OLD
    assert [(line["event"], line["level"], line["key"]) for line in log_lines()] == [
        ("http.key_unreadable", "warning", "PEER_KEY")
    ]
    write(file, NEW)
    clock.now = 2 * LOOK_EVERY_S
    assert key.secret() == NEW


def test_a_file_of_the_same_size_and_age_is_read_after_a_refusal(
    peer: responses.RequestsMock, key: PeerKey, file: Path
) -> None:
    """What a look at the file cannot see, the peer says."""
    key.secret()
    before = file.stat()
    file.write_text(f"{NEW}\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    takes(peer, NEW)
    assert ask(key).status == 201
    assert sent(peer) == [OLD, NEW]


def test_a_refused_key_is_looked_for_at_once_and_the_request_sent_once_more(
    peer: responses.RequestsMock, key: PeerKey, file: Path
) -> None:
    """The peer has done nothing, so even a charge may be sent again; the next one goes out with the new key."""
    key.secret()
    write(file, NEW)
    takes(peer, NEW)
    assert [ask(key).status, ask(key).status] == [201, 201]
    assert sent(peer) == [OLD, NEW, NEW]


def test_until_the_peer_knows_the_new_key_the_old_one_goes(
    peer: responses.RequestsMock, key: PeerKey, file: Path, clock: Clock
) -> None:
    """Whichever of the two is told first."""
    key.secret()
    write(file, NEW)
    clock.now = LOOK_EVERY_S
    takes(peer, OLD)
    assert ask(key).status == 201
    assert sent(peer) == [NEW, OLD]


def test_a_key_that_nobody_replaced_is_refused_once(
    peer: responses.RequestsMock, key: PeerKey, log_lines: LogLines
) -> None:
    """For a person: which key, by its name and its visible beginning, and never the secret."""
    takes(peer)
    with pytest.raises(KeyRefused, match=r"^status 401: PEER_KEY \(oldolold\) is unknown there, expired or revoked$"):
        ask(key)
    assert sent(peer) == [OLD]
    (line,) = [each for each in log_lines() if each["event"] == "http.key_refused"]
    assert (line["level"], line["status"], line["url"]) == ("error", 401, URL)
    assert line["reason"] == "PEER_KEY (oldolold) is unknown there, expired or revoked"
    assert OLD not in str(log_lines())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"code": "insufficient_scope", "scope": "things:write"}, "PEER_KEY (oldolold) lacks the scope things:write"),
        ({"code": "cross_site"}, "PEER_KEY (oldolold): cross_site"),
        ({"scope": "a\nlie"}, "PEER_KEY (oldolold) lacks the scope forbidden"),
        ([], "PEER_KEY (oldolold): forbidden"),
    ],
)
def test_what_a_key_may_not_do_is_named(peer: responses.RequestsMock, key: PeerKey, body: object, why: str) -> None:
    """Another secret would not help: it is not sent again."""
    peer.post(URL, json=body, status=403)
    with pytest.raises(KeyRefused) as refusal:
        ask(key)
    assert (str(refusal.value), refusal.value.status, len(peer.calls)) == (f"status 403: {why}", 403, 1)


@pytest.mark.parametrize(
    ("key", "why"),
    [(PeerKey(SecretSource("PEER_KEY")), "PEER_KEY is not set"), (None, "no key of ours goes there")],
)
def test_a_key_that_is_missing_is_named(peer: responses.RequestsMock, key: PeerKey | None, why: str) -> None:
    """Also where a proxy says it, in HTML."""
    peer.post(URL, body="<html>401</html>", status=401)
    with pytest.raises(KeyRefused) as refusal:
        ask(key)
    assert str(refusal.value) == f"status 401: {why}"


def test_a_refused_key_opens_no_circuit(peer: responses.RequestsMock, key: PeerKey) -> None:
    """The peer works."""
    dependency = Dependency("peer", BreakerPolicy(failures=1, within_s=60, open_s=60), calls=1)
    peer.post(URL, json={}, status=403)
    with pytest.raises(KeyRefused):
        ask(key, dependency)
    assert dependency.state is State.CLOSED


def test_a_key_comes_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """And is not shown where the settings are."""
    assert peer_key(Env(), "PEER_KEY") == SecretSource("PEER_KEY")
    monkeypatch.setenv("PEER_KEY", NEW)
    assert peer_key(Env(), "PEER_KEY") == SecretSource("PEER_KEY", NEW)
    assert NEW not in repr(peer_key(Env(), "PEER_KEY"))
    monkeypatch.setenv("PEER_KEY_FILE", str(file))
    assert peer_key(Env(), "PEER_KEY") == SecretSource("PEER_KEY", OLD, str(file))


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_carry_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With a sentence that names the variable, and does not show the key."""
    monkeypatch.setenv("PEER_KEY", value)
    with pytest.raises(EnvError, match=r'^Environment variable "PEER_KEY", or its file, must be printable ASCII'):
        peer_key(Env(), "PEER_KEY")
