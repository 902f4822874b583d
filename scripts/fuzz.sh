#!/usr/bin/env bash
# Feeds the decoder with mutated binlogs until it is stopped (Ctrl-C). What fails is saved in target/fuzz, made smaller.
#   fuzz.sh                      all targets in turn
#   fuzz.sh TARGET…              only these: event table-map rows payload both-payload-readers
#                                statement json geometry value gtid charset ddl
#   fuzz.sh TARGET FILE          one saved input again
# BINLOGD_FUZZ_SECONDS=N stops after so long, BINLOGD_FUZZ_SEED=N repeats a run, BINLOGD_FUZZ_WORKERS=N threads (1).
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
cd "$repo"

if [ $# -eq 2 ] && [ -f "$2" ]; then
  export BINLOGD_FUZZ_INPUT=$2
  set -- "$1"
fi
if [ $# -gt 0 ]; then
  BINLOGD_FUZZ_TARGETS=$(IFS=,; printf '%s' "$*")
  export BINLOGD_FUZZ_TARGETS
fi
"$scripts/fixtures.sh"
exec cargo test --locked --quiet --profile checked --test mutation -- --ignored --exact fuzz --nocapture
