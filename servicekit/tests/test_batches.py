"""Work that requests leave behind them: bounded, in batches, and done before the process ends."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from structlog.testing import capture_logs

from servicekit.load.limiter import ConcurrencyLimiter
from servicekit.observability import actor
from servicekit.runtime import batches, processes
from servicekit.runtime.batches import Batches
from servicekit.web.admission import AdmissionMiddleware

# Only a broken test waits so long.
PATIENCE_S = 300


@pytest.fixture(autouse=True)
def limiter(monkeypatch: pytest.MonkeyPatch) -> ConcurrencyLimiter:
    """That of a server with one slot."""
    limiter = ConcurrencyLimiter(slots=1, in_flight=8)
    monkeypatch.setattr(AdmissionMiddleware, "limiter", limiter)
    monkeypatch.setattr(processes, "_before_end", [])
    return limiter


class Work:
    """Keeps what it is given; the first batch waits until it may go on."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self.actors: set[str] = set()

    def __call__(self, pieces: Sequence[int]) -> None:
        self.actors.add(actor.current())
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        self.done.append(list(pieces))


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.may_go_on.set()


def test_what_comes_while_a_batch_is_at_work_is_the_next_batch(work: Work) -> None:
    """In the order in which it came, and not more at once than a batch has room for."""
    made: Batches[int] = Batches("test", work, most=3, room=10, gather_s=0)
    assert made.offer(0)
    assert work.has_begun.wait(PATIENCE_S)
    assert [made.offer(n) for n in range(1, 6)] == [True] * 5
    work.may_go_on.set()
    made.end()
    assert work.done == [[0], [1, 2, 3], [4, 5]]
    assert work.actors == {actor.WORKER}


def test_what_has_no_room_is_refused(work: Work) -> None:
    """Whoever has it does it; what waits is bounded."""
    made: Batches[int] = Batches("test", work, most=3, room=2, gather_s=0)
    made.offer(0)
    assert work.has_begun.wait(PATIENCE_S)
    assert [made.offer(n) for n in range(1, 5)] == [True, True, False, False]
    work.may_go_on.set()
    made.end()
    assert work.done == [[0], [1, 2]]


def test_the_end_of_the_process_waits_for_what_was_taken_and_takes_no_more(work: Work) -> None:
    """However long a batch would have gathered."""
    work.may_go_on.set()
    made: Batches[int] = Batches("test", work, most=100, room=100, gather_s=10 * PATIENCE_S)
    made.offer(0)
    assert work.has_begun.wait(PATIENCE_S)
    assert made.offer(1)
    processes.end()
    assert work.done == [[0], [1]]
    assert not made.offer(2)
    assert work.done == [[0], [1]]


def test_a_full_batch_does_not_wait_for_more(work: Work) -> None:
    """Under load a batch is as large as it may be."""
    work.may_go_on.set()
    made: Batches[int] = Batches("test", work, most=3, room=100, gather_s=10 * PATIENCE_S)
    made.offer(0)
    assert work.has_begun.wait(PATIENCE_S)
    work.has_begun.clear()
    assert [made.offer(n) for n in (1, 2, 3)] == [True] * 3
    assert work.has_begun.wait(PATIENCE_S)
    made.end()
    assert work.done == [[0], [1, 2, 3]]


def test_a_batch_that_fails_is_logged_and_the_next_one_is_done(
    limiter: ConcurrencyLimiter,
) -> None:
    """And the slot that it had is free again."""
    done: list[int] = []

    def fails_once(pieces: Sequence[int]) -> None:
        done.extend(pieces)
        if pieces[0] == 0:
            raise ValueError("scripted")

    made: Batches[int] = Batches("test", fails_once, most=1, room=10, gather_s=0)
    with capture_logs() as lines:
        assert [made.offer(n) for n in (0, 1)] == [True, True]
        made.end()
    assert done == [0, 1]
    assert [(line["event"], line["batch"], line["pieces"]) for line in lines] == [("batch.failed", "test", 1)]
    assert limiter.acquire(wait_s=0) is False


def test_it_works_only_in_a_slot_and_before_requests_that_have_not_begun(
    work: Work, limiter: ConcurrencyLimiter
) -> None:
    """Work that was begun is finished before more is begun, and never are more at it than there are slots."""
    limiter.acquire(wait_s=0)
    made: Batches[int] = Batches("test", work, most=3, room=10, gather_s=0)
    made.offer(0)
    assert not work.has_begun.wait(0.05)
    order: list[str] = []

    def newcomer() -> None:
        limiter.acquire(wait_s=PATIENCE_S)
        order.append("request")
        limiter.release()

    request = threading.Thread(target=newcomer)
    request.start()
    limiter.release()
    assert work.has_begun.wait(PATIENCE_S)
    assert order == []
    work.may_go_on.set()
    made.end()
    request.join(PATIENCE_S)
    assert (order, work.done) == (["request"], [[0]])


def test_without_a_server_there_is_nobody_to_do_it(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so where it is read, and does not do it without a slot."""
    monkeypatch.setattr(AdmissionMiddleware, "limiter", None)
    made: Batches[int] = Batches("test", work, most=3, room=10, gather_s=0)
    with capture_logs() as lines:
        made.offer(0)
        made.end()
    assert work.done == []
    assert [line["event"] for line in lines] == ["batch.failed"]


def test_the_longest_end_is_bounded() -> None:
    """A server is killed when it takes longer to end than its users may wait."""
    assert batches._LONGEST_END_S < 25
