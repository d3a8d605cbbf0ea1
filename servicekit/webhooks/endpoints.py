"""What can be done with an endpoint. Each change that ends or begins deliveries is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from servicekit import errors, exactjson
from servicekit.db.transactions import in_one_transaction
from servicekit.events import store
from servicekit.idempotency.invariants import uuids_in
from servicekit.observability import actor
from servicekit.webhooks import addresses, events, fan_out, patterns, signing
from servicekit.webhooks.models import MAX_REASON_LENGTH, Delivery, Endpoint, State

log = structlog.get_logger()

OVERLAP: Final = timedelta(hours=24)
# Each event is matched with all of them, and each is asked in its turn for what is due.
MOST: Final = 100
BY_HAND: Final = "it was disabled by hand"
DELETED: Final = "it was deleted"
WAS_DELETED: Final = "the endpoint was deleted"


class NotFound(errors.NotFound):
    code = "webhook_not_found"

    def __init__(self) -> None:
        super().__init__("Webhook not found")


class TooMany(errors.Conflict):
    code = "too_many_webhooks"

    def __init__(self) -> None:
        super().__init__(f"There are {MOST} webhooks already")


class NotEnabled(errors.Conflict):
    code = "webhook_disabled"

    def __init__(self) -> None:
        super().__init__("The webhook is disabled")


def all_of_them() -> QuerySet[Endpoint]:
    """Those that are not deleted."""
    return Endpoint.objects.filter(deleted_at=None)


def get(reference: str) -> Endpoint:
    """By its id. Raises NotFound."""
    try:
        return all_of_them().get(uid=UUID(reference))
    except (ValueError, Endpoint.DoesNotExist):
        raise NotFound from None


def create(
    uid: UUID,
    *,
    url: str,
    asked: Sequence[str],
    description: str = "",
    contact: str = "",
    is_ordered: bool = False,
    is_enabled: bool = True,
) -> Endpoint:
    """Make one; again with the same `uid` it is the same one. It has all events that are published from now on.

    Raises:
        Refused, BadPattern, TooMany: nothing was made.
    """
    addresses.parse(url, allowed=settings.WEBHOOKS.allowed)
    if all_of_them().count() >= MOST:
        raise TooMany
    made = Endpoint(
        uid=uid,
        url=url,
        events=patterns.checked(asked),
        description=description,
        contact=contact,
        is_ordered=is_ordered,
        is_enabled=is_enabled,
        secret=signing.new_secret(),
        created_by=actor.current(),
    )
    Endpoint.objects.bulk_create([made], ignore_conflicts=True)
    fan_out.settle()
    made = Endpoint.objects.get(uid=uid)
    log.info("webhook.created", webhook_id=str(uid), host=host_of(made), events=made.events)
    return made


def change(endpoint: Endpoint, wanted: Mapping[str, Any]) -> Endpoint:
    """Change what it asks for; `is_enabled` among it.

    Raises:
        Refused, BadPattern: nothing was changed.
    """
    wanted = dict(wanted)
    if "url" in wanted:
        addresses.parse(wanted["url"], allowed=settings.WEBHOOKS.allowed)
    if "events" in wanted:
        wanted["events"] = patterns.checked(wanted["events"])
        if wanted["events"] != endpoint.events:
            wanted["asks_from"] = None
    enabled = wanted.pop("is_enabled", None)
    if wanted:
        all_of_them().filter(pk=endpoint.pk).update(**wanted)
    if enabled is True:
        enable(endpoint)
    elif enabled is False:
        disable(endpoint.pk, BY_HAND)
    fan_out.settle()
    return get(str(endpoint.uid))


def enable(endpoint: Endpoint) -> bool:
    """Whether it was disabled. It has the events from now on; `deliveries.recover` sends what failed meanwhile."""
    enabled = all_of_them().filter(pk=endpoint.pk, is_enabled=False)
    fresh: dict[str, Any] = {"disabled_at": None, "disabled_reason": "", "failing_since": None, "mail_due_at": None}
    is_new = bool(enabled.update(is_enabled=True, asks_from=None, mail_tries=0, **fresh))
    fan_out.settle()
    if is_new:
        log.info("webhook.enabled", webhook_id=str(endpoint.uid))
    return is_new


@in_one_transaction
def disable(number: int, reason: str, *, tell_owner: bool = False, more: Mapping[str, Any] | None = None) -> bool:
    """End it, and what waits for it; whether it was enabled. Says so with an event, and with a mail if asked to."""
    reason = reason[:MAX_REASON_LENGTH]
    enabled = Endpoint.objects.filter(pk=number, is_enabled=True)
    written: dict[str, Any] = {"disabled_at": Now(), "disabled_reason": reason, "version": F("version") + 1}
    written |= {"mail_due_at": Now()} if tell_owner else {}
    if not enabled.update(is_enabled=False, **written, **(more or {})):
        return False
    end_waiting(number, reason)
    endpoint = Endpoint.objects.get(pk=number)
    data = events.Disabled(
        endpoint_id=str(endpoint.uid),
        host=host_of(endpoint),
        reason=reason,
        failing_since=exactjson.utc_text(endpoint.failing_since),
    )
    store.append(
        events.DISABLED,
        aggregate_type=events.AGGREGATE,
        aggregate_id=str(endpoint.uid),
        sequence=endpoint.version,
        data=data,
    )
    return True


def end_waiting(number: int, reason: str) -> int:
    """Nothing that waits for this endpoint is sent any more; `recover` finds it. Returns how much that is."""
    waiting = Delivery.objects.filter(endpoint=number, state=State.WAITING)
    why = WAS_DELETED if reason == DELETED else f"the endpoint is disabled: {reason}"[:MAX_REASON_LENGTH]
    return waiting.update(state=State.DEAD, reason=why, due_at=None, ended_at=Now())


@in_one_transaction
def delete(endpoint: Endpoint) -> None:
    """End it for good. What was delivered stays in the log for as long as that is kept.

    Nobody is told of it: whoever might want to know has done it.
    """
    nothing = {"secret": "", "previous_secret": "", "contact": "", "mail_due_at": None}
    ended = {"is_enabled": False, "disabled_at": Now(), "disabled_reason": DELETED, "deleted_at": Now()}
    if all_of_them().filter(pk=endpoint.pk).update(**ended, **nothing):
        end_waiting(endpoint.pk, DELETED)
        transaction.on_commit(partial(log.info, "webhook.deleted", webhook_id=str(endpoint.uid)))


@in_one_transaction
def rotate(endpoint: Endpoint, *, overlap: timedelta = OVERLAP, secret: str | None = None) -> Endpoint:
    """Give it a new secret. Until the overlap is over each message is signed with the one before, too."""
    now = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    now.previous_secret, now.secret = now.secret, secret or signing.new_secret()
    now.previous_secret_until = timezone.now() + overlap
    now.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
    transaction.on_commit(partial(log.info, "webhook.rotated", webhook_id=str(endpoint.uid)))
    return now


def keys_of(endpoint: Endpoint) -> list[str]:
    """The secrets that are good now, the newest first."""
    until = endpoint.previous_secret_until
    if endpoint.previous_secret and until is not None and until > timezone.now():
        return [endpoint.secret, endpoint.previous_secret]
    return [endpoint.secret]


def host_of(endpoint: Endpoint) -> str:
    """The host of its URL."""
    return urlsplit(endpoint.url).hostname or ""


def existing(ids: Collection[str]) -> Collection[str]:
    """Those of these ids that there are, deleted ones too. For the checker."""
    found = Endpoint.objects.filter(uid__in=uuids_in(ids))
    return {str(uid) for uid in found.values_list("uid", flat=True)}
