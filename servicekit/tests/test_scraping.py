"""One collection of the metrics at a time, and not more of them than the service can spare."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from servicekit.web.metrics_endpoint import GOOD_FOR_OTHERS_S, SAVED_AT_MOST_S, SHARE, Text

PATIENCE_S = 300.0


class Bench:
    """Time that goes by when it is told to, and collections that are numbered and cost what they are told to."""

    def __init__(self, *, cost_s: float = 0.0) -> None:
        self.now = 0.0
        self.spent = 0.0
        self.cost_s = cost_s
        self.made = 0
        self.text = Text(self._collect, clock=lambda: self.now, cost=lambda: self.spent)

    def _collect(self) -> bytes:
        self.spent += self.cost_s
        self.now += self.cost_s
        self.made += 1
        return b"%d" % self.made


def test_whoever_comes_alone_gets_what_is_true_now() -> None:
    """Scrapes one after another, however close together, are collections of their own."""
    bench = Bench(cost_s=0.01)
    bench.now = 1.0
    told = []
    for _ in range(5):
        bench.now += 0.001
        told.append(bench.text())
    assert told == [b"1", b"2", b"3", b"4", b"5"]


def test_collecting_takes_no_more_than_its_share_of_the_time() -> None:
    """Asked without a pause for a hundred seconds: what was saved up, and then a tenth."""
    bench = Bench(cost_s=0.25)
    while bench.now < 100:
        bench.text()
        bench.now += 0.01
    assert bench.spent <= SAVED_AT_MOST_S + 100 * SHARE + bench.cost_s
    assert bench.spent >= 100 * SHARE


def test_whoever_cannot_be_afforded_gets_the_last_text() -> None:
    """And a new one as soon as there is time for it again."""
    bench = Bench(cost_s=SAVED_AT_MOST_S + 1)
    assert [bench.text(), bench.text()] == [b"1", b"1"]
    bench.now += 1 / SHARE + 1
    assert bench.text() == b"2"


def at_once(ask: Callable[[], bytes], count: int) -> list[bytes]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: ask(), range(count)))


def test_at_the_very_first_all_wait_for_one_collection() -> None:
    """Fifty at the same time: it is made once, and all are told the same."""
    made, all_here = [], threading.Barrier(50)

    def collect() -> bytes:
        made.append(threading.current_thread())
        threading.Event().wait(0.05)
        return b"the text"

    text = Text(collect)

    def ask() -> bytes:
        all_here.wait(PATIENCE_S)
        return text()

    assert at_once(ask, 50) == [b"the text"] * 50
    assert len(made) == 1


def test_whoever_comes_meanwhile_is_told_what_was_found_last() -> None:
    """At once: nobody waits for a collection that takes its time."""
    bench, inside, may_go_on = Bench(), threading.Event(), threading.Event()
    assert bench.text() == b"1"
    bench.now += GOOD_FOR_OTHERS_S

    def slowly() -> bytes:
        inside.set()
        assert may_go_on.wait(PATIENCE_S)
        return b"new"

    bench.text._collect = slowly
    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(bench.text)
        assert inside.wait(PATIENCE_S)
        assert at_once(bench.text, 5) == [b"1"] * 5
        may_go_on.set()
        assert collecting.result() == b"new"


def test_a_collection_that_fails_is_made_again_by_the_next() -> None:
    """Whoever made it is told, and nobody waits for ever."""
    outcomes = iter([RuntimeError("broken"), None])

    def collect() -> bytes:
        problem = next(outcomes)
        if problem is not None:
            raise problem
        return b"mended"

    text = Text(collect)
    with pytest.raises(RuntimeError):
        text()
    assert text() == b"mended"
