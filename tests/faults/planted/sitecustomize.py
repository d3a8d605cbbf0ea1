"""Python loads this by itself before a service starts, because its folder is first on that process's PYTHONPATH.

It plants the bugs of `bugs.py` into the service's modules as they are imported, before anybody can have taken the right
function from there. Each bug sleeps until a file of its name is there (`bugs.is_awake`). Constants that a test has no
time for are made shorter by the same way.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.planted import bugs
else:
    import bugs

# Module and constant -> the variable that sets it.
SHORTER = {
    ("servicekit.idempotency.keys", "LOCK_S"): "PLANTED_KEY_LOCK_S",
    ("servicekit.events.lease", "LEASE_S"): "PLANTED_RELAY_LEASE_S",
}


class Planter:
    """Finds the modules that bugs are for like everybody else does, and patches them once they have run."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        planted = [bug for bug in bugs.BUGS.values() if bug.module == name]
        shorter = {
            constant: os.environ[variable]
            for (module, constant), variable in SHORTER.items()
            if module == name and variable in os.environ
        }
        spec = PathFinder.find_spec(name, path, target) if planted or shorter else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            vars(module).update({constant: float(value) for constant, value in shorter.items()})
            for bug in planted:
                bug.plant(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Planter())
