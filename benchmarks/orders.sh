#!/bin/sh
# Orders a second of the services that `make run` started: each round 8 clients for SECONDS_EACH seconds. Needs wrk.
#
#   benchmarks/orders.sh
#   YARDSTICK="command" benchmarks/orders.sh    also runs the command after each round, takes the last word that it
#                                               prints as its orders/s, and prints the ratio. Both see the same machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=${ORDERS_URL:-http://127.0.0.1:8000/api/orders/}

command -v wrk >/dev/null || { echo "wrk is needed: apt-get install wrk, brew install wrk" >&2; exit 1; }
# Asks before it measures, so that services which are not there are an error and not a zero.
curl --fail --silent --output /dev/null "$url" || { echo "Nothing answers at $url. Start it with: make run" >&2; exit 1; }

round=1
while [ "$round" -le "${ROUNDS:-3}" ]; do
    said=$(wrk -t1 -c8 -d"${SECONDS_EACH:-8}"s --latency -s "$here/order.lua" "$url")
    rate=$(echo "$said" | awk '/^Requests\/sec/ {print $2}')
    half=$(echo "$said" | awk '/^ *50%/ {print $2}')
    most=$(echo "$said" | awk '/^ *99%/ {print $2}')
    errors=$(echo "$said" | awk '/Non-2xx/ {print $NF}')
    printf '%s orders/s   50 %% within %s, 99 %% within %s   %s errors' "$rate" "$half" "$most" "${errors:-0}"
    if [ -n "${YARDSTICK:-}" ]; then
        yardstick=$(sh -c "$YARDSTICK" | awk 'NF {last = $NF} END {print last}')
        awk -v rate="$rate" -v yardstick="$yardstick" \
            'BEGIN {printf "   yardstick %s/s   ratio %.3f", yardstick, rate / yardstick}'
    fi
    echo
    round=$((round + 1))
done
