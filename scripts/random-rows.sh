#!/usr/bin/env bash
# Millions of random rows against SELECT (tests/live_values.rs), server after server, until the first difference.
#   random-rows.sh            all servers
#   random-rows.sh NAME…      only these: mysql97 mysql56 mariadb1011 mariadb118
# BINLOGD_TEST_ROWS=N row changes a server (10,000,000); BINLOGD_TEST_SEED=N repeats a run, which says its seed every minute.
# Data lie in memory where there is room. A difference stops the server's run and leaves its text and the binlogs in the run's folder.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
. "$scripts/lib/memory.sh"
cd "$repo"
servers=("$@")
[ $# -gt 0 ] || servers=(mysql97 mysql56 mariadb1011 mariadb118)

claim_run random-rows
need_build_tools
in_memory random-rows "${servers[@]}"

# random_rows SERVER: one server at a time, so that memory is for one.
random_rows() {
  local server=$1 failed=0
  "$scripts/servers.sh" start "$server" --fast || return 1
  server_environment
  BINLOGD_TEST_ROWS=${BINLOGD_TEST_ROWS:-10000000} BINLOGD_TEST_SEED=${BINLOGD_TEST_SEED:-clock} BINLOGD_TEST_ALL=1 \
    cargo test --locked --quiet --release --test live_values -- --exact "values_on_$server" --nocapture || failed=1
  if [ $failed -ne 0 ]; then
    mkdir -p "$run/evidence-$server"
    cp "$run/$server"/data/master.* "$run/evidence-$server/" || true
  fi
  "$scripts/servers.sh" stop "$server"
  return $failed
}

if part "tests: build (release)" cargo test --locked --quiet --release --no-run --test live_values; then
  for server in "${servers[@]}"; do part "random rows: $server" random_rows "$server" || true; done
fi
summary
