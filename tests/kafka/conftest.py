"""The tests against a real broker, which they kill, freeze and start again: `make test-kafka` starts one for them.

Without that there is nothing to collect here; the plain `make test` has librdkafka's mock cluster.
"""

import os
from typing import Final

collect_ignore_glob: Final[list[str]] = [] if "KAFKA_FOLDER" in os.environ else ["test_*.py"]
