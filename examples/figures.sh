#!/usr/bin/env bash
# Measures what the README says: size of the static binary, time from start to
# ready, memory when idle. Usage: examples/figures.sh bin/privyseal
set -euo pipefail
binary=$(realpath "$1")
dir=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
"$binary" init . >/dev/null 2>&1
started=$(date +%s%N)
"$binary" serve --grpc 127.0.0.1:19001 --http 127.0.0.1:19080 --admin 127.0.0.1:19090 >decisions 2>log &
pid=$!
until curl -sf -o /dev/null http://127.0.0.1:19090/readyz; do
  kill -0 "$pid" || { cat log >&2; exit 1; }
done
ready=$(date +%s%N)
sleep 3
printf 'static binary   %5.1f MB\n' "$(awk "BEGIN{print $(stat -c %s "$binary")/1e6}")"
printf 'start to ready  %5d ms\n' "$(((ready - started) / 1000000))"
printf 'idle memory     %5.1f MB\n' "$(awk '/^VmRSS/{print $2/1e3}' "/proc/$pid/status")"
