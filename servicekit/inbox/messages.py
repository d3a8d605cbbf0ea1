"""A message as Kafka delivered it, whatever is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Message:
    """`headers` in the order in which they came; a name may be there twice."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None
