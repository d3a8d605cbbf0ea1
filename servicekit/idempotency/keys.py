"""`Idempotency-Key`: the same key runs a request once, and answers every repeat with the first answer.

After the IETF draft "The Idempotency-Key HTTP Header Field" and Stripe's API; the error codes are Stripe's words.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from servicekit import cards, errors, exactjson
from servicekit.db import clock, fast_sql, purge
from servicekit.db.transactions import in_one_transaction
from servicekit.idempotency.meaning import canonical
from servicekit.idempotency.models import IdempotencyKey
from servicekit.observability import actor
from servicekit.web.error_responses import handle_exception
from servicekit.web.messages import Request, Response

MAX_KEY_LENGTH: Final = 255
# Of the column.
MAX_SCOPE_LENGTH: Final = 255
# Longer than any request may take; after it a crashed request's key can be used again.
LOCK_S: Final = 60
# Stripe forgets after 24 h. A week covers a client that was down over a weekend.
KEEP_S: Final = 7 * 24 * 3600
# One purge statement's size: a key is forgotten for each request that had one.
PURGE_BATCH: Final = 1000

_UNAVAILABLE: Final = 503

View = TypeVar("View", bound=Callable[..., Response])


class KeyReused(errors.Unprocessable):
    code = "idempotency_key_reused"


class KeyInUse(errors.Conflict):
    code = "idempotency_key_in_use"


class BadKey(errors.Invalid):
    code = "idempotency_key_invalid"


@dataclass(frozen=True)
class Claim:
    """The right to run a request.

    Attributes:
        id: For what the request creates, the same on every run of it.
        is_taken_over: An earlier run has ended without an answer. It may have done all of its work.
    """

    id: uuid.UUID
    is_taken_over: bool = False


def idempotent(handler: View) -> View:
    """Make a DRF handler honour `Idempotency-Key`. What the handler *returns* is stored and replayed.

    But for a 503 that it returns: that tells the client to come again, and so gives the key back. Whatever the handler
    did is over and done with; the same key begins anew, with another `creation_id`.

    What it *raises* is not stored: bad input (4xx) ran nothing and gives the key back; any other failure leaves the
    key bound to its body, and a repeat runs the handler again with the same `creation_id`. A refusal that `is_outcome`
    is stored like what is returned.
    """

    @wraps(handler)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = _key_of(request)
        body = request.data  # read here, so that malformed JSON is refused by handlers too that need no body
        if key is None:
            return handler(view, request, *args, **kwargs)
        claimed = _claim(_scope_of(request), key, _fingerprint(body))
        if isinstance(claimed, Response):
            return claimed
        request.key_id, request.is_taken_over = claimed.id, claimed.is_taken_over
        try:
            response = handler(view, request, *args, **kwargs)
        except (APIException, errors.Invalid) as refusal:
            if not getattr(refusal, "is_outcome", False):
                _unanswered(claimed).delete()
                raise
            response = handle_exception(refusal, {"request": request})
        except errors.ServiceError:
            _unanswered(claimed).update(locked_until=None)
            raise
        except BaseException:
            _unanswered(claimed).update(locked_until=Now())
            raise
        return _stored_answer(claimed, response)

    return wrapper  # type: ignore[return-value]


def _stored_answer(claimed: Claim, response: Response) -> Response:
    """What the client is told: the answer, or that of whoever was faster. A 503 gives the key back instead."""
    if response.status_code == _UNAVAILABLE:
        _unanswered(claimed).delete()
        return response
    return response if _store(claimed, response) else _answered_meanwhile(claimed) or response


def idempotent_at_once(prepare: Callable[[Request], Callable[[], Response] | None]) -> Callable[[View], View]:
    """Like `idempotent`, with a short way for the common case: the key, the work and the answer in one commit.

    Args:
        prepare: Takes a request apart and returns what handles it by writing to this database alone, or None when it
            needs the long way. That is run in a transaction, which is rolled back when it raises or the key turns out
            to be taken, and run again when the database undid it. After an IntegrityError the long way is taken, too.
    """

    def decorate(handler: View) -> View:
        the_long_way = idempotent(handler)

        @wraps(handler)
        def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = _key_of(request)
            request.key_id = uid = uuid.uuid4()
            try:
                write = prepare(request)
                response = None if write is None else _at_once(write, uid, request, key)
            except _UNREADABLE:
                raise  # DRF says so once; asked again for the same body it would answer with an empty one
            except _TAKEN_OR_REFUSED:
                response = None
            return the_long_way(view, request, *args, **kwargs) if response is None else response

        return wrapper  # type: ignore[return-value]

    return decorate


@in_one_transaction
def _at_once(write: Callable[[], Response], uid: uuid.UUID, request: Request, key: str | None) -> Response:
    response = write()
    if key is not None:
        row = _row(_scope_of(request), key, _fingerprint(request.data))
        row.id, row.status_code, row.body = uid, response.status_code, response.content.decode()
        fast_sql.insert(row)
    return response


_UNREADABLE: Final = (ParseError, UnsupportedMediaType)
# The long way says what is the matter: whose key it is, or what is wrong with the request.
_TAKEN_OR_REFUSED: Final = (IntegrityError, APIException, errors.ServiceError)


def creation_id(request: Request) -> uuid.UUID:
    """The id for what this request creates: fresh, or the one that an earlier run with the same key had."""
    return request.key_id or uuid.uuid4()


def has_key(request: Request) -> bool:
    """Whether the request came with a key, so that a repeat of it is known by that."""
    return request.META.get("HTTP_IDEMPOTENCY_KEY") is not None


def purge_once() -> int:
    """Forget keys that are older than `KEEP_S`; return how many."""
    return purge.delete_older(IdempotencyKey.objects.all(), "created_at", than_s=KEEP_S, batch=PURGE_BATCH)


def _key_of(request: Request) -> str | None:
    """The header's value, bare or quoted (the draft has a quoted string, most clients send it bare).

    Two headers come as one, with a comma between them: they are two keys, and no third one. So a bare key has no comma,
    and a quoted one no quotation mark.
    """
    given: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    is_quoted = len(given) >= 2 and given[0] == given[-1] == '"'
    key = given[1:-1] if is_quoted else given
    if ('"' if is_quoted else ",") in key:
        raise BadKey("Idempotency-Key must be one key, and in quotation marks when it has a comma")
    if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise BadKey(f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    return key


def _scope_of(request: Request) -> str:
    """The same below any prefix that the service is reached under. It is kept, so no card number may be in it.

    Another caller's key is another key. The caller stands last, since its name may have a slash and a blank.
    """
    asked = f"{request.method} {cards.masked_path(request.path_info.rstrip('/'))}"
    if settings.API_AUTH:
        caller = f" by {actor.current()}"
        return asked[: MAX_SCOPE_LENGTH - len(caller)] + caller
    return asked[:MAX_SCOPE_LENGTH]


def _fingerprint(body: object) -> str:
    """The same for the same meaning: in whatever order keys come, and however a number is written."""
    return hashlib.sha256(exactjson.encode_sorted(canonical(body))).hexdigest()


def _claim(scope: str, key: str, fingerprint: str) -> Claim | Response:
    """Take the key, by a unique insert, or answer for the request that has it."""
    row = _row(scope, key, fingerprint)
    row.locked_until = clock.seconds_from_now(LOCK_S)
    try:
        _insert(row)
        return Claim(row.id)
    except IntegrityError:
        return _claim_again(row.digest, fingerprint)


_insert: Final = in_one_transaction(fast_sql.insert)


def _row(scope: str, key: str, fingerprint: str) -> IdempotencyKey:
    digest = hashlib.sha256(f"{scope}\n{key}".encode()).hexdigest()
    return IdempotencyKey(digest=digest, scope=scope, key=key, fingerprint=fingerprint)


def _claim_again(digest: str, fingerprint: str) -> Claim | Response:
    row = IdempotencyKey.objects.filter(digest=digest).first()
    if row is None:  # the first request was refused in this very moment and gave the key back
        raise KeyInUse("A request with this Idempotency-Key is still running")
    if row.fingerprint != fingerprint:
        raise KeyReused("This Idempotency-Key was used with another request body")
    if (answer := _replay(row)) is not None:
        return answer
    free = Q(locked_until=None) | Q(locked_until__lte=Now())
    taken = IdempotencyKey.objects.filter(free, pk=row.pk, status_code=None).update(
        locked_until=clock.seconds_from_now(LOCK_S)
    )
    if not taken:
        raise KeyInUse("A request with this Idempotency-Key is still running")
    return Claim(row.pk, is_taken_over=row.locked_until is not None)


def _unanswered(claim: Claim) -> QuerySet[IdempotencyKey]:
    """The claimed key, unless a repeat has taken it over and was answered: whose lock ran out has it no more."""
    return IdempotencyKey.objects.filter(pk=claim.id, status_code=None)


def _replay(row: IdempotencyKey) -> Response | None:
    if row.status_code is None or row.body is None:
        return None
    return Response(msgspec.Raw(row.body.encode()), status=row.status_code, headers={"Idempotent-Replayed": "true"})


def _answered_meanwhile(claim: Claim) -> Response | None:
    row = IdempotencyKey.objects.filter(pk=claim.id).first()
    return _replay(row) if row else None


def _store(claim: Claim, response: Response) -> bool:
    """Keep the answer; False where the key has one already."""
    stored = fast_sql.compare_and_set(
        IdempotencyKey,
        where={"id": claim.id},
        among={},
        written={
            "status_code": response.status_code,
            "body": response.content.decode(),
            "locked_until": None,
        },
        absent=("status_code",),
    )
    return bool(stored)
