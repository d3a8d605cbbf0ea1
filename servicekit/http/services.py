"""The services that a service talks to, each built in the same way from the settings that all of them have."""

from functools import cache

from django.conf import settings

from servicekit.http.client import HttpClient
from servicekit.http.peer_keys import PeerKey
from servicekit.load.dependency import Dependency
from servicekit.settings.env import SecretSource


@cache
def dependency(name: str) -> Dependency:
    """A service as it is seen from here: one circuit breaker and one limit of calls per process."""
    return Dependency(name, settings.DOWNSTREAMS.breaker, calls=settings.DOWNSTREAMS.calls)


def client(name: str, url: str, key: SecretSource) -> HttpClient:
    """A new pooled client of the service of that name, at `url`, which knows us by `key`.

    Keep it: a process needs one for each service.
    """
    return HttpClient(
        url,
        connect_timeout_s=settings.HTTP_CONNECT_TIMEOUT_S,
        read_timeout_s=settings.HTTP_READ_TIMEOUT_S,
        key=PeerKey(key),
        dependency=dependency(name),
    )
