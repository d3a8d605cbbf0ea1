#!/usr/bin/env bash
# Rows/s of import_payments, next to what sqlite3's own .import makes of the same rows in the same table.
#
#   benchmarks/import.sh [ROWS]        1,000,000 when not given; needs sqlite3 and the .venv of `make run`
#
# The floor: the ledger's table with its constraints and indexes, write-ahead log and synchronous as the service has
# them, and a file with a value for every column, since .import fills in no defaults. It checks nothing else, knows no
# duplicates and writes no events. Two indexes are left out of it: no imported payment is in them, but .import knows no
# NULL.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
python=${PYTHON:-.venv/bin/python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export DB_NAME=$folder/ledger.sqlite3
table=payments_payment
floor=$folder/floor.sqlite3

"$python" - "$rows" > "$folder/payments.csv" <<'PYTHON'
import random
import sys
from datetime import datetime, timedelta

print("payment_id,order_id,amount,method,status,reference,created_at,refunded")
draw, moment = random.Random(1), datetime(2024, 1, 1)
for number in range(1, int(sys.argv[1]) + 1):
    moment += timedelta(seconds=draw.randrange(1, 60))
    failed = draw.random() < 0.05
    refunded = not failed and draw.random() < 0.03
    reference = f"ECI{moment:%Y%m%d}-{number * 2654435761 % 2**32:08X}"  # each once, in no order
    amount, method = draw.randrange(100, 1_000_000), draw.choice(["UPI", "CARD", "COD"])
    status = "FAILED" if failed else "SUCCESS"
    money = f"{amount // 100}.{amount % 100:02}"
    print(number, 700000 + number, money, method, status, reference, moment, int(refunded), sep=",")
PYTHON

now() { date +%s.%N; }
measured() { # seconds and peak memory in MB of a command, into $took and $peak
    local began ended
    began=$(now)
    "$python" - "$folder/peak" "$@" <<'PYTHON'
import resource
import subprocess
import sys

status = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL)
with open(sys.argv[1], "w") as peak:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=peak)
sys.exit(status)
PYTHON
    ended=$(now)
    took=$(awk -v a="$began" -v b="$ended" 'BEGIN{printf "%.2f", b - a}')
    peak=$(<"$folder/peak")
}

"$python" payment_service/manage.py migrate --verbosity=0
measured "$python" payment_service/manage.py import_payments "$folder/payments.csv"
ours=$took ours_peak=$peak

columns=$(sqlite3 "$DB_NAME" "SELECT group_concat(CASE name
    WHEN 'transaction_id' THEN '''txn_'' || number'
    WHEN 'provider_response' THEN '''{}'''
    WHEN 'capture_asked' THEN 'amount'
    ELSE name END) FROM (SELECT name FROM pragma_table_info('$table') ORDER BY cid)")
sqlite3 "$DB_NAME" ".mode csv" ".once $folder/floor.csv" "SELECT $columns FROM $table ORDER BY number"
sqlite3 "$DB_NAME" ".schema $table" | sqlite3 "$floor"
sqlite3 "$floor" "PRAGMA journal_mode=WAL; DROP INDEX payment_due; DROP INDEX payment_notice_due" > /dev/null
measured sqlite3 "$floor" "PRAGMA synchronous=NORMAL" ".import --csv $folder/floor.csv $table"
floor_took=$took floor_peak=$peak

for database in "$DB_NAME" "$floor"; do
    found=$(sqlite3 "$database" "SELECT count(*) FROM $table")
    [[ $found == "$rows" ]] || { echo "$database has $found rows instead of $rows" >&2; exit 1; }
done
awk -v rows="$rows" -v ours="$ours" -v floor="$floor_took" -v a="$ours_peak" -v b="$floor_peak" 'BEGIN {
    printf "import_payments  %8.0f rows/s  %7.2f s  peak %4d MB\n", rows / ours, ours, a
    printf "sqlite3 .import  %8.0f rows/s  %7.2f s  peak %4d MB\n", rows / floor, floor, b
    printf "ratio            %8.2f\n", floor / ours
}'
