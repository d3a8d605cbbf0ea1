"""Nobody is reached who should not be: every spelling of an address that is not the Internet's.

A listener stands where each of them would lead on this machine; nobody ever connects to it.
"""

import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from servicekit.webhooks import addresses
from servicekit.webhooks.addresses import Refused
from servicekit.webhooks.sending import Message, Sender
from tests.receivers import Receiver, receiver

LOOPBACK = [ip_network("127.0.0.0/8")]

# What stands for the host, and would lead to this machine, its network or its cloud.
INSIDE: Sequence[str] = (
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[5f00::1]",
)
# Other spellings of the same, which some program or other understands.
ODD: Sequence[str] = (
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.0.0.01",
    "127.0.0.256",
    "1.2.3.4.5",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1",
    "example.org.",
    "-x.example.org",
    "exa%6dple.org",
    "127.0.0.1%2eexample.org",
    "exam ple.org",
    "",
    "[127.0.0.1]",
    "[::1",
)
URLS: Sequence[str] = (
    "http://example.org/",
    "HTTP://example.org/",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "//example.org/",
    "example.org",
    "https:example.org",
    "https://user:word@example.org/",
    "https://example.org@127.0.0.1/",
    "https://127.0.0.1#@example.org/",
    "https://example.org#x",
    "https://example.org\\@127.0.0.1/",
    "https://example.org:0/",
    "https://example.org:99999/",
    "https://example.org:/",
    "https://example.org/\r\nHost: 127.0.0.1",
    "https://exa\tmple.org/",
)


@pytest.fixture(scope="module")
def listener() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def send(url: str, listener: Receiver, answers: Sequence[str] = (), *, allowed: Sequence[Any] = ()) -> Any:
    """Try to send; each name that is asked for has these addresses."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers]

    before = listener.connections
    sender = Sender(allowed=allowed, timeout_s=2.0, resolve=resolve)
    answer = sender.send(Message(url, b"{}", lambda _: {}))
    return answer, asked, listener.connections - before


@pytest.mark.parametrize("host", [*INSIDE, *ODD])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_inside_is_refused_however_it_is_spelled(host: str, scheme: str, listener: Receiver) -> None:
    """When the webhook is made, and again when it is sent: nothing is asked for, nobody is connected to."""
    url = f"{scheme}://{host}:{listener.port}/"
    with pytest.raises(Refused):
        addresses.parse(url)
    answer, asked, connections = send(url, listener, ["127.0.0.1"])
    assert (answer.is_refused, asked, connections) == (True, [], 0)


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str, listener: Receiver) -> None:
    """Another scheme, a user, a fragment, a backslash, a port that is none, a line of its own."""
    with pytest.raises(Refused):
        addresses.parse(url)
    answer, asked, connections = send(url, listener, ["127.0.0.1"])
    assert (answer.is_refused, asked, connections) == (True, [], 0)


@pytest.mark.parametrize("host", [each.strip("[]") for each in INSIDE if "%" not in each])
def test_a_name_that_leads_inside_is_refused(host: str, listener: Receiver) -> None:
    """Whatever it is called: it is asked for once, and nobody is connected to."""
    answer, asked, connections = send(f"https://hooks.example.org:{listener.port}/", listener, [host])
    assert (answer.is_refused, asked, connections) == (True, ["hooks.example.org"], 0)
    assert answer.problem.startswith("not sent: ")


@pytest.mark.parametrize(
    "answers", [("93.184.215.14", "127.0.0.1"), ("127.0.0.1", "93.184.215.14"), ("2606:4700::1", "::1")]
)
def test_a_name_with_one_address_inside_is_refused_as_a_whole(answers: tuple[str, ...], listener: Receiver) -> None:
    """Two answers, one of them harmless."""
    answer, asked, connections = send(f"https://hooks.example.org:{listener.port}/", listener, answers)
    assert (answer.is_refused, asked, connections) == (True, ["hooks.example.org"], 0)


def test_a_name_that_becomes_another_is_resolved_once(listener: Receiver) -> None:
    """Rebinding: the first answer is looked at and is where the connection goes; a second is never asked for."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    sender = Sender(allowed=LOOPBACK, timeout_s=2.0, resolve=resolve)
    answer = sender.send(Message(f"http://hooks.example.org:{listener.port}/", b"{}", lambda _: {}))
    assert (answer.status, asked) == (204, ["hooks.example.org"])
    again = sender.send(Message(f"http://hooks.example.org:{listener.port}/", b"{}", lambda _: {}))
    assert (again.is_refused, again.problem) == (True, "not sent: 169.254.169.254 is no public address")


def test_what_an_operator_names_is_reached(listener: Receiver) -> None:
    """`WEBHOOK_ALLOW`: by its address or a name, by plain http, and nothing beside that network."""
    for host, answers in (("127.0.0.1", ()), ("localhost", ("127.0.0.1",))):
        answer, _, connections = send(f"http://{host}:{listener.port}/", listener, answers, allowed=LOOPBACK)
        assert (answer.status, connections) == (204, 1), answer
    for url, answers in (
        (f"http://10.0.0.1:{listener.port}/", ()),
        (f"http://hooks.example.org:{listener.port}/", ("93.184.215.14",)),
        (f"http://[::ffff:127.0.0.1]:{listener.port}/", ()),
        (f"http://2130706433:{listener.port}/", ()),
    ):
        answer, _, connections = send(url, listener, answers, allowed=LOOPBACK)
        assert (answer.is_refused, connections) == (True, 0), url


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_the_internet_is_reached(address: str) -> None:
    """Its addresses are nobody's inside."""
    assert addresses.is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert addresses.parse(f"https://{host}/hooks?a=b").path == "/hooks?a=b"
