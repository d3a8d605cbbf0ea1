"""Python loads this by itself before a service starts, because its folder is first on that process's PYTHONPATH.

It plants the bugs of `bugs.py` into the service's modules as they are imported, before anybody can have taken the right
function from there. Each bug sleeps until a file of its name is there (`bugs.is_awake`).
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import bugs


class Planter:
    """Finds the modules that bugs are for like everybody else does, and patches them once they have run."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        planted = [bug for bug in bugs.BUGS.values() if bug.module == name]
        spec = PathFinder.find_spec(name, path, target) if planted else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            for bug in planted:
                bug.plant(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Planter())
