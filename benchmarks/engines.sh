#!/usr/bin/env bash
# Orders a second next to the floor's on each engine, in one command: benchmarks/against_floor.py, whose options this takes.
#
#   benchmarks/engines.sh                      SQLite; PostgreSQL and MariaDB, each started for it from the machine's packages
#   ENGINES="postgres" WORKERS="1 2" benchmarks/engines.sh --rounds 3
#   DURABLE=no benchmarks/engines.sh           servers that do not sync to the disk, as SQLite does not either (docs/adr/0003)
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
durable=(--durable)
[[ ${DURABLE:-yes} != no ]] || durable=()

for engine in ${ENGINES:-sqlite postgres mysql}; do
    for workers in ${WORKERS:-1}; do
        command=("$python" -m benchmarks.against_floor --workers "$workers" "$@")
        [[ $engine == sqlite ]] || command=(scripts/databases run "${durable[@]}" "$engine" -- "${command[@]}")
        "${command[@]}"
    done
done
