"""Wait until somebody else has made the database ready: `python -m servicekit.storage.waiting order_service`.

For what starts beside a migration and must not begin before it, as a pod's init container. Ready is a database that
answers, in which every migration of this version has run, and that has a key where keys are asked for. Migrations of a
later version are in nobody's way.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Final

import django
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.executor import MigrationExecutor

# Once every so many seconds; and how many of these go by before it is said again what is missing.
_LOOK_EVERY_S: Final = 2.0
_SAY_EVERY: Final = 15


def missing(alias: str = DEFAULT_DB_ALIAS) -> str:
    """What the database lacks, in words; empty when it is ready."""
    try:
        executor = MigrationExecutor(connections[alias])
        if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return f"{len(plan)} migrations, the first is {plan[0][0]}"
        found = checks.run_checks(tags=[checks.Tags.database], include_deployment_checks=True, databases=[alias])
    except Error as problem:
        return f"an answer: {problem}"
    finally:
        connections.close_all()
    return " ".join(each.msg for each in found if each.level >= checks.ERROR)


def wait(
    look: Callable[[], str],
    *,
    within_s: float,
    say: Callable[[str], object] = print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Look until nothing is missing; False when the time is over before."""
    deadline, looks = clock() + within_s, 0
    while found := look():
        if looks % _SAY_EVERY == 0:
            say(f"The database still lacks {found}")
        if clock() >= deadline:
            say(f"Gave up after {within_s:g} s")
            return False
        looks += 1
        sleep(_LOOK_EVERY_S)
    say("The database is ready")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m servicekit.storage.waiting", description="Wait for migrations.")
    parser.add_argument("service", help="the name of its folder")
    parser.add_argument("--for", dest="within_s", type=float, default=600.0, metavar="SECONDS", help="%(default)g")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{arguments.service}.settings")
    django.setup()
    return 0 if wait(missing, within_s=arguments.within_s) else 1


if __name__ == "__main__":
    sys.exit(main())
