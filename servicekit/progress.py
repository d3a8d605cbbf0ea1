"""What a person in front of a terminal sees of a long command: how far it has come. Elsewhere: nothing."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Item = TypeVar("Item")


@contextmanager
def counted(doing: str, rows: str) -> Iterator[Callable[[int], None]]:
    """A line on standard error while it lasts, which is gone afterwards; nothing where that is no terminal.

    Args:
        doing: "Checking", "Comparing".
        rows: What is counted, in the plural.

    Yields: what is to be told how many more there are.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} {task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    is_shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not is_shown) as shown:
        task = shown.add_task(doing, total=None, rows=rows)
        yield lambda more: shown.advance(task, more)


def each(items: Iterable[Item], doing: str, rows: str) -> Iterator[Item]:
    """The items, counted as they come by; where nobody looks they cost nothing."""
    if not sys.stderr.isatty():
        yield from items
        return
    with counted(doing, rows) as tell:
        for item in items:
            yield item
            tell(1)
