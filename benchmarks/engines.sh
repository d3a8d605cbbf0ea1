#!/usr/bin/env bash
# Orders a second on each engine: the services as the Procfile starts them, with their workers, on databases of their own
# and free ports; then benchmarks/orders.sh, whose variables (YARDSTICK, ROUNDS, SECONDS_EACH) work here, too.
#
#   benchmarks/engines.sh                      SQLite; PostgreSQL and MariaDB with one and with two processes a service
#   ENGINES="postgres" WORKERS="1 2 4" benchmarks/engines.sh
#   DURABLE=no benchmarks/engines.sh           servers that do not sync to the disk, as SQLite does not either (docs/adr/0003)
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
durable=(--durable)
[[ ${DURABLE:-yes} != no ]] || durable=()

for engine in ${ENGINES:-sqlite postgres mysql}; do
    if [[ $engine == sqlite ]]; then
        "$python" -m benchmarks.on_engine 1
        continue
    fi
    for workers in ${WORKERS:-1 2}; do
        scripts/databases run "${durable[@]}" "$engine" -- "$python" -m benchmarks.on_engine "$workers"
    done
done
