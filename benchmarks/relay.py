"""How fast the relay empties the outbox into Kafka, next to what the same producer does with ready-made messages.

    scripts/kafka run -- .venv/bin/python benchmarks/relay.py [EVENTS]

Both send the same events to the same broker (KAFKA_BOOTSTRAP_SERVERS), in turn, and the median of the rounds counts.
The relay reads them from the payment service's table, makes CloudEvents of them, waits for the broker and marks them;
the producer, set up just the same, is given messages that are made already and has each acknowledgement counted. The
database is what the DB_* variables say, else SQLite in a temporary folder.
"""

import os
import sys
import tempfile
import uuid
from importlib import import_module
from pathlib import Path
from typing import Final

import django

ROOT: Final = Path(__file__).resolve().parent.parent


def main() -> None:
    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        sys.exit("KAFKA_BOOTSTRAP_SERVERS is not set: scripts/kafka run -- .venv/bin/python benchmarks/relay.py")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DB_NAME", f"{folder}/relay.sqlite3")
        os.environ |= {"LOG_LEVEL": "ERROR", "KAFKA_TOPIC": f"relay-{uuid.uuid4().hex}"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "payment_service.settings"
        django.setup()
        import_module("benchmarks.relaying").compare(count)


if __name__ == "__main__":
    main()
