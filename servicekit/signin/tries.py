"""How often a password may be tried: so often for one name, so often from one address, whichever process is asked.

A try is counted before its password is looked at. So a thousand at once are no more than one after another, and whoever
may not try costs no hash. Only an UPDATE decides.
"""

import hashlib
import ipaddress
import math
import unicodedata
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from servicekit import errors
from servicekit.db import clock
from servicekit.signin.models import Tries

# OWASP's advice is a handful of tries, and a wait that makes more of them worth nothing.
WITHIN_S: Final = 900.0
PER_NAME: Final = 5
# Several people behind one address, or one who has forgotten which of his names it was.
PER_ADDRESS: Final = 20
# Whoever has an IPv6 network has all of its addresses.
_IPV6_NETWORK: Final = 64


class TooManyTries(errors.TooManyRequests):
    code = "too_many_tries"

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__("Too many tries to sign in", retry_after_s=retry_after_s)


@dataclass(frozen=True)
class Try:
    """One that was counted."""

    name_key: str
    address_key: str

    def succeeded(self) -> None:
        """It was no wrong one: forget those of this name, and this one of its address."""
        Tries.objects.filter(pk=self.name_key).delete()
        Tries.objects.filter(pk=self.address_key, count__gt=0).update(count=F("count") - 1)


def begin(*, name: str, address: str) -> Try:
    """Count a try. Raises TooManyTries: of this name or from this address there were enough."""
    begun = Try(_key("name", _folded(name)), _key("address", _network(address)))
    for key, limit in ((begun.address_key, PER_ADDRESS), (begun.name_key, PER_NAME)):
        if not _count(key, limit):
            raise TooManyTries(retry_after_s=_over_in_s(key))
    return begun


def _count(key: str, limit: int) -> bool:
    while True:
        current = Tries.objects.filter(pk=key, since__gt=clock.seconds_from_now(-WITHIN_S))
        if current.filter(count__lt=limit).update(count=F("count") + 1):
            return True
        if current.exists():
            return False
        Tries.objects.filter(since__lte=clock.seconds_from_now(-WITHIN_S)).delete()
        try:
            with transaction.atomic():
                Tries(key=key, count=1, since=Now()).save(force_insert=True)
        except IntegrityError:
            continue  # somebody else's try of this moment was the first
        return True


def _over_in_s(key: str) -> int:
    since = Tries.objects.filter(pk=key).values_list("since", flat=True).first()
    left_s = 0.0 if since is None else WITHIN_S - (timezone.now() - since).total_seconds()
    return math.ceil(min(max(left_s, 1.0), WITHIN_S))


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\n{value}".encode(errors="surrogatepass")).hexdigest()


def _folded(name: str) -> str:
    """Names that a database may take for the same one are the same one here."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
