"""A stateful stand-in for Stripe, as a server of its own."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from payment_service.tests.gateways.network import Network
from payment_service.tests.servers import free_port, wait_for


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    """Where localstripe listens: https://github.com/adrienverge/localstripe."""
    port = free_port()
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/js.stripe.com/v3/")
        yield url
        server.terminate()


@pytest.fixture(scope="session")
def stripe_network(localstripe_url: str) -> Iterator[Network]:
    """localstripe, behind a network that can fail."""
    with Network(localstripe_url).serving() as network:
        yield network
