"""How long a retry waits."""

import pytest

from servicekit.retry import Backoff, RetryPolicy

POLICY = RetryPolicy(attempts=5, first_wait_s=0.1, max_wait_s=0.5, deadline_s=10)


@pytest.mark.parametrize(("attempt_no", "ceiling_s"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.5), (40, 0.5)])
def test_the_ceiling_doubles_up_to_its_bound(attempt_no: int, ceiling_s: float) -> None:
    """Jitter takes any part of the ceiling, none and all of it included."""
    assert POLICY.wait_after(attempt_no, jitter=lambda: 1.0) == pytest.approx(ceiling_s)
    assert POLICY.wait_after(attempt_no, jitter=lambda: 0.5) == pytest.approx(ceiling_s / 2)
    assert POLICY.wait_after(attempt_no, jitter=lambda: 0.0) == 0.0


def test_it_never_waits_less_than_the_peer_asked_for() -> None:
    """Retry-After beats the policy's own, shorter wait."""
    assert POLICY.wait_after(1, retry_after_s=3.0, jitter=lambda: 1.0) == 3.0
    assert POLICY.wait_after(4, retry_after_s=0.1, jitter=lambda: 1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("failures", "wait_s"), [(0, 1.0), (1, 2.0), (4, 16.0), (5, 30.0), (10_000, 30.0)])
def test_a_backoff_doubles_from_the_first_wait_to_the_longest(failures: int, wait_s: float) -> None:
    """Without jitter, and as quick after ten thousand failures as after one."""
    assert Backoff(first_s=1.0, longest_s=30.0).wait_s(failures) == wait_s


@pytest.mark.parametrize(("failures", "waited_s"), [(-1, 0.0), (0, 0.0), (1, 1.0), (6, 61.0), (20, 481.0), (22, 541.0)])
def test_a_backoff_knows_what_all_its_waits_come_to(failures: int, waited_s: float) -> None:
    """Those after so many failures in a row, the longest ones included."""
    assert Backoff(first_s=1.0, longest_s=30.0).waited_s(failures) == waited_s
