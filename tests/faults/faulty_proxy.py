"""A faulty network between two services: an HTTP proxy that holds back, loses, repeats or breaks what passes.

A test gives a link its rule: for each request what is to happen to it. Everything else passes as it is.
"""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

# Of one connection only, so not for the peer.
HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
# Above every deadline of the services.
PATIENCE_S: Final = 60.0
# SO_LINGER with no time: closing sends a reset.
RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Treatment:
    """What happens to one request on its way, and to its answer on the way back.

    Attributes:
        sent: How often the peer gets the request. More than once: one after the other, or `at_once`; the answer is the
            last one's.
        before_s: How long it is held back. With `gives_up` the connection is reset at once all the same, so that it
            arrives when its sender has gone on.
        answer: "whole"; "half" of it, then a reset; "reset" instead of any; "never"; "drip": a byte at a time.
        status: The answer, where the peer does not get the request.
    """

    sent: int = 1
    at_once: bool = False
    before_s: float = 0.0
    gives_up: bool = False
    answer: str = "whole"
    status: int = 503


PASSES: Final = Treatment()
FAULTS: Final = {
    "held back": Treatment(before_s=0.3),
    "connection reset before the peer has seen it": Treatment(sent=0, answer="reset"),
    "connection reset after the peer has handled it": Treatment(answer="reset"),
    "answered 503 instead of the peer": Treatment(sent=0),
    "answered 500 instead of the peer": Treatment(sent=0, status=500),
    "request lost": Treatment(sent=0, answer="never"),
    "answer lost": Treatment(answer="never"),
    "answer cut in half": Treatment(answer="half"),
    "answer a byte at a time": Treatment(answer="drip"),
    "delivered twice": Treatment(sent=2),
    "delivered twice at once": Treatment(sent=2, at_once=True),
    "delivered when its sender has gone on": Treatment(before_s=1.0, gives_up=True, answer="reset"),
}


@dataclass(frozen=True)
class Call:
    """One request that came to a link."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Passed:
    """A request that a link was given, and what the peer answered, once for each time that it got it."""

    call: Call
    treatment: Treatment
    statuses: list[int] = field(default_factory=list)


Rule = Callable[[Call], Treatment]


class FaultyProxy:
    """One direction between two services. `target` is the peer's base URL, and may be set late."""

    def __init__(self, *, drip_s: float = 0.1) -> None:
        self.target = ""
        self.rule: Rule = lambda _: PASSES
        self.passed: list[Passed] = []
        self.url = ""
        self._drip_s = drip_s
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._late: set[asyncio.Task[Any]] = set()

    def run(self, is_up: threading.Event) -> None:
        """Serve until `close`."""
        self._loop.run_until_complete(self._serve(is_up))
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)

    async def _serve(self, is_up: threading.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as self._session:
            runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            is_up.set()
            await self._closing.wait()
            await asyncio.gather(*self._late, return_exceptions=True)
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(request.method, request.raw_path, dict(request.headers), await request.read())
        passed = Passed(call, self.rule(call))
        self.passed.append(passed)
        if passed.treatment.gives_up:
            task = self._loop.create_task(self._deliver(passed))
            self._late.add(task)
            return _reset(request)
        return await self._answer(request, passed.treatment, await self._deliver(passed))

    async def _deliver(self, passed: Passed) -> tuple[int, dict[str, str], bytes] | None:
        """Give the peer the request as often as it is to have it; its last answer, None where there is none."""
        treatment = passed.treatment
        await asyncio.sleep(treatment.before_s)
        if treatment.at_once:
            answers = await asyncio.gather(*(self._send(passed) for _ in range(treatment.sent)))
        else:
            answers = [await self._send(passed) for _ in range(treatment.sent)]
        return answers[-1] if answers else (treatment.status, {"Content-Type": "text/plain"}, b"from the proxy")

    async def _send(self, passed: Passed) -> tuple[int, dict[str, str], bytes] | None:
        call = passed.call
        headers = {name: value for name, value in call.headers.items() if name.lower() not in HOP_BY_HOP}
        url = self.target + call.path
        try:
            async with self._session.request(call.method, url, headers=headers, data=call.body or None) as answer:
                content = await answer.read()
        except aiohttp.ClientError:
            return None
        passed.statuses.append(answer.status)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return answer.status, kept, content

    async def _answer(
        self, request: web.BaseRequest, treatment: Treatment, answer: tuple[int, dict[str, str], bytes] | None
    ) -> web.StreamResponse:
        if treatment.answer == "never":
            await self._closing.wait()
        if answer is None or treatment.answer in ("reset", "never"):
            return _reset(request)
        status, headers, content = answer
        if treatment.answer == "whole":
            return web.Response(status=status, headers=headers, body=content)
        return await self._broken(request, treatment, status, headers, content)

    async def _broken(
        self, request: web.BaseRequest, treatment: Treatment, status: int, headers: dict[str, str], content: bytes
    ) -> web.StreamResponse:
        """The head of the answer, then half of its body and a reset, or a byte at a time."""
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(content))})
        try:
            await response.prepare(request)
            if treatment.answer == "half":
                await response.write(content[: len(content) // 2])
                return _reset(request)
            for byte in content:
                await response.write(bytes([byte]))
                await asyncio.sleep(self._drip_s)
        except ConnectionError:  # its sender has had enough
            return _reset(request)
        return response


def _reset(request: web.BaseRequest) -> web.Response:
    """Break the connection; the response goes nowhere."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        request.transport.abort()
    return web.Response()


@contextmanager
def faulty_proxy() -> Iterator[FaultyProxy]:
    """A link that is up, and ends whatever happens."""
    made, is_up = FaultyProxy(), threading.Event()
    thread = threading.Thread(target=made.run, args=[is_up])
    thread.start()
    try:
        is_up.wait(PATIENCE_S)
        yield made
    finally:
        made.close()
        thread.join()
