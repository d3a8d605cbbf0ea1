"""The tests against a real API server: `make test-cluster` starts one. Without it nothing is collected here."""

import os
from typing import Final

collect_ignore_glob: Final[list[str]] = [] if "CLUSTER_LOGS" in os.environ else ["test_*.py"]
