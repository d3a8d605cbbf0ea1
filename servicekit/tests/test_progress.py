"""How far a long command has come is seen on a terminal, and nowhere else."""

import io
import sys
from collections.abc import Iterator

import pytest

from servicekit import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def three() -> Iterator[int]:
    yield from (1, 2, 3)


def test_on_a_terminal_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done, and how many there were so far; all items come through."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress.each(three(), "Comparing", "rows")) == [1, 2, 3]
    assert "Comparing" in terminal.getvalue()
    assert "3 rows" in terminal.getvalue()


def test_elsewhere_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A log or a pipe gets no line of it."""
    assert list(progress.each(three(), "Comparing", "rows")) == [1, 2, 3]
    with progress.counted("Checking", "orders") as tell:
        tell(400)
    assert capsys.readouterr() == ("", "")
