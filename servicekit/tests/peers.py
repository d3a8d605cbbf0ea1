"""A stand-in for a service that another one asks, below our HTTP client, whose checks and retries are the real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import responses

from servicekit.http.client import HttpClient

# What all adapters send through, so that the one of ours is caught as well.
_SENDING: Final = "servicekit.http.transport.OnePeer.send"


@contextmanager
def scripted_peer(*, all_are_asked: bool = True) -> Iterator[responses.RequestsMock]:
    """Answers as the test says; by default every answer that was given it must have been used in the end."""
    with responses.RequestsMock(assert_all_requests_are_fired=all_are_asked, target=_SENDING) as peer:
        yield peer


def client_that_never_waits(url: str) -> HttpClient:
    """It tries again at once."""
    return HttpClient(url, connect_timeout_s=1, read_timeout_s=1, sleep=lambda _: None, jitter=lambda: 0.0)
