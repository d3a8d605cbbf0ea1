"""What a form sent, taken as it stands or refused: nothing is guessed, cut off or put right."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.http import QueryDict

MAX_QUANTITY: Final = 1000
# Of the services: the largest number of a row, and what one order may have of lines.
MAX_ID: Final = 2**63 - 1
MAX_LINES: Final = 100
_QUANTITY: Final = "q-"
# What the page itself puts into its forms; a service takes no more than 255 of a key.
_KEY: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII)
_PRODUCT: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
# Longer than any number that is taken, so that none of any length is made a number of.
_UNITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_SHOWN: Final = 40


class OddForm(Exception):
    """A hidden field is not what the page has put there: no person can put it right in the form."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field, in a sentence."""

    field: str
    says: str


class Refused(Exception):
    """A form with fields that a person has to put right. Nothing was asked of any service."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(each.says for each in problems))
        self.problems: Sequence[Problem] = problems


def key_of(given: QueryDict) -> str:
    """The form's own key, under which it does once what it does.

    Raises:
        OddForm: it is not one that the page has made.
    """
    keys = given.getlist("key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise OddForm("The form's own key is missing, or is none")
    return keys[0]


def text(given: QueryDict, name: str, called: str, *, required: bool = True) -> str:
    """One field as it was filled in, without spaces around it.

    Raises:
        Refused: it was sent more than once; or it is missing, and it is required.
    """
    texts = [each.strip() for each in given.getlist(name)]
    if len(texts) > 1:
        raise Refused(Problem(name, f"{called} was sent {len(texts)} times: which is meant?"))
    if required and not any(texts):
        raise Refused(Problem(name, f"{called} is missing."))
    return texts[0] if texts else ""


def choice(given: QueryDict, name: str, called: str, among: Sequence[str], *, required: bool = True) -> str:
    """One of several; empty only where it is not required.

    Raises:
        Refused: it is missing, or none of them.
    """
    chosen = text(given, name, called, required=required)
    if chosen and chosen not in among:
        raise Refused(Problem(name, f"{called} cannot be “{shortened(chosen)}”."))
    return chosen


@dataclass(frozen=True)
class Basket:
    """Units by product, as far as they can be taken, and what was filled in, by field."""

    units: Mapping[int, int] = field(default_factory=dict)
    filled: Mapping[int, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    @property
    def wrong(self) -> frozenset[str]:
        """Fields that have to be put right."""
        return frozenset(each.field for each in self.problems)


def basket(given: QueryDict) -> Basket:
    """The basket of `q-7=2`; blank and 0 are none of it."""
    units, filled, problems = {}, {}, []
    for name, texts in given.lists():
        if not name.startswith(_QUANTITY):
            continue
        number = name.removeprefix(_QUANTITY)
        if not _PRODUCT.fullmatch(number) or int(number) > MAX_ID:
            problems.append(Problem(name, f"There can be no product “{shortened(number)}” ({shortened(name)})."))
            continue
        filled[int(number)] = text_of = texts[0].strip()
        if len(texts) > 1:
            problems.append(Problem(name, f"Product {number}: its units were sent {len(texts)} times ({name})."))
        elif text_of and not (_UNITS.fullmatch(text_of) and int(text_of) <= MAX_QUANTITY):
            problems.append(Problem(name, _no_units(number, text_of)))
        elif text_of and int(text_of):
            units[int(number)] = int(text_of)
    if len(units) > MAX_LINES:
        problems.append(Problem("items", f"One order has at most {MAX_LINES} products; these are {len(units)}."))
    return Basket(units, filled, problems)


def _no_units(number: str, filled: str) -> str:
    return (
        f"Product {number}: “{shortened(filled)}” is no number of units; "
        f"it can be a whole number from 0 to {MAX_QUANTITY:,} (q-{number})."
    )


def shortened(said: str) -> str:
    """What somebody sent, no longer than a sentence can bear."""
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
