"""A service's management commands in a process that stays: each call without the second that starting Django takes.

`python -m tests.faults.command_server <service>` reads calls from its standard input, one JSON object a line
(`arguments`, `given` on standard input), and answers each with one line: `status`, `out`, `err`.
"""

import importlib
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{sys.argv[1]}.settings"
    importlib.import_module("django").setup()
    for line in sys.stdin:
        print(json.dumps(_answer(**json.loads(line))), flush=True)


def _answer(*, arguments: list[str], given: str) -> dict[str, Any]:
    management = importlib.import_module("django.core.management")
    out, err, status = io.StringIO(), io.StringIO(), 0
    ours, sys.stdin = sys.stdin, io.StringIO(given)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            management.call_command(*arguments)
    except management.CommandError as problem:
        err.write(str(problem))
        status = problem.returncode
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdin = ours
    return {"status": int(status), "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    main()
