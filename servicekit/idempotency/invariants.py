"""Checking the idempotency keys: one answer each, and whatever that answer promised is there."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from servicekit import exactjson
from servicekit.idempotency.models import IdempotencyKey
from servicekit.invariants.checker import Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches

ONE_ANSWER: Final = Invariant(
    "I9",
    "a_key_has_one_answer",
    "A key is kept once for its method and path, with a status and a body, or with neither while it runs.",
    "A repeat with this key may be answered differently from the first request, or run it again: look at what the "
    "request made before the key is used again.",
)
ANSWERED_IS_KEPT: Final = Invariant(
    "I8",
    "what_was_answered_is_kept",
    "Whatever a stored answer told its client of is in the database.",
    "A client was told of something that is gone: an acknowledged write was lost. Compare with the last backup and the "
    "peer services' books, and tell the client.",
)


class Named(NamedTuple):
    """Something that an answer names: the kind of thing, and its id as text."""

    kind: str
    id: str


# What an answer names. Takes the scope (method and path) and the body.
Names = Callable[[str, Mapping[str, Any]], Iterable[Named]]
# Gives those of the ids that there are.
Existing = Callable[[Collection[str]], Collection[str]]


def key_pass(names: Names, existing: Mapping[str, Existing]) -> Pass:
    """All keys.

    Args:
        existing: For each kind of thing, which of some ids there are.
    """
    check_batch = partial(_check_batch, names=names, existing=existing)
    return Pass(
        "keys", (ONE_ANSWER, ANSWERED_IS_KEPT), lambda: check_in_batches(IdempotencyKey.objects.all(), check_batch)
    )


def _check_batch(
    keys: Sequence[IdempotencyKey], *, names: Names, existing: Mapping[str, Existing]
) -> Iterator[Finding]:
    named: list[tuple[IdempotencyKey, Named]] = []
    for key in keys:
        body = exactjson.object_in(key.body)
        problem = _problem(key, body)
        if problem:
            yield Finding(ONE_ANSWER, f"key {key.pk}", f"{key.scope}: {problem}")
        if body is not None:
            named += [(key, each) for each in names(key.scope, body)]
    ids: dict[str, set[str]] = defaultdict(set)
    for _, each in named:
        ids[each.kind].add(each.id)
    known = {kind: set(existing[kind](some)) for kind, some in ids.items()}
    for key, each in named:
        if each.id not in known[each.kind]:
            message = f"{key.scope} was answered {key.status_code} with {each.kind} {each.id}, which is not there"
            yield Finding(ANSWERED_IS_KEPT, f"key {key.pk}", message)


def _problem(key: IdempotencyKey, body: Mapping[str, Any] | None) -> str:
    if key.digest != hashlib.sha256(f"{key.scope}\n{key.key}".encode()).hexdigest():
        return "its digest is not that of its scope and key, so the same key could be taken twice"
    if (key.status_code is None) != (key.body is None):
        return "it has half an answer"
    if key.status_code is not None and not 200 <= key.status_code < 600:
        return f"its answer has the status {key.status_code}"
    if key.body is not None and body is None:
        return "the body of its answer is no JSON object"
    return ""


def uuids_in(texts: Iterable[str]) -> list[UUID]:
    """Those of the texts that are UUIDs."""
    return [uid for text in texts if (uid := _uuid_in(text)) is not None]


def _uuid_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
