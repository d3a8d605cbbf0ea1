#!/usr/bin/env python3
"""The console's command line: `python console/manage.py help`, from any folder."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line
from environs import EnvError


def main() -> None:
    # The repository's root in place of this folder, so that each module has one name wherever this is started.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    if sys.argv[1:2] == ["user"]:  # the first user is made before there is any
        os.environ["CONSOLE_AUTH"] = "off"
    try:
        execute_from_command_line(sys.argv)
    except EnvError as problem:
        if "--traceback" in sys.argv:
            raise
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
