"""The invariants, as the checkers themselves name them: each service's own command, and the check across them."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit import rules
from tests import stack as stacks
from tests.stack import Stack

ACROSS: Final = "across"


@dataclass(frozen=True)
class Checked:
    """One invariant. `where` is the service that checks it in its own books, or "across"."""

    number: str
    name: str
    promise: str
    where: str


def all_checked() -> list[Checked]:
    """Every invariant that a checker knows, asked of the checkers, in the order of their numbers."""
    found = [
        Checked(each.number, each.name, each.promise, ACROSS)
        for each in (*rules.OF_MONEY, *rules.OF_STOCK, rules.HAS_ITS_ORDER)
    ]
    with tempfile.TemporaryDirectory() as folder:
        stacks.migrate(Path(folder))
        for name, service in Stack(Path(folder)).services.items():
            said = service.manage("check_invariants", "--json").stdout
            lines = [json.loads(line) for line in said.splitlines()]
            found += [
                Checked(line["number"], line["name"], line["promise"], name)
                for line in lines
                if line["kind"] == "invariant"
            ]
    return sorted(dict.fromkeys(found), key=lambda each: (int(each.number[1:]), each.where, each.name))
