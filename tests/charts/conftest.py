"""The tests of the charts, with helm: `make test-charts` fetches it for them. Without it nothing is collected here."""

import shutil
from typing import Final

collect_ignore_glob: Final[list[str]] = [] if shutil.which("helm") else ["test_*.py"]
